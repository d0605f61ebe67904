"""Variables whose amplitudes are flat in the paper's equation 5, A over σ₁.

A is the depth of the primary event, or half of peak to peak, in flux; σ₁ the smallest error that
the photons of one exposure allow for that very star, neighbours included. Each variable gets a
signal-to-noise first and then a star on which it makes an amplitude that such stars have.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt

from csstream.simulation.variables.enriched import draw_eclipsing, draw_transit
from csstream.simulation.variables.events import complete_events
from csstream.simulation.variables.pulsators import pulsator_of_period
from csstream.simulation.variables.shapes import Shape, Transit, Variables

Array = npt.NDArray[Any]
Float = npt.NDArray[np.float64]

KINDS: Final = ("transit", "eclipsing", "pulsating")
AMPLITUDES: Final = {"transit": (0.003, 0.06), "eclipsing": (0.004, 0.3), "pulsating": (0.006, 0.3)}
"""Relative flux that a kind's amplitude A may have."""
TRANSIT_PERIODS: Final = (1.45, 2.95)  # [day], the paper's
OTHER_PERIODS: Final = (0.3, 1.7)  # [day], even in the logarithm
MOST_REPEATS: Final = 0.5  # a period is at most this share of the span
TWO_EVENTS: Final = 0.75  # share of the transits drawn until two whole events are seen
TRIES: Final = 200


@dataclass(frozen=True, eq=False)
class Scaled:
    """A variable star whose variation is ``factor`` times another's: its light is diluted."""

    shape: Shape
    factor: float

    @property
    def kind(self) -> str:
        """Of the undiluted star."""
        return self.shape.kind

    @property
    def period(self) -> float:
        """[day]"""
        return self.shape.period

    @property
    def t0(self) -> float:
        """[day]"""
        return self.shape.t0

    @property
    def duration(self) -> float:
        """[day]"""
        return self.shape.duration

    @property
    def depth(self) -> float:
        """Relative flux: of the primary event, or peak to peak."""
        return self.factor * self.shape.depth

    def __call__(self, time: Array) -> Array:
        return np.asarray(1.0 + self.factor * (self.shape(time) - 1.0))


class FlatDraw(NamedTuple):
    """Which stars vary, and how."""

    rows: npt.NDArray[np.int64]  # (k,) of the stars that were offered
    variables: Variables  # k of them, in the same order


@dataclass(frozen=True, kw_only=True)
class FlatSettings:
    """How many variables of each kind, and their range of A over σ₁."""

    transit: int = 80
    eclipsing: int = 60
    pulsating: int = 60
    snr: tuple[float, float] = (0.5, 6.0)


def draw_flat(
    rng: np.random.Generator, sigma: Float, settings: FlatSettings, time: Float
) -> FlatDraw:
    """Let some of the stars vary.

    Parameters
    ----------
    sigma : ndarray, (n,)
        σ₁ over the star's own flux; nan or infinite: the star shall not vary.
    time : ndarray, (m,) [day]
        Mid-exposure times of the series.

    Raises
    ------
    ValueError
        There are fewer suitable stars than variables.
    """
    free = np.isfinite(sigma) & (sigma > 0.0)
    rows, shapes = [], []
    for kind in KINDS:
        low, high = AMPLITUDES[kind]
        for snr in rng.uniform(*settings.snr, getattr(settings, kind)):
            fit = np.flatnonzero(free & (snr * sigma >= low) & (snr * sigma <= high))
            if fit.size == 0:
                raise ValueError(f"no star is left for a {kind} variable of A/σ₁ = {snr:.2f}")
            row = int(rng.choice(fit))
            free[row] = False
            rows.append(row)
            shapes.append(shape_of(rng, kind, float(snr * sigma[row]), time))
    return FlatDraw(np.array(rows, np.int64), Variables(tuple(shapes)))


def amplitude(shape: Shape) -> float:
    """Return A: the depth of the primary event, or half of a pulsator's peak to peak."""
    return 0.5 * shape.depth if shape.kind == "pulsating" else shape.depth


def shape_of(rng: np.random.Generator, kind: str, wanted: float, time: Float) -> Shape:
    """Draw a variable of one kind and amplitude A [relative flux] for a series (m,) [day]."""
    if kind == "transit":
        return _transit(rng, wanted, time)
    first, last = float(time[0]), float(time[-1])
    for _ in range(TRIES):
        period = _period(rng, last - first)
        if kind == "eclipsing":
            shape: Shape = draw_eclipsing(rng, period, first)
        else:
            shape = pulsator_of_period(rng, period, first)
        if amplitude(shape) >= wanted:
            return Scaled(shape, wanted / amplitude(shape))
    return Scaled(shape, 1.0)


def _period(rng: np.random.Generator, span: float) -> float:
    low, high = OTHER_PERIODS
    high = max(min(high, MOST_REPEATS * span), 1.01 * low)
    return float(np.exp(rng.uniform(np.log(low), np.log(high))))


def _transit(rng: np.random.Generator, depth: float, time: Float) -> Transit:
    twice = rng.random() < TWO_EVENTS
    for _ in range(TRIES):
        shape = draw_transit(rng, float(rng.uniform(*TRANSIT_PERIODS)), float(time[0]))
        for _ in range(4):  # the depth goes nearly with the square of the ratio
            ratio = shape.radius_ratio * float(np.sqrt(depth / shape.depth))
            shape = replace(shape, radius_ratio=ratio)
        if not twice or complete_events(shape, time) >= 2:
            break
    return shape
