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
    """True where a star repeats events that others of its panel have at the same times; (n,) bool.

    Two stars share events when these coincide within a tenth of their width at the start and at
    the end of the series. Of two stars, the one with the smaller flux amplitude is the echo
    (light of a blended variable). Of ``most`` or more, all are taken for a systematic, except a
    leader with ``LEADER`` times the amplitude of the next.

    Parameters
    ----------
    period, t0, width : (n,) [day]; NaN: not a candidate. swing : (n,) amplitude in flux units.
    """
    flagged = np.zeros(len(period), bool)
    candidates = [int(i) for i in np.flatnonzero(np.isfinite(period) & np.isfinite(t0))]
    for i in candidates:
        same = [i, *(j for j in candidates if j != i and _coincide(time, period, t0, width, i, j))]
        if len(same) < 2:
            continue
        others = np.max(swing[same[1:]])
        leader = swing[i] > (LEADER if len(same) >= most else 1.0) * others
        flagged[i] = not leader
    return flagged


def _coincide(time: Array, period: Array, t0: Array, width: Array, i: int, j: int) -> bool:
    """Whether the events of two stars fall together at both ends of the series."""
    if abs(period[i] - period[j]) > 0.05 * period[i]:
        return False
    tolerance = 0.1 * min(width[i], width[j], 0.25 * period[i])
    for moment in (float(time[0]), float(time[-1])):
        first = t0[i] + np.round((moment - t0[i]) / period[i]) * period[i]
        second = t0[j] + np.round((first - t0[j]) / period[j]) * period[j]
        if abs(first - second) > tolerance:
            return False
    return True
