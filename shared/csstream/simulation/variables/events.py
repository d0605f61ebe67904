"""How many events of a variable star a series of exposures shows whole."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from csstream.simulation.variables.shapes import Shape

Array = npt.NDArray[Any]

COVERED = 0.5  # of the exposures that an event holds at the steady cadence must be there
FEWEST = 3  # exposures within an event


def complete_events(shape: Shape, time: Array) -> int:
    """Return how many events are seen whole at mid-exposure times (m,) [day], increasing.

    A dip (the primary one of a binary) counts when first and last contact lie within the series
    and at least half of the exposures that fit between them were taken, three at least. Of a
    pulsating star whole cycles count.
    """
    if time.size < 2:
        return 0
    if not math.isfinite(shape.duration):
        return int((time[-1] - time[0]) / shape.period)
    step = float(np.median(np.diff(time)))
    needed = max(COVERED * shape.duration / step, float(FEWEST))
    cycle = np.round((time - shape.t0) / shape.period)
    centre = shape.t0 + cycle * shape.period
    half = 0.5 * shape.duration
    whole = (centre - half >= time[0] - step) & (centre + half <= time[-1] + step)
    inside = np.abs(time - centre) <= half
    _, counts = np.unique(cycle[whole & inside], return_counts=True)
    return int(np.count_nonzero(counts >= needed))
