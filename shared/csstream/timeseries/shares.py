"""Weights and fluxes of a panel in the form that the batched searches take."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]

COMMON: Final = 1e-6  # relative difference of weights that still counts as common


def normalised(flux: Array, weight: Array) -> tuple[Array, Array, Array]:
    """Share times deviation over scatter (n, m), the shares (n, m) and the scatter (n,).

    The share of an epoch is its weight over the sum of its star's weights. Zero for stars without
    weights or without scatter.
    """
    total = weight.sum(axis=1)
    share = weight / np.where(total > 0, total, 1.0)[:, None]
    centred = flux - (share * flux).sum(axis=1)[:, None]
    scatter = np.sqrt((share * centred**2).sum(axis=1))
    # What rounding leaves of a constant curve is no signal.
    scatter[scatter <= 1e-13 * np.max(np.abs(flux), axis=1, initial=0.0)] = 0.0
    scaled = np.divide(centred, scatter[:, None], out=np.zeros_like(centred),
                       where=scatter[:, None] > 0)  # fmt: skip
    return share * scaled, share, scatter


def common_share(share: Array) -> Array | None:
    """The shares that all stars have in common, (m,) float64, or None when they differ.

    Stars without weights do not count.
    """
    used = share[share.any(axis=1)]
    if len(used) == 0:
        return np.zeros(share.shape[1])
    same = np.all(np.abs(used - used[0]) <= COMMON * used[0])
    return np.ascontiguousarray(used[0], np.float64) if same else None
