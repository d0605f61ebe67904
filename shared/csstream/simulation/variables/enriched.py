"""Variables enriched on purpose: bright events that repeat within the survey."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from csstream.simulation.variables.pulsators import pulsator_of_period
from csstream.simulation.variables.shapes import Eclipsing, Pulsator, Shape, Transit, Variables


def draw_variables(
    rng: np.random.Generator,
    *,
    n_transit: int,
    n_eclipsing: int,
    n_pulsating: int,
    span: tuple[float, float],
) -> Variables:
    """Draw variables whose events repeat within a span of time (first, last) [day].

    Transits repeat 2.2 to 5 times in the span (0.3 d to 10 d), binaries and pulsators 2.5 to 10
    times, so that a search of the span can find them all.
    """
    shapes: Sequence[Shape] = [
        *(draw_transit(rng, _period(rng, span, 2.2, 5.0), span[0]) for _ in range(n_transit)),
        *(draw_eclipsing(rng, _period(rng, span, 2.5, 10.0), span[0]) for _ in range(n_eclipsing)),
        *(_pulsator(rng, span) for _ in range(n_pulsating)),
    ]
    return Variables(tuple(shapes))


def _pulsator(rng: np.random.Generator, span: tuple[float, float]) -> Pulsator:
    return pulsator_of_period(rng, _period(rng, span, 2.5, 10.0), span[0])


def _period(
    rng: np.random.Generator, span: tuple[float, float], fewest: float, most: float
) -> float:
    length = span[1] - span[0]
    low, high = max(length / most, 0.25), max(length / fewest, 0.3)
    return float(np.exp(rng.uniform(np.log(min(low, 8.0)), np.log(min(high, 10.0)))))


def draw_transit(rng: np.random.Generator, period: float, start: float) -> Transit:
    """A hot Jupiter, 1 to 4 % deep; the orbit follows from a solar density."""
    axis_ratio = 4.2 * period ** (2.0 / 3.0) * rng.uniform(0.85, 1.15)
    return Transit(
        period=period,
        t0=start + period * rng.uniform(),
        radius_ratio=rng.uniform(0.1, 0.19),
        axis_ratio=max(axis_ratio, 2.0),
        impact=rng.uniform(0.0, 0.7),
        u1=rng.uniform(0.2, 0.45),
        u2=rng.uniform(0.15, 0.35),
    )


def draw_eclipsing(rng: np.random.Generator, period: float, start: float) -> Eclipsing:
    """A binary from nearly touching to well detached, with unequal minima."""
    total = rng.uniform(0.2, 0.75) * min(1.0, (1.2 / period) ** (1.0 / 3.0) + 0.2)
    share = rng.uniform(0.4, 0.65)
    steepest = np.arccos(total * rng.uniform(0.0, 0.6))
    return Eclipsing(
        period=period,
        t0=start + period * rng.uniform(),
        radius_1=total * share,
        radius_2=total * (1.0 - share),
        brightness_ratio=rng.uniform(0.15, 0.85),
        inclination=float(steepest),
        ellipsoidal=0.5 * (total * share) ** 3 * rng.uniform(0.5, 1.5),
    )


def draw_pulsator(rng: np.random.Generator, period: float, start: float) -> Pulsator:
    """Any shape at any period, for training a classifier: from RRab over RRc to Cepheid."""
    steep = rng.uniform() < 0.6
    amplitude = rng.uniform(0.3, 1.0) if steep else rng.uniform(0.15, 0.5)
    return Pulsator(
        period=period,
        t0=start + period * rng.uniform(),
        amplitude=amplitude,
        rise=rng.uniform(0.13, 0.3) if steep else rng.uniform(0.38, 0.5),
        bump=amplitude * rng.uniform(0.0, 0.06),
        bump_phase=rng.uniform(),
    )
