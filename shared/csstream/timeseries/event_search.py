"""The strongest single dip of every star of a panel: a box matched filter in time.

A box of each duration is moved over the curve from epoch to epoch and compared with the level
before it and the level after it. The statistic is the depth over its error for white noise,
``depth / sqrt(1 / W_in + 1 / W_side)`` with summed inverse variances, against the side where it is
smaller: a trend or a step is no dip.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from numba import njit

from csstream.numerics.vectors import larger, store, where_above
from csstream.timeseries.lanes import WIDTH, load, spread
from csstream.timeseries.shares import normalised

Array = npt.NDArray[Any]

GROWTH: Final = 1.3  # from one duration tried to the next
STEPS: Final = 8  # starts tried per duration, where epochs are that dense
SHORTEST: Final = 4.0  # median gaps
LONGEST: Final = 0.25  # of the span
BESIDE: Final = 2.0  # durations on each side that make the level
POINTS: Final = 2.5  # mean points that the box and each side must hold at least


@dataclass(frozen=True, eq=False)
class SingleEvents:
    """The best single dip of each star; ``snr`` is 0 and the others NaN where there is none."""

    snr: Array  # (n,) depth over its error, white noise, against the worse side
    middle: Array  # (n,) [day], in the time given
    duration: Array  # (n,) [day]
    depth: Array  # (n,) below the mean level of both sides, in the unit of the flux
    points: Array  # (n, 3) int64: within two durations before it, in it, within two after it


def event_durations(time: Array) -> Array:
    """Durations to try for a series, (k,) [day]: four gaps to a quarter of the span."""
    gaps = np.diff(time)
    gaps = gaps[gaps > 0]
    if len(gaps) == 0:
        return np.empty(0)
    longest = LONGEST * float(time[-1] - time[0])
    shortest = SHORTEST * float(np.median(gaps))
    if shortest >= longest:
        return np.empty(0)
    count = 1 + int(np.ceil(np.log(longest / shortest) / np.log(GROWTH)))
    return np.geomspace(shortest, longest, count)


def single_events(time: Array, flux: Array, weight: Array) -> SingleEvents:
    """Best single dip of each star.

    Parameters
    ----------
    time : ndarray, (m,) [day], not decreasing.
    flux, weight : ndarray, (n, m): relative flux minus one and inverse variance (0: unused).
    """
    n = len(flux)
    durations = event_durations(time)
    if len(durations) == 0 or n == 0:
        return _none(n)
    time = np.ascontiguousarray(time, np.float64)
    product, share, _ = normalised(flux, weight)
    edges = _edges(time, durations)
    steps = np.maximum(durations / durations[0] * SHORTEST / STEPS, 1.0).astype(np.int64)
    least = POINTS / np.maximum(np.count_nonzero(weight, axis=1), 1)
    best = np.zeros(-(-n // WIDTH) * WIDTH, np.int64)
    for first in range(0, n, WIDTH):
        part = slice(first, min(first + WIDTH, n))
        sums = _sums(product[part]), _sums(share[part])
        floor = np.ones(WIDTH, np.float32)
        floor[: part.stop - first] = least[part]
        best[first : first + WIDTH] = _best_windows(*sums, edges, steps, floor)
    return _measured(time, flux, weight, durations, edges, best[:n])


def _edges(time: Array, durations: Array) -> Array:
    """Epochs where the level before, the box, the level after begin, and its end; (k, m, 4)."""
    edges = np.empty((len(durations), len(time), 4), np.int32)
    for row, length in zip(edges, durations, strict=True):
        row[:, 0] = np.searchsorted(time, time - BESIDE * length)
        row[:, 1] = np.arange(len(time))
        row[:, 2] = np.searchsorted(time, time + length)
        row[:, 3] = np.searchsorted(time, time + (1.0 + BESIDE) * length)
    return edges


def _sums(values: Array) -> Array:
    """Running sums over the epochs, (m + 1, 16) float32 with unused stars at zero."""
    result = np.zeros((values.shape[1] + 1, WIDTH), np.float32)
    result[1:, : len(values)] = np.cumsum(values, axis=1).T
    return result


@njit(cache=True, nogil=True)
def _best_windows(product: Array, share: Array, edges: Array, steps: Array, least: Array) -> Array:
    """``duration * m + start`` of the best box of 16 stars, -1 where there is none."""
    m = edges.shape[1]
    zero, floor = spread(product, 0.0), load(least, 0)
    best, which = zero, zero
    where = np.empty(WIDTH, np.float32)
    number = np.full(WIDTH, -1, np.int64)
    value, before = np.zeros(WIDTH, np.float32), np.zeros(WIDTH, np.float32)
    for d in range(edges.shape[0]):
        which = spread(product, -1.0)
        for i in range(0, m, steps[d]):
            a, b, c, e = edges[d, i, 0], edges[d, i, 1], edges[d, i, 2], edges[d, i, 3]
            inside = load(share, c * WIDTH) - load(share, b * WIDTH)
            left = load(share, b * WIDTH) - load(share, a * WIDTH)
            right = load(share, e * WIDTH) - load(share, c * WIDTH)
            middle = load(product, c * WIDTH)
            until = load(product, b * WIDTH)
            low = (middle - until) / inside
            first = larger((until - load(product, a * WIDTH)) / left - low, zero)
            second = larger((load(product, e * WIDTH) - middle) / right - low, zero)
            first = first * first * left / (inside + left)
            second = second * second * right / (inside + right)
            found = inside * where_above(first, second, second, first)
            found = where_above(floor, inside, zero, found)
            found = where_above(floor, left, zero, where_above(floor, right, zero, found))
            which = where_above(found, best, spread(product, i), which)
            best = where_above(found, best, found, best)
        store(where, 0, which)
        store(value, 0, best)
        for j in range(WIDTH):
            if value[j] > before[j]:
                number[j], before[j] = d * m + int(where[j]), value[j]
    return number


def _measured(
    time: Array, flux: Array, weight: Array, durations: Array, edges: Array, best: Array
) -> SingleEvents:
    """Depth, error and points of the boxes found, in double precision."""
    found = best >= 0
    d, i = np.divmod(np.maximum(best, 0), len(time))
    bounds = edges[d, i]
    product, total, count = _window_sums(flux, weight, bounds)
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = product / total
        sides = mean[:, [0, 2]] - mean[:, [1]]
        snr = np.min(sides / np.sqrt(1.0 / total[:, [1]] + 1.0 / total[:, [0, 2]]), axis=1)
        beside = (product[:, 0] + product[:, 2]) / (total[:, 0] + total[:, 2])
        depth = beside - mean[:, 1]
    found &= np.isfinite(snr) & (snr > 0)
    nan = np.where(found, 0.0, np.nan)
    middle = 0.5 * (time[bounds[:, 1]] + time[np.maximum(bounds[:, 2] - 1, 0)])
    return SingleEvents(
        snr=np.where(found, snr, 0.0),
        middle=middle + nan,
        duration=durations[d] + nan,
        depth=depth + nan,
        points=np.where(found[:, None], count, 0),
    )


@njit(cache=True, nogil=True)
def _window_sums(flux: Array, weight: Array, bounds: Array) -> tuple[Array, Array, Array]:
    """Sums of weight times flux, of weight, and points: before, in and after the box, (n, 3)."""
    product, total = np.zeros((len(bounds), 3)), np.zeros((len(bounds), 3))
    count = np.zeros((len(bounds), 3), np.int64)
    for row in range(len(bounds)):
        for part in range(3):
            for i in range(bounds[row, part], bounds[row, part + 1]):
                product[row, part] += weight[row, i] * flux[row, i]
                total[row, part] += weight[row, i]
                count[row, part] += weight[row, i] > 0
    return product, total, count


def _none(n: int) -> SingleEvents:
    nothing = np.full(n, np.nan)
    return SingleEvents(np.zeros(n), nothing, nothing, nothing, np.zeros((n, 3), np.int64))
