"""The paper's mix of variables: shares of all stars, and its laws of the period.

Section 2 of the paper: eclipsing binaries 1 %, variables 0.02 %, transiting exoplanets 1 % of the
stars; periods of binaries after Duquennoy & Mayor (1991, A&A 248, 485), log10 P [day] Gaussian
with mean 4.8 and width 2.3; of the others uniform from 1.45 to 2.95 days.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt
from scipy.stats import truncnorm

from csstream.simulation.spectral import SPECTRAL_TYPES, SpectralType, Types
from csstream.simulation.variables.pulsators import pulsator_of_period
from csstream.simulation.variables.shapes import Eclipsing, Shape, Transit, Variables

Float = npt.NDArray[np.float64]
PeriodLaw = Literal["paper", "searchable"]

LOG_PERIOD = (4.8, 2.3)  # mean and width of log10 of a binary's period [day]
UNIFORM_PERIOD = (1.45, 2.95)  # [day] of transits and pulsators
SHORTEST = 0.25  # [day] closer stars would touch
REPEATS = 2.0  # a period can be found when it fits into the span so often
SOLAR_ORBIT = 4.207  # [solar radius] orbit of one solar mass with a period of one day
JUPITER = 0.1028  # [solar radius]
WIDEST = 0.75  # sum of a binary's radii over its orbit: wider stars exchange mass


@dataclass(frozen=True, kw_only=True)
class Shares:
    """Share of all stars that vary, by kind."""

    eclipsing: float = 0.01
    pulsating: float = 0.0002
    transit: float = 0.01

    @property
    def total(self) -> float:
        """Share of the stars that vary at all."""
        return self.eclipsing + self.pulsating + self.transit


PAPER_SHARES = Shares()


def draw_kinds(rng: np.random.Generator, n: int, shares: Shares) -> npt.NDArray[np.str_]:
    """Draw the kind of each of ``n`` stars: none, transit, eclipsing or pulsating; (n,) str."""
    kinds = np.array(["transit", "eclipsing", "pulsating", "none"])
    edges = np.cumsum([shares.transit, shares.eclipsing, shares.pulsating])
    return np.asarray(kinds[np.searchsorted(edges, rng.random(n), side="right")])


def draw_paper_variables(
    rng: np.random.Generator,
    kinds: npt.NDArray[np.str_],
    types: Types,
    span: tuple[float, float],
    law: PeriodLaw = "paper",
) -> Variables:
    """Draw a variable for each kind (n,) and spectral type (n,).

    span : (first, last) MJD TAI [day]; ``law`` "searchable" cuts the binaries' periods where the
    span no longer holds two of them.
    """
    periods = _periods(rng, kinds, span, law)
    stars = [SPECTRAL_TYPES[k] for k in types]
    parts = zip(kinds, periods, stars, strict=True)
    return Variables(tuple(_draw(rng, str(k), float(p), s, span[0]) for k, p, s in parts))


def binary_periods(
    rng: np.random.Generator, n: int, longest: float = np.inf, shortest: float = SHORTEST
) -> Float:
    """Draw ``n`` periods of binaries [day], the law of Duquennoy & Mayor cut at both ends."""
    mean, width = LOG_PERIOD
    low, high = ((np.log10(end) - mean) / width for end in (shortest, longest))
    drawn = truncnorm.rvs(low, high, loc=mean, scale=width, size=n, random_state=rng)
    return np.asarray(10.0**drawn, np.float64)


def _periods(
    rng: np.random.Generator,
    kinds: npt.NDArray[np.str_],
    span: tuple[float, float],
    law: PeriodLaw,
) -> Float:
    periods = rng.uniform(*UNIFORM_PERIOD, kinds.size)
    longest = max((span[1] - span[0]) / REPEATS, 2.0 * SHORTEST)
    binary = kinds == "eclipsing"
    count = int(np.count_nonzero(binary))
    periods[binary] = binary_periods(rng, count, longest if law == "searchable" else np.inf)
    return periods


def _draw(
    rng: np.random.Generator, kind: str, period: float, star: SpectralType, start: float
) -> Shape:
    if kind == "transit":
        return planet(rng, period, star, start)
    if kind == "eclipsing":
        return binary(rng, period, star, start)
    return pulsator_of_period(rng, period, start)


def planet(rng: np.random.Generator, period: float, star: SpectralType, start: float) -> Transit:
    """Draw a transiting hot Jupiter, 0.8 to 1.5 Jupiter radii, on a circular orbit [day]."""
    orbit = SOLAR_ORBIT * (star.mass * period**2) ** (1.0 / 3.0)
    return Transit(
        period=period,
        t0=start + period * rng.uniform(),
        radius_ratio=rng.uniform(0.8, 1.5) * JUPITER / star.radius,
        axis_ratio=max(orbit / star.radius, 1.6),
        impact=rng.uniform(0.0, 0.9),
        u1=star.limb[0],
        u2=star.limb[1],
    )


def binary(rng: np.random.Generator, period: float, star: SpectralType, start: float) -> Eclipsing:
    """Draw an eclipsing binary with a secondary of lower mass; radii follow from the masses.

    On the main sequence the radius goes as mass^0.8 and the surface brightness about as mass^2.
    """
    ratio = rng.uniform(0.2, 1.0)
    orbit = SOLAR_ORBIT * (star.mass * (1.0 + ratio) * period**2) ** (1.0 / 3.0)
    radius = star.radius * rng.uniform(0.85, 1.25)
    sizes = np.array([radius, radius * ratio**0.8]) / orbit
    sizes *= min(1.0, WIDEST / float(sizes.sum()))
    return Eclipsing(
        period=period,
        t0=start + period * rng.uniform(),
        radius_1=float(sizes[0]),
        radius_2=float(sizes[1]),
        brightness_ratio=float(ratio**2),
        inclination=float(np.arccos(sizes.sum() * rng.uniform(0.0, 0.95))),
        ellipsoidal=float(0.5 * sizes[0] ** 3 * rng.uniform(0.5, 1.5)),
    )
