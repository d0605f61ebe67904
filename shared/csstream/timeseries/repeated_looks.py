"""What looking again and again at a growing curve does to a false-alarm probability.

Noise that does not reach a level at one look may reach it at a later one. How much more often it is
alerted at any look so far was counted on null curves (``csstream evaluate significance --looks``).
It ships in the table of false alarms: a factor, by the number of looks and by how far the
probability lies below the limit that a look must cross. Near the limit the look before had to cross
it too, which noise seldom does; far below it nearly always did, and any of the looks may have been
the lucky one.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import numpy.typing as npt

from csstream.timeseries.false_alarms import LooksTable, shipped_table
from csstream.timeseries.grids import EVENTS_SEEN, SHORTEST_PERIOD

Array = npt.NDArray[Any]

FIRST: Final = 30  # epochs at the first look
GROWTH: Final = 1.1  # of the number of epochs from look to look


def looks_so_far(time: Array, first: int = FIRST, growth: float = GROWTH) -> int:
    """Looks until the last epoch, counted from the first that can have found a period.

    time : ndarray, (m,) [day], not decreasing. first, growth : of the schedule of looks; panels
    are looked at when their number of epochs has grown by the factor.
    """
    if len(time) < 2:
        return 1
    searched = int(np.searchsorted(time, time[0] + EVENTS_SEEN * SHORTEST_PERIOD, side="right"))
    start = min(max(searched, first), len(time))
    return 1 + int(np.ceil(np.log(len(time) / start) / np.log(growth) - 1e-9))


def fap_of_looks(fap: Array, looks: int, limit: float, table: LooksTable | None = None) -> Array:
    """Probability that noise is alerted with so small a probability at any look so far; (n,).

    Parameters
    ----------
    fap : ndarray, (n,): of one look at one star, see ``false_alarms``.
    looks : so far, this one counted, see :func:`looks_so_far`.
    limit : false-alarm probability that two looks in a row must cross. A closing look may cross
        half of it alone.
    table : the shipped one when None.

    Noise that crosses counts as alerted, whatever else an alert asks for (agreeing periods, shape,
    the network): the true rate is lower. Between nodes factors are interpolated in the number of
    looks and in the logarithm of the probability; beyond the last number of looks they grow on.
    """
    table = shipped_table().looks if table is None else table
    fap = np.asarray(fap, float)
    rows = np.array([_at_looks(table, column, looks) for column in table.factor.T])
    below = np.log10(np.maximum(fap, 1e-300) / limit)
    factor = np.interp(-below, -table.log10_below, np.maximum(rows, 1.0))
    return np.asarray(np.minimum(fap * factor, 1.0))


def _at_looks(table: LooksTable, factor: Array, looks: int) -> float:
    """One column of the table at a number of looks; the last slope goes on."""
    if looks <= table.looks[-1]:
        return float(np.interp(looks, table.looks, factor))
    slope = (factor[-1] - factor[-2]) / (table.looks[-1] - table.looks[-2])
    return float(factor[-1] + slope * (looks - table.looks[-1]))
