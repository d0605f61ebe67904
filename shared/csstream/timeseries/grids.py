"""Which frequencies to try: uniform grids that follow the time span."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]

SHORTEST_PERIOD = 0.2  # [day] default floor
CYCLES_SEEN = 1.5  # the longest period of a sinusoid fits this often into the span
EVENTS_SEEN = 1.05  # the same for events: two of them need little more than one cycle
COMB = 0.9  # spectral window above which sampling counts as regular


@dataclass(frozen=True)
class FrequencyGrid:
    """Frequencies ``start + step * k``, k < count [1/day]; empty when count is 0."""

    start: float
    step: float
    count: int

    @property
    def frequencies(self) -> Array:
        """(count,), float64 [1/day]."""
        return self.start + self.step * np.arange(self.count)


def period_limits(
    time: Array,
    shortest: float | None = None,
    longest: float | None = None,
    cycles: float = CYCLES_SEEN,
) -> tuple[float, float]:
    """Return the shortest and longest period to search [day].

    Defaults: 0.2 d, but not below twice the median gap where the sampling is a comb (which cannot
    tell a frequency from its mirror), up to the span / ``cycles``.
    """
    span = float(time[-1] - time[0])
    gaps = np.diff(time)
    gap = float(np.median(gaps[gaps > 0])) if np.any(gaps > 0) else span
    if shortest is None:
        shortest = SHORTEST_PERIOD
        if gap > 0 and spectral_window(time, 1.0 / gap) > COMB:
            shortest = max(shortest, 2.0 * gap)
    return shortest, span / cycles if longest is None else longest


def spectral_window(time: Array, frequency: float) -> float:
    """Power of the sampling itself at a frequency [1/day]: 1 for a comb of that frequency."""
    return float(np.abs(np.mean(np.exp(2j * np.pi * frequency * (time - time[0])))) ** 2)


def sinusoid_grid(
    span: float,
    shortest: float,
    longest: float,
    oversampling: float = 5.0,
    most: int = 200_000,
) -> FrequencyGrid:
    """Grid for sinusoids: ``oversampling`` steps per 1/span.

    most : longest grid allowed; the shortest periods are given up first.
    """
    if span <= 0 or longest <= shortest:
        return FrequencyGrid(0.0, 0.0, 0)
    step = 1.0 / (oversampling * span)
    count = int(np.ceil((1.0 / shortest - 1.0 / longest) / step)) + 1
    return FrequencyGrid(1.0 / longest, step, min(count, most))


def box_grid(
    span: float,
    shortest: float,
    longest: float,
    fraction: float,
    most: int,
    oversampling: float = 2.0,
) -> FrequencyGrid:
    """Grid for boxes: one step moves the last event by ``fraction / oversampling`` of a cycle.

    fraction : the shortest duration over the period that must be found.
    most : longest grid allowed; the shortest periods are given up first. They remain reachable
        through the multiples of the sinusoid peaks.
    """
    if span <= 0 or longest <= shortest:
        return FrequencyGrid(0.0, 0.0, 0)
    step = fraction / (oversampling * span)
    count = int(np.ceil((1.0 / shortest - 1.0 / longest) / step)) + 1
    return FrequencyGrid(1.0 / longest, step, min(count, most))
