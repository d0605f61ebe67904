"""PNet: a fully convolutional network that finds stars and says where and how bright they are.

CenterNet (Zhou et al. 2019, arXiv 1904.07850) for stars, after PNet (Sun et al. 2023, AJ 166 235):
a lossless pixel-unshuffle by two, residual blocks at half resolution, and all heads of the four
sub-pixels predicted at once by pixel-shuffle. There is no normalisation layer, so a pixel's heads
depend on its neighbourhood alone, whatever else is in the tile or the batch.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from csstream.imaging.finding.pnet import ASINH_SCALE, CHANNELS, HEADS

STRIDE = 2
PRIOR = 0.02  # about one pixel in fifty holds a listed star
START_FLUX = 1.5  # [ln] a star's flux over its central pixel, about the inverse of the PSF's peak


class ResidualBlock(nn.Module):
    """Two 3×3 convolutions beside an identity; starts as the identity."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(channels, channels, 3, padding=1)
        self.second = nn.Conv2d(channels, channels, 3, padding=1)
        nn.init.zeros_(self.second.weight)

    def forward(self, x: Tensor) -> Tensor:
        """Map (batch, channels, h, w) to the same shape."""
        return x + self.second(functional.relu(self.first(functional.relu(x))))


class PNet(nn.Module):
    """Input (batch, 3, ny, nx), output (batch, 6, ny, nx).

    The input is that of :func:`csstream.imaging.finding.pnet.prepare`.

    ny and nx must be even. ``blocks`` fixes the receptive field: :func:`halo`.
    """

    def __init__(self, channels: int = 32, blocks: int = 5) -> None:
        super().__init__()
        cells = STRIDE * STRIDE
        self.stem = nn.Conv2d(CHANNELS * cells, channels, 3, padding=1)
        self.blocks = nn.Sequential(*(ResidualBlock(channels) for _ in range(blocks)))
        self.head = nn.Conv2d(channels, len(HEADS) * cells, 3, padding=1)
        nn.init.normal_(self.head.weight, std=0.01)
        self.start_heads()

    def start_heads(self, prior: float = PRIOR, ln_flux: float = START_FLUX) -> None:
        """Set what an untrained network answers: a star's probability and its flux [ln]."""
        logit = math.log(prior / (1.0 - prior))
        start = torch.tensor((logit, 0.0, 0.0, ln_flux, math.log(0.3), math.log(0.3)))
        with torch.no_grad():
            self.head.bias.copy_(start.repeat_interleave(STRIDE * STRIDE))

    def forward(self, x: Tensor) -> Tensor:
        """Return the heads; the flux head is a correction to the pixel's own signal."""
        features = self.blocks(self.stem(functional.pixel_unshuffle(x, STRIDE)))
        heads = functional.pixel_shuffle(self.head(functional.relu(features)), STRIDE)
        signal = functional.relu(x[:, :1]) / ASINH_SCALE
        return torch.cat([heads[:, :3], heads[:, 3:4] + signal, heads[:, 4:]], dim=1)


def halo(blocks: int) -> int:
    """Return how far a pixel's heads look beyond the pixel's own 2×2 cell [pixel]."""
    return STRIDE * (2 * blocks + 2)
