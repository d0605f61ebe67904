"""What PNet should have said: targets of one stamp, and the losses against them."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from numba import njit
from torch import Tensor
from torch.nn import functional

Float = npt.NDArray[np.float64]
Image = npt.NDArray[np.float32]

NEIGHBOUR_WEIGHT = 0.25  # of such a pixel, times its heat
TARGETS = ("heat", "positive", "dx", "dy", "ln_flux", "weight")
WIDTH_LIMITS = (math.log(0.01), math.log(2.0))  # of the Laplace widths, position [pixel], flux [ln]
REGRESSION_WEIGHT = 0.3


@dataclass(frozen=True, kw_only=True)
class TargetSettings:
    """How sharply stars are asked for; a wider PSF wants wider ones."""

    heat_sigma: float = 0.45  # [pixel] of the Gaussian around each star's sub-pixel centre
    offset_reach: float = 1.0  # [pixel] pixels this close to a listed star learn where it is


SHARP = TargetSettings()


class Losses(NamedTuple):
    """Scalar tensors."""

    total: Tensor
    centre: Tensor
    position: Tensor
    flux: Tensor


def make_targets(
    x: Float,
    y: Float,
    ln_flux: Float,
    listed: npt.NDArray[np.bool_],
    shape: tuple[int, int],
    settings: TargetSettings = SHARP,
) -> Image:
    """Return the targets of one stamp, (6, ny, nx), float32; channels: :data:`TARGETS`.

    Parameters
    ----------
    x, y : ndarray, (n,) [pixel]
    ln_flux : ndarray, (n,)
        Natural logarithm of the flux over the empty pixel's noise.
    listed : ndarray, (n,), bool
        False for nuisance stars: finding them is neither rewarded nor punished.
    """
    targets = np.zeros((len(TARGETS), *shape), np.float32)
    order = np.argsort(ln_flux, kind="stable")  # where two share a pixel the brighter one stays
    sigma, reach = settings.heat_sigma, settings.offset_reach
    _fill_targets(targets, x[order], y[order], ln_flux[order], listed[order], sigma, reach)
    return targets


@njit(cache=True, nogil=True)
def _fill_targets(
    targets: Image,
    x: Float,
    y: Float,
    ln_flux: Float,
    listed: npt.NDArray[np.bool_],
    sigma: float,
    reach: float,
) -> None:
    _, ny, nx = targets.shape
    far = math.ceil(max(4.0 * sigma, reach))
    for k in range(x.size):
        cx, cy = round(x[k]), round(y[k])
        for j in range(max(cy - far, 0), min(cy + far + 1, ny)):
            for i in range(max(cx - far, 0), min(cx + far + 1, nx)):
                dx, dy = x[k] - i, y[k] - j
                squared = dx * dx + dy * dy
                own = j == cy and i == cx
                heat = 1.0 if own else math.exp(-0.5 * squared / sigma**2)
                targets[0, j, i] = max(targets[0, j, i], heat)
                if not listed[k]:
                    continue
                weight = 1.0 if own else NEIGHBOUR_WEIGHT * heat
                near = own or squared < reach**2
                if near and weight >= targets[5, j, i]:
                    targets[1, j, i] = max(targets[1, j, i], 1.0 if own else 0.0)
                    targets[2, j, i] = dx
                    targets[3, j, i] = dy
                    targets[4, j, i] = ln_flux[k]
                    targets[5, j, i] = weight


def losses(heads: Tensor, targets: Tensor, valid: Tensor) -> Losses:
    """Return the losses of a batch.

    Parameters
    ----------
    heads, targets : Tensor, (batch, 6, ny, nx)
    valid : Tensor, (batch, ny, nx), float32
        0 where nothing is asked of the network.

    The centre's loss is CenterNet's penalty-reduced focal loss per listed star; position and flux
    are negative logarithms of Laplace likelihoods whose widths the network predicts too.
    """
    heat, positive, weight = targets[:, 0], targets[:, 1], targets[:, 5] * valid
    stars = (positive * valid).sum().clamp(min=1.0)
    centre = _focal(heads[:, 0], heat, positive, valid) / stars
    total_weight = weight.sum().clamp(min=1.0)
    miss = (heads[:, 1] - targets[:, 2]).abs() + (heads[:, 2] - targets[:, 3]).abs()
    position = (_laplace(miss, heads[:, 4], 2.0) * weight).sum() / total_weight
    flux_miss = (heads[:, 3] - targets[:, 4]).abs()
    flux = (_laplace(flux_miss, heads[:, 5], 1.0) * weight).sum() / total_weight
    total = centre + REGRESSION_WEIGHT * (position + flux)
    return Losses(total, centre, position, flux)


def _focal(logit: Tensor, heat: Tensor, positive: Tensor, valid: Tensor) -> Tensor:
    score = torch.sigmoid(logit)
    found = positive * (1.0 - score) ** 2 * functional.softplus(-logit)
    empty = (1.0 - positive) * (1.0 - heat) ** 4 * score**2 * functional.softplus(logit)
    return ((found + empty) * valid).sum()


def _laplace(miss: Tensor, ln_width: Tensor, dimensions: float) -> Tensor:
    bounded = ln_width.clamp(*WIDTH_LIMITS)
    return miss * torch.exp(-bounded) + dimensions * bounded
