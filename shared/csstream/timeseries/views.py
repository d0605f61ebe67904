"""Folded curves of fixed length for the network: 201 bins of the cycle, 61 around the event.

Recipe of AstroNet-Triage (Yu et al. 2019) as given in docs/significance.md: overlapping bins,
medians, median 0 and dip -1. Bins without data are NaN; the network gets a mask for them.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from numba import njit

from csstream.timeseries.folding import phase_of

Array = npt.NDArray[Any]

GLOBAL_BINS = 201
LOCAL_BINS = 61
GLOBAL_OVERLAP = 1.2  # bin width over bin distance
LOCAL_REACH = 2.0  # durations on each side
LOCAL_WIDTH = 0.16  # bin width in durations


def fold_views(
    time: Array, flux: Array, period: float, t0: float, duration: float
) -> tuple[Array, Array]:
    """Global (201,) and local (61,) view of one star, float32, NaN in empty bins.

    time, flux : ndarray, (m,) used points; event at ``t0``; ``duration`` sets the local scale.
    """
    phase = phase_of(time, period, t0)
    order = np.argsort(phase, kind="stable")
    phase, flux = phase[order], np.asarray(flux, float)[order]
    reach = min(LOCAL_REACH * duration / period, 0.5)
    width = min(LOCAL_WIDTH * duration / period, 0.1)
    whole = median_bins(phase, flux, 0.5, GLOBAL_OVERLAP / GLOBAL_BINS, GLOBAL_BINS)
    near = median_bins(phase, flux, reach, width, LOCAL_BINS)
    return normalise_view(whole), normalise_view(near)


def normalise_view(view: Array) -> Array:
    """Median 0 and minimum -1; NaN stays. A view without a dip is only centred."""
    known = view[np.isfinite(view)]
    if len(known) == 0:
        return view.astype(np.float32)
    centred = view - np.median(known)
    depth = -np.min(known - np.median(known))
    return (centred / depth if depth > 0 else centred).astype(np.float32)


@njit(cache=True, nogil=True)
def median_bins(phase: Array, flux: Array, reach: float, width: float, bins: int) -> Array:
    """Medians in bins of ``width`` centred evenly over [-reach, reach); phase ascending.

    Bins do not go around the end of the cycle. NaN where a bin is empty.
    """
    result = np.full(bins, np.nan)
    first, last = 0, 0
    for b in range(bins):
        centre = -reach + 2.0 * reach * (b + 0.5) / bins
        while first < len(phase) and phase[first] < centre - 0.5 * width:
            first += 1
        last = max(last, first)
        while last < len(phase) and phase[last] < centre + 0.5 * width:
            last += 1
        if last > first:
            result[b] = np.median(flux[first:last])
    return result
