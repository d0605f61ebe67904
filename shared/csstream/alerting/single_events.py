"""One deep event alone: candidates that have no period yet. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from csstream.timeseries.kinds import KINDS
from csstream.timeseries.result import ExaminationResult

Array = npt.NDArray[Any]
DIPS = (KINDS.index("transit"), KINDS.index("eclipsing"))


@dataclass(frozen=True, kw_only=True)
class SingleEventRules:
    """What one event must show to be worth an alert. Stricter than for periods: no repeat helps."""

    snr: float = 12.0  # snr_pink; infinite: single events are never sent
    fap: float = 1e-5
    probability: float = 0.9  # that the star is variable
    points: int = 4  # within the event
    points_beside: int = 4  # before it and after it, each: both its sides were seen
    longest: float = 0.25  # duration over the span of the curve


def single_events(
    time: Array, flux: Array, result: ExaminationResult, rules: SingleEventRules
) -> Array:
    """Return the middle [day] of each curve's single event; nan: none worth an alert. (n,) float64.

    Parameters
    ----------
    time : (m,) [day]; flux : (n, m), nan where there is none.

    See :func:`unshared` for events that several stars show at the same time.
    """
    middle = np.full(len(result), np.nan)
    for row in np.flatnonzero(_strong(result, rules)):
        seen = time[np.isfinite(flux[row])]
        centre = event_time(seen, result.t0[row], result.period[row], result.duration[row])
        if _covered(seen, centre, float(result.duration[row]), rules):
            middle[row] = centre
    return middle


def event_time(time: Array, t0: float, period: float, duration: float) -> float:
    """Return the middle of the cycle's event that holds the most points; t0 when none holds any."""
    cycle = np.round((time - t0) / period)
    inside = np.abs(time - t0 - cycle * period) < 0.5 * duration
    if not inside.any():
        return float(t0)
    cycles, counts = np.unique(cycle[inside], return_counts=True)
    return float(t0 + cycles[np.argmax(counts)] * period)


def unshared(middle: Array, duration: Array) -> Array:
    """Return the events (n,) [day] without those that two or more stars show at the same time.

    Such an event is taken for a fault of a frame. Mirrors of one star must be taken out before.
    """
    alone = middle.copy()
    for row in np.flatnonzero(np.isfinite(middle)):
        near = np.abs(middle - middle[row]) < 0.5 * duration[row]
        if np.count_nonzero(near) > 1:
            alone[row] = np.nan
    return alone


def _strong(result: ExaminationResult, rules: SingleEventRules) -> Array:
    finite = np.isfinite(result.t0) & np.isfinite(result.period) & np.isfinite(result.duration)
    return (
        finite
        & result.shortlisted
        & np.isin(result.kind, DIPS)
        & (result.n_events == 1)
        & (1.0 - result.probabilities[:, 0] >= rules.probability)
        & (result.fap <= rules.fap)
        & (result.snr_pink >= rules.snr)
        & (result.depth > 0)
    )


def _covered(time: Array, centre: float, duration: float, rules: SingleEventRules) -> bool:
    offset = time - centre
    return bool(
        np.count_nonzero(np.abs(offset) < 0.5 * duration) >= rules.points
        and np.count_nonzero(offset < -0.5 * duration) >= rules.points_beside
        and np.count_nonzero(offset > 0.5 * duration) >= rules.points_beside
        and duration <= rules.longest * (time[-1] - time[0])
    )
