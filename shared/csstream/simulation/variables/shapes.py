"""A variable star as an object: its parameters, and the flux, duration and depth they give."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from csstream.simulation.variables.curves import PHASES, eclipsing, pulsator, transit

Array = npt.NDArray[Any]


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
