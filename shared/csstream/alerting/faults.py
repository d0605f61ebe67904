"""Events that many stars of a panel show at once: faults of frames. Pure.

The mirrors of a star are told first, by their places, and do not count.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from csstream.alerting.mirrors import mean_level
from csstream.timeseries.guards import shared_events
from csstream.timeseries.result import ExaminationResult

Array = npt.NDArray[Any]


@dataclass(frozen=True, kw_only=True)
class FaultRules:
    """When events are no star's own."""

    stars: int = 3  # of a panel with the same events, one that is far stronger left out
    weak_fap: float = 1e-2  # of a single dip that counts as a witness, though it is no candidate


def faulty_events(
    time: Array, flux: Array, result: ExaminationResult, echo: Array, rules: FaultRules
) -> Array:
    """Return which curves that crossed show events of frames rather than their own, (n,) bool.

    Parameters
    ----------
    time : (m,) [day]; flux : (n, m), nan where there is none.
    result : single events told as such (``with_single_events``).
    echo : (n,) bool: mirrors another star.
    """
    faulty = np.zeros(len(result), bool)
    asked = result.crossed & ~echo
    if not asked.any():
        return faulty
    witness = ~result.crossed & ~echo & (result.single_fap <= rules.weak_fap)
    rows = np.flatnonzero(asked | witness)
    single = ~result.crossed[rows] | ~np.isfinite(result.period[rows])

    def of(one: Array, many: Array) -> Array:
        return np.asarray(np.where(single, one[rows], many[rows]), np.float64)

    depth = of(result.single_depth, result.depth)
    faulty[rows] = shared_events(
        time,
        np.where(single, np.nan, result.period[rows]),
        of(result.single_t0, result.dip_t0),
        of(result.single_duration, result.duration),
        np.nan_to_num(depth * mean_level(flux[rows])),
        rules.stars,
    )
    return faulty & asked
