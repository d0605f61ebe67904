"""Folded curves of fixed length for the network: 201 bins of the cycle, 61 around the event.

Recipe of AstroNet-Triage (Yu et al. 2019) as given in docs/significance.md: overlapping bins,
medians, median 0 and dip -1. Beside the medians stands the scatter of each. Bins without data are
NaN; the network gets a mask for them.
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
MAD_TO_SIGMA = 1.4826


def fold_views(
    time: Array, flux: Array, period: float, t0: float, duration: float
) -> tuple[Array, Array]:
    """Global (2, 201) and local (2, 61) view of one star, float32, NaN in empty bins.

    The first row of a view holds the medians, the second the scatter of each median. The event
    is at ``t0``; ``duration`` sets the local scale. time, flux : ndarray, (m,) used points.
    """
    phase = phase_of(time, period, t0)
    order = np.argsort(phase, kind="stable")
    phase, flux = phase[order], np.asarray(flux, float)[order]
    noise = _point_to_point(flux)
    reach = min(LOCAL_REACH * duration / period, 0.5)
    width = min(LOCAL_WIDTH * duration / period, 0.1)
    whole = median_bins(phase, flux, noise, 0.5, GLOBAL_OVERLAP / GLOBAL_BINS, GLOBAL_BINS)
    near = median_bins(phase, flux, noise, reach, width, LOCAL_BINS)
    return normalise_view(whole), normalise_view(near)


def normalise_view(view: Array) -> Array:
    """Medians of median 0 and minimum -1, scatter in the same unit, (2, bins); NaN stays.

    A view without a dip is only centred.
    """
    known = view[0][np.isfinite(view[0])]
    if len(known) == 0:
        return view.astype(np.float32)
    middle = np.median(known)
    depth = middle - np.min(known)
    centred = np.stack([view[0] - middle, view[1]])
    return (centred / depth if depth > 0 else centred).astype(np.float32)


@njit(cache=True, nogil=True)
def median_bins(
    phase: Array, flux: Array, noise: float, reach: float, width: float, bins: int
) -> Array:
    """Medians and their scatter, (2, bins), in bins of ``width`` evenly over [-reach, reach).

    ``phase`` ascends. The variance of a point is the mean square around the bin's median, with
    ``noise`` [flux] counted as one more point; the scatter of a median is its root over the
    root of the number of points. Bins do not go around the end of the cycle; NaN where empty.
    """
    result = np.full((2, bins), np.nan)
    first, last = 0, 0
    for b in range(bins):
        centre = -reach + 2.0 * reach * (b + 0.5) / bins
        while first < len(phase) and phase[first] < centre - 0.5 * width:
            first += 1
        last = max(last, first)
        while last < len(phase) and phase[last] < centre + 0.5 * width:
            last += 1
        if last > first:
            inside = flux[first:last]
            middle = np.median(inside)
            variance = (noise**2 + np.sum((inside - middle) ** 2)) / len(inside)
            result[0, b] = middle
            result[1, b] = np.sqrt(variance / len(inside))
    return result


def _point_to_point(flux: Array) -> float:
    """Robust noise of one point of a folded curve, from the differences of neighbours."""
    if len(flux) < 2:
        return 0.0
    return MAD_TO_SIGMA / np.sqrt(2.0) * float(np.median(np.abs(np.diff(flux))))
