"""What looks like a variable star and is not: daily aliases and events that stars share."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from csstream.timeseries.grids import spectral_window

Array = npt.NDArray[Any]

DAY_HARMONICS = 5
SIDEREAL = 1.0027379
LEADER = 3.0  # a leader's flux amplitude over the next one's
SMOOTH_WIDTH = 0.25  # of its period: how long an extreme of a smooth variation lasts
ALIKE = 2.0  # largest ratio of the durations of two single events that are the same


def daily_alias(time: Array, period: Array, window: float) -> Array:
    """True where a period belongs to the daily rhythm of the sampling; (n,) bool.

    The frequency or its double within 1.5 / span of a multiple of one per solar or sidereal day,
    when the spectral window at one per day is above ``window``. NaN periods give False.
    """
    span = float(time[-1] - time[0])
    if span < 3.0 or spectral_window(time, 1.0) < window:
        return np.zeros(len(period), bool)
    with np.errstate(invalid="ignore", divide="ignore"):
        frequency = 1.0 / np.asarray(period, float)
    alias = np.zeros(len(period), bool)
    for k in range(1, DAY_HARMONICS + 1):
        for day in (1.0, SIDEREAL):
            with np.errstate(invalid="ignore"):
                alias |= np.abs(frequency - k * day) < 1.5 / span
                alias |= np.abs(2.0 * frequency - k * day) < 1.5 / span
    return alias


def shared_events(
    time: Array, period: Array, t0: Array, width: Array, swing: Array, most: int
) -> Array:
    """True where ``most`` stars or more of a panel show the same events; (k,) bool.

    Such events are taken for a fault of frames, except those of a leader whose flux amplitude is
    ``LEADER`` times that of every other star with them. Two stars with the same events are left
    alone: whether one mirrors the other is told from their places.

    Repeating events are the same when they coincide within a tenth of their width at the start and
    at the end of the series, single ones when they overlap and last about equally long.

    Parameters
    ----------
    period, t0, width : (k,) [day] of the stars that vary; a period of NaN is a single event, a
        width of NaN a smooth variation. swing : (k,) amplitude in flux units.
    """
    if len(period) < most:
        return np.zeros(len(period), bool)
    width = np.where(np.isfinite(width), width, SMOOTH_WIDTH * period)
    same = _same_single(period, t0, width) | _same_repeating(time, period, t0, width)
    np.fill_diagonal(same, False)
    others = np.where(same, swing[None, :], -np.inf).max(axis=1)
    leader = swing > LEADER * others
    return np.asarray((same.sum(axis=1) + 1 >= most) & ~leader)


def _same_single(period: Array, t0: Array, width: Array) -> Array:
    """Whether two stars have one event alone, at the same time; (k, k) bool."""
    single = ~np.isfinite(period)
    near = np.abs(t0[:, None] - t0[None, :]) < 0.5 * np.minimum(width[:, None], width[None, :])
    alike = np.maximum(width[:, None], width[None, :]) < ALIKE * np.minimum(
        width[:, None], width[None, :]
    )
    return np.asarray(single[:, None] & single[None, :] & near & alike)


def _same_repeating(time: Array, period: Array, t0: Array, width: Array) -> Array:
    """Whether the events of two stars fall together at both ends of the series; (k, k) bool."""
    own, other = period[:, None], period[None, :]
    narrow = np.minimum(np.minimum(width[:, None], width[None, :]), SMOOTH_WIDTH * own)
    same = np.abs(own - other) <= 0.05 * own
    for moment in (float(time[0]), float(time[-1])):
        first = t0[:, None] + np.round((moment - t0[:, None]) / own) * own
        second = t0[None, :] + np.round((first - t0[None, :]) / other) * other
        same &= np.abs(first - second) <= 0.1 * narrow
    return np.asarray(same)
