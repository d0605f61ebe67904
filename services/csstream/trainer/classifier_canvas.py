"""Constant stars with all the noise of a survey, on which variability is painted for training."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]

PLACES = 20  # into which stars or panels are dealt
PARTS = {"train": 12, "validation": 2, "calibration": 2, "test": 4}  # of the places
MOST_STARS = 110  # in a panel


@dataclass(frozen=True, eq=False)
class Canvas:
    """A panel of constant stars.

    Attributes
    ----------
    time : ndarray, (m,) [day], increasing.
    flux, error : ndarray, (n, m), any one linear unit; NaN where a star was not measured.
    sigma : ndarray, (n,): error of one epoch in relative flux.
    seeing : ndarray, (m,): conditions that systematic errors follow, mean 0 and width 1.
    offset : ndarray, (m,): of the pointing, -1 … 1.
    """

    time: Array
    flux: Array
    error: Array
    sigma: Array
    seeing: Array
    offset: Array


class CanvasSource(Protocol):
    """Where canvases come from. Stars of different parts are never the same."""

    @property
    def name(self) -> str:
        """What the model card says of the noise."""

    def draw(self, rng: np.random.Generator, part: str) -> Canvas:
        """Draw a panel of one of :data:`PARTS`."""


def part_of(place: int) -> str:
    """Part that a place 0 … 19 belongs to."""
    edge = 0
    for part, count in PARTS.items():
        edge += count
        if place % PLACES < edge:
            return part
    raise AssertionError("the parts fill all places")


def correlated(rng: np.random.Generator, time: Array, rows: int, scale: float) -> Array:
    """Ornstein–Uhlenbeck series of unit variance with a time scale [day]: (rows, m)."""
    steps = rng.normal(size=(rows, len(time)))
    keep = np.exp(-np.diff(time) / scale)
    for j in range(1, len(time)):
        rest = np.sqrt(1.0 - keep[j - 1] ** 2)
        steps[:, j] = keep[j - 1] * steps[:, j - 1] + rest * steps[:, j]
    return np.asarray(steps)
