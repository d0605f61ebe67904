"""Phases, events and coverage. Phase is in [-0.5, 0.5) with the event at 0."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]

COVERAGE_BINS = 40


def phase_of(time: Array, period: float, t0: float) -> Array:
    """Phase in [-0.5, 0.5), in cycles."""
    return (np.asarray(time) - t0) / period - np.floor((np.asarray(time) - t0) / period + 0.5)


def cycle_of(time: Array, period: float, t0: float) -> Array:
    """Number of the cycle whose event is nearest, int64."""
    return np.floor((np.asarray(time) - t0) / period + 0.5).astype(np.int64)


def event_points(time: Array, period: float, t0: float, duration: float) -> tuple[Array, Array]:
    """Events with data in them: their cycle numbers (e,) and numbers of points (e,)."""
    inside = np.abs(phase_of(time, period, t0)) * period < 0.5 * duration
    cycles, counts = np.unique(cycle_of(time, period, t0)[inside], return_counts=True)
    return cycles, counts


def phase_coverage(time: Array, period: float, bins: int = COVERAGE_BINS) -> float:
    """Fraction of equal phase bins that hold at least one epoch."""
    phase = phase_of(time, period, 0.0)
    return len(np.unique(np.floor((phase + 0.5) * bins).astype(np.int64))) / bins


def first_event(t0: float, period: float, start: float) -> float:
    """The first event at or after ``start``."""
    return float(t0 + np.ceil((start - t0) / period) * period)
