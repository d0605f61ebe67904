"""Relative fluxes of variable stars: transits, eclipsing binaries, pulsators.

Times and periods in days of one scale. A relative flux of 1 is the level outside transits and
eclipses, and the mean of a pulsator.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from csstream.simulation.eclipse import lost_light

Array = npt.NDArray[Any]

PHASES = 1000  # at which a pulsator's shape is averaged


def transit(
    time: Array,
    period: float,
    t0: float,
    *,
    radius_ratio: float,
    axis_ratio: float,
    impact: float = 0.0,
    u1: float = 0.3,
    u2: float = 0.3,
) -> Array:
    """Limb-darkened transit on a circular orbit.

    radius_ratio : planet over star; axis_ratio : orbit over star radius; impact : of mid-transit,
    in star radii. Returns the relative flux, shape of ``time``.
    """
    angle = 2.0 * np.pi * (np.asarray(time, float) - t0) / period
    distance = np.hypot(axis_ratio * np.sin(angle), impact * np.cos(angle))
    lost = np.zeros_like(angle)
    near = (np.cos(angle) > 0) & (distance < 1.0 + radius_ratio)
    lost[near] = lost_light(distance[near], radius_ratio, u1, u2)
    return 1.0 - lost


def eclipsing(
    time: Array,
    period: float,
    t0: float,
    *,
    radius_1: float,
    radius_2: float,
    brightness_ratio: float,
    inclination: float,
    ellipsoidal: float = 0.0,
) -> Array:
    """Eclipsing binary on a circular orbit, primary eclipse at ``t0``.

    radius_1, radius_2 : of the stars, in units of the orbit; brightness_ratio : surface brightness
    of star 2 over star 1 (below 1: the primary eclipse, of star 1, is the deeper one);
    inclination [rad]; ellipsoidal : semi-amplitude of the tidal variation, relative flux. The
    maximum is 1.
    """
    angle = 2.0 * np.pi * (np.asarray(time, float) - t0) / period
    separation = np.hypot(np.sin(angle), np.cos(inclination) * np.cos(angle))
    light_1, light_2 = radius_1**2, brightness_ratio * radius_2**2
    touching = separation < radius_1 + radius_2
    first, second = touching & (np.cos(angle) > 0), touching & (np.cos(angle) <= 0)
    flux = np.full_like(angle, light_1 + light_2)
    flux[first] -= light_1 * lost_light(separation[first] / radius_1, radius_2 / radius_1)
    flux[second] -= light_2 * lost_light(separation[second] / radius_2, radius_1 / radius_2)
    return flux / (light_1 + light_2) * (1.0 - ellipsoidal * (1.0 + np.cos(2.0 * angle)))


def pulsator(
    time: Array,
    period: float,
    t0: float,
    *,
    amplitude: float,
    rise: float = 0.5,
    bump: float = 0.0,
    bump_phase: float = 0.0,
) -> Array:
    """Pulsating star with maximum light at ``t0``, mean flux 1.

    amplitude : peak to peak [mag]; rise : share of the cycle from minimum to maximum (0.5: a
    sinusoid, 0.15: an RR Lyrae star of type ab); bump : second harmonic [mag] added at
    ``bump_phase`` [cycles], which moves the maximum a little.
    """
    phase = np.mod((np.asarray(time, float) - t0) / period, 1.0)
    cycle = np.arange(PHASES) / PHASES
    shape = (rise, bump, bump_phase)
    mean = np.mean(10.0 ** (-0.4 * _magnitude(cycle, amplitude, *shape)))
    return np.asarray(10.0 ** (-0.4 * _magnitude(phase, amplitude, *shape)) / mean)


def _magnitude(
    phase: Array, amplitude: float, rise: float, bump: float, bump_phase: float
) -> Array:
    """Magnitude relative to the middle: a cosine whose phase runs faster on the rise."""
    fall = 1.0 - rise
    slow = 0.5 * phase / fall
    fast = 0.5 + 0.5 * (phase - fall) / rise
    warped = np.where(phase < fall, slow, fast)
    second = bump * np.cos(4.0 * np.pi * (phase - bump_phase))
    return -0.5 * amplitude * np.cos(2.0 * np.pi * warped) + second


class Shape(Protocol):
    """A variable star: relative flux (m,) at times (m,)."""

    @property
    def kind(self) -> str:
        """One of transit, eclipsing, pulsating."""

    @property
    def period(self) -> float:
        """Period [day]."""

    @property
    def t0(self) -> float:
        """Mid-event or maximum [day]."""

    def __call__(self, time: Array) -> Array:
        """Relative flux."""

    @property
    def duration(self) -> float:
        """First to last contact of the primary event [day]; NaN for pulsators."""

    @property
    def depth(self) -> float:
        """Depth of the primary event, or peak to peak, relative flux."""


@dataclass(frozen=True, kw_only=True)
class Transit:
    """A planet in front of its star; parameters as in :func:`transit`."""

    period: float
    t0: float
    radius_ratio: float
    axis_ratio: float
    impact: float
    u1: float
    u2: float
    kind: str = "transit"

    def __call__(self, time: Array) -> Array:
        return transit(
            time,
            self.period,
            self.t0,
            radius_ratio=self.radius_ratio,
            axis_ratio=self.axis_ratio,
            impact=self.impact,
            u1=self.u1,
            u2=self.u2,
        )

    @property
    def duration(self) -> float:
        chord = np.sqrt((1.0 + self.radius_ratio) ** 2 - self.impact**2)
        return float(self.period / np.pi * np.arcsin(min(chord / self.axis_ratio, 1.0)))

    @property
    def depth(self) -> float:
        return float(1.0 - self(np.array([self.t0]))[0])


@dataclass(frozen=True, kw_only=True)
class Eclipsing:
    """An eclipsing binary; parameters as in :func:`eclipsing`."""

    period: float
    t0: float
    radius_1: float
    radius_2: float
    brightness_ratio: float
    inclination: float
    ellipsoidal: float
    kind: str = "eclipsing"

    def __call__(self, time: Array) -> Array:
        return eclipsing(
            time,
            self.period,
            self.t0,
            radius_1=self.radius_1,
            radius_2=self.radius_2,
            brightness_ratio=self.brightness_ratio,
            inclination=self.inclination,
            ellipsoidal=self.ellipsoidal,
        )

    @property
    def duration(self) -> float:
        chord = (self.radius_1 + self.radius_2) ** 2 - np.cos(self.inclination) ** 2
        return float(self.period / np.pi * np.arcsin(np.sqrt(min(max(chord, 0.0), 1.0))))

    @property
    def depth(self) -> float:
        return float(1.0 - self(np.array([self.t0]))[0])


@dataclass(frozen=True, kw_only=True)
class Pulsator:
    """An RR Lyrae star or Cepheid; parameters as in :func:`pulsator`."""

    period: float
    t0: float
    amplitude: float
    rise: float
    bump: float
    bump_phase: float
    kind: str = "pulsating"

    def __call__(self, time: Array) -> Array:
        return pulsator(
            time,
            self.period,
            self.t0,
            amplitude=self.amplitude,
            rise=self.rise,
            bump=self.bump,
            bump_phase=self.bump_phase,
        )

    @property
    def duration(self) -> float:
        return float("nan")

    @property
    def depth(self) -> float:
        flux = self(self.t0 + self.period * np.arange(PHASES) / PHASES)
        return float(np.ptp(flux))


@dataclass(frozen=True, eq=False)
class Variables:
    """A set of variable stars, in order."""

    shapes: tuple[Shape, ...]

    def __len__(self) -> int:
        return len(self.shapes)

    def relative_flux(self, time: Array) -> Array:
        """Relative fluxes (n, m) at times (m,) [day]."""
        return np.array([shape(np.asarray(time, float)) for shape in self.shapes])

    @property
    def kind(self) -> Array:
        """(n,) str: transit, eclipsing or pulsating."""
        return np.array([shape.kind for shape in self.shapes], dtype="U16")

    @property
    def period(self) -> Array:
        """(n,) [day]; of an eclipsing binary the orbital period."""
        return self._column("period")

    @property
    def t0(self) -> Array:
        """(n,) [day]: first mid-event or maximum in the span."""
        return self._column("t0")

    @property
    def duration(self) -> Array:
        """(n,) [day]: first to last contact; NaN for pulsators."""
        return self._column("duration")

    @property
    def depth(self) -> Array:
        """(n,) relative flux: of the primary event, or peak to peak."""
        return self._column("depth")

    def _column(self, name: str) -> Array:
        return np.array([getattr(shape, name) for shape in self.shapes], float)


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
        *(draw_pulsator(rng, _period(rng, span, 2.5, 10.0), span[0]) for _ in range(n_pulsating)),
    ]
    return Variables(tuple(shapes))


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
    """Between an RR Lyrae star of type ab, one of type c, and a Cepheid."""
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
