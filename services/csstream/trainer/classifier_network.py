"""The classifier: two small stacks of convolutions over the views, joined with the scalars."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from csstream.inference.classifier import CHANNELS
from csstream.timeseries.kinds import KINDS
from csstream.timeseries.views import GLOBAL_BINS, LOCAL_BINS

Array = npt.NDArray[Any]

KERNEL = 5
GLOBAL_BLOCKS = ((12, 4), (24, 4), (32, 3))  # channels, pooling
LOCAL_BLOCKS = ((12, 3), (24, 4))
HIDDEN = (96, 48)
DROPOUT = 0.25


class Stack(nn.Module):
    """Blocks of two convolutions, ReLU and a max-pool; flat output."""

    def __init__(self, bins: int, blocks: tuple[tuple[int, int], ...]) -> None:
        super().__init__()
        self.convolutions = nn.ModuleList()
        self.pools = [pool for _, pool in blocks]
        channels = CHANNELS
        for wide, pool in blocks:
            self.convolutions.append(nn.Conv1d(channels, wide, KERNEL, padding=KERNEL // 2))
            self.convolutions.append(nn.Conv1d(wide, wide, KERNEL, padding=KERNEL // 2))
            channels, bins = wide, bins // pool
        self.size = channels * bins

    def forward(self, view: torch.Tensor) -> torch.Tensor:
        """(b, 3, bins) -> (b, size)."""
        for k, pool in enumerate(self.pools):
            for convolution in self.convolutions[2 * k : 2 * k + 2]:
                view = torch.relu(convolution(view))
            view = nn.functional.max_pool1d(view, pool)
        return view.flatten(1)


class CurveNetwork(nn.Module):
    """Logits (b, 4) from global (b, 3, 201), local (b, 3, 61) and scalars (b, s)."""

    mean: torch.Tensor
    scale: torch.Tensor
    temperature: torch.Tensor

    def __init__(self, scalars: Array) -> None:
        """``scalars`` (k, s): the training set's, for their mean and scale."""
        super().__init__()
        self.whole = Stack(GLOBAL_BINS, GLOBAL_BLOCKS)
        self.near = Stack(LOCAL_BINS, LOCAL_BLOCKS)
        self.register_buffer("mean", torch.tensor(scalars.mean(axis=0), dtype=torch.float32))
        spread = np.maximum(scalars.std(axis=0), 1e-3)
        self.register_buffer("scale", torch.tensor(spread, dtype=torch.float32))
        self.register_buffer("temperature", torch.ones(()))
        wide = self.whole.size + self.near.size + scalars.shape[1]
        sizes = (wide, *HIDDEN, len(KINDS))
        self.dense = nn.ModuleList(nn.Linear(a, b) for a, b in pairwise(sizes))
        self.dropout = nn.Dropout(DROPOUT)

    def forward(
        self, whole: torch.Tensor, near: torch.Tensor, scalars: torch.Tensor
    ) -> torch.Tensor:
        """Logits over ``KINDS``, divided by the calibration temperature."""
        values = (scalars - self.mean) / self.scale
        joined = torch.cat([self.whole(whole), self.near(near), values], dim=1)
        for layer in self.dense[:-1]:
            joined = self.dropout(torch.relu(layer(joined)))
        return self.dense[-1](joined) / self.temperature
