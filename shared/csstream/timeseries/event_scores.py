"""How surely a star's best single dip is no noise, correlated noise taken into account.

The search finds the strongest dip (``event_search``); here the dip is taken away, and what averages
of the rest scatter beyond white noise says by how much correlated noise widens the depth
(``noise_growth``), as for the periodic scores. The chance that noise gives such a dip somewhere in
the curve is that of one box in as many places as there are, the span over the duration, times the
range of log duration that was tried: each unit of it gets the same share of the false alarms.
Counted on measured curves of constant stars, that is what all looks at a star together give
(docs/alerts.md).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from numba import njit

from csstream.timeseries.event_search import BESIDE, SingleEvents, event_durations
from csstream.timeseries.noise_growth import AVERAGES, growth_of
from csstream.timeseries.score_kernels import average_growth
from csstream.timeseries.scores import box_score

Array = npt.NDArray[Any]

APART: Final = 0.75  # durations from the middle: beyond, a point belongs to the rest
FEWEST: Final = 6  # points outside a dip, to say how noisy they are


@dataclass(frozen=True, eq=False)
class EventScores:
    """Of the best single dip of each star; (n,) each. NaN (``fap`` 1, ``snr`` 0): there is none."""

    snr: Array  # against the worse side, without the point that adds most, over the root of growth
    fap: Array  # probability that noise alone gives such a dip anywhere in the curve
    shape: Array  # median over mean depth of the points in it; a single outlier is near 0
    edge: Array  # pause between the points at the better seen of its edges, over the duration


def score_events(time: Array, flux: Array, weight: Array, events: SingleEvents) -> EventScores:
    """Score the best single dip of every star of a panel.

    Parameters
    ----------
    time : ndarray, (m,) [day], not decreasing.
    flux, weight : ndarray, (n, m): relative flux minus one and inverse variance (0: unused).
    events : what :func:`csstream.timeseries.event_search.single_events` found.
    """
    n = len(flux)
    span = float(time[-1] - time[0]) if len(time) else 0.0
    if n == 0 or span <= 0.0:
        return EventScores(np.zeros(n), np.ones(n), np.full(n, np.nan), np.full(n, np.nan))
    lengths = AVERAGES * span
    origin = float(time[0])
    found, growth = np.full((n, 3), np.nan), np.ones((n, len(lengths)))
    _score(time - origin, flux, weight, events.middle - origin, events.duration, lengths,
           found, growth)  # fmt: skip
    known = np.isfinite(found[:, 0])
    duration = np.where(known, events.duration, lengths[0])
    wider = growth_of(growth, lengths, duration)
    white = np.where(known, found[:, 0], 0.0)
    score = box_score(white, wider, np.maximum(_log_range(time) * span / duration, 1.0))
    fap = np.where(known & (white > 0.0), 10.0**-score, 1.0)
    snr = white / np.sqrt(wider.value)
    return EventScores(np.maximum(snr, 0.0), fap, found[:, 1], found[:, 2])


def _log_range(time: Array) -> float:
    """Logarithm of the longest over the shortest duration that is tried, at least 1."""
    durations = event_durations(time)
    return max(float(np.log(durations[-1] / durations[0])), 1.0) if len(durations) else 1.0


@njit(cache=True, nogil=True, error_model="numpy")
def _score(
    time: Array,
    flux: Array,
    weight: Array,
    middle: Array,
    duration: Array,
    lengths: Array,
    found: Array,
    growth: Array,
) -> None:
    """Fill found (n, 3): S/N for white noise, shape, edge; and growth (n, k)."""
    residual, kept = np.empty(time.shape[0]), np.empty(time.shape[0])
    for i in range(flux.shape[0]):
        if not np.isfinite(middle[i]):
            continue
        place = (time - middle[i]) / duration[i]
        scatter = _rest(place, flux[i], weight[i], residual, kept)
        if scatter > 0.0:
            _dip(place, flux[i], weight[i] / max(scatter, 1.0), found[i])
            average_growth(time, residual, kept, 1.0 / scatter, lengths, growth[i])


@njit(cache=True, nogil=True, error_model="numpy")
def _rest(place: Array, flux: Array, weight: Array, residual: Array, kept: Array) -> float:
    """Residual and weights without the dip; chi² per point of it, 0 where there are too few."""
    total, signal, count = 0.0, 0.0, 0
    for j in range(place.shape[0]):
        kept[j] = weight[j] if abs(place[j]) > APART else 0.0
        total += kept[j]
        signal += kept[j] * flux[j]
        count += kept[j] > 0.0
    if count < FEWEST:
        return 0.0
    square = 0.0
    for j in range(place.shape[0]):
        residual[j] = flux[j] - signal / total if kept[j] > 0.0 else 0.0
        square += kept[j] * residual[j] ** 2
    return square / (count - 1)


@njit(cache=True, nogil=True, error_model="numpy")
def _dip(place: Array, flux: Array, weight: Array, found: Array) -> None:
    """S/N without the strongest point against the worse side, shape and edge, into found (3,)."""
    total, signal, pause = np.zeros(3), np.zeros(3), np.zeros(2)
    inside = np.empty(place.shape[0])
    count, last, part_of_last = 0, 0.0, -1
    for j in range(place.shape[0]):
        if weight[j] <= 0.0 or abs(place[j]) > 0.5 + BESIDE:
            continue
        part = 0 if place[j] < -0.5 else (1 if place[j] <= 0.5 else 2)
        total[part] += weight[j]
        signal[part] += weight[j] * flux[j]
        if part == 1:
            inside[count] = flux[j]
            count += 1
        if part != part_of_last and part_of_last >= 0:
            pause[max(part - 1, 0)] = place[j] - last
        last, part_of_last = place[j], part
    if count < 2 or total[0] <= 0.0 or total[2] <= 0.0:
        return
    low, before, after = signal[1] / total[1], signal[0] / total[0], signal[2] / total[2]
    mean_depth = 0.5 * (before + after) - low
    worse = 0 if before < after else 2
    found[0] = _firm(place, flux, weight, min(before, after), total[worse])
    found[1] = (0.5 * (before + after) - np.median(inside[:count])) / mean_depth
    found[2] = min(pause[0], pause[1])


@njit(cache=True, nogil=True, error_model="numpy")
def _firm(place: Array, flux: Array, weight: Array, level: float, beside: float) -> float:
    """Depth below ``level`` over its error, without the point in the dip that adds most."""
    signal, total, strongest, its_weight = 0.0, 0.0, 0.0, 0.0
    for j in range(place.shape[0]):
        if weight[j] <= 0.0 or abs(place[j]) > 0.5:
            continue
        adds = weight[j] * (level - flux[j])
        signal += adds
        total += weight[j]
        if adds > strongest:
            strongest, its_weight = adds, weight[j]
    left = total - its_weight
    if left <= 0.0:
        return 0.0
    return (signal - strongest) / left / np.sqrt(1.0 / left + 1.0 / beside)
