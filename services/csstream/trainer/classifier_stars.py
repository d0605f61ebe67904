"""Stars to learn from: those that repeat, and what looks like them and does not.

Each star is a factor on the flux of a constant star. A curve that only mirrors a variable
neighbour (diluted light of it) carries the class of that neighbour: telling whose light it is
falls to the alert logic, which knows where the stars are.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from csstream.simulation.spectral import SPECTRAL_TYPES, SpectralType
from csstream.simulation.variables.enriched import draw_eclipsing, draw_pulsator
from csstream.simulation.variables.paper import binary, planet
from csstream.simulation.variables.pulsators import pulsator_of_period
from csstream.simulation.variables.shapes import Shape, Transit
from csstream.timeseries.kinds import KINDS
from csstream.trainer.classifier_canvas import Canvas
from csstream.trainer.classifier_negatives import NEGATIVES

Array = npt.NDArray[Any]

SHARES: Final = {  # of the stars of a panel
    "transit": 0.24,
    "eclipsing": 0.15,
    "pulsating": 0.10,
    "rotating": 0.06,
    "constant": 0.19,
    "flare": 0.03,
    "trend": 0.04,
    "step": 0.03,
    "seeing": 0.03,
    "edge": 0.03,
    "outlier": 0.03,
    "single": 0.03,
    "inverted": 0.02,
    "scrambled": 0.02,
}
ORIGINS: Final = tuple(SHARES)
LABEL: Final = {"transit": "transit", "eclipsing": "eclipsing"} | dict.fromkeys(
    ("pulsating", "rotating"), "pulsating"
)
HOPELESS = 6.0  # signal-to-noise of a folded transit below which none is drawn, where it can be
TRANSIT_DUTY = 0.06  # typical share of the time in transit
TRIES = 6
LONGEST = 60.0  # [day]
LEAST_CYCLES: Final = {"transit": 1.05, "eclipsing": 1.05}  # two events can still be whole
LEAST_SMOOTH_CYCLES = 2.0
LEAST_SCRAMBLED_CYCLES = 5.0  # any two events have a period
FAINT_SHARE = 0.5  # of the variables are brought to an amplitude near the noise
FAINT_RANGE = (0.7, 12.0)  # amplitude over the error of one epoch that they are brought to
DEEPEST = 0.25  # dip that a star's dark companion may be made to have
TYPE_KNOWN = 0.3  # of the stars have a known spectral type
LETTERS = "OBAFGKM"
TYPES_OF: Final = {"pulsating": "AFG", "rotating": "GKM", "flare": "KM"}


@dataclass(frozen=True, eq=False)
class Star:
    """One star of a panel: where it comes from, its factor (m,) and what is true of it."""

    origin: str
    factor: Array
    shape: Shape | None = None  # None: not periodic
    share: float = 1.0  # of the variable's light in the curve; above 1: a larger companion
    spectral_type: float = float("nan")  # 0 (O) … 6 (M); NaN: not known

    @property
    def label(self) -> int:
        """Code of the class in ``KINDS``."""
        return KINDS.index(LABEL.get(self.origin, "none"))

    @property
    def amplitude(self) -> float:
        """Depth of the primary event, or half of peak to peak; 0 of what does not repeat."""
        if self.shape is None:
            return 0.0
        return self.share * self.shape.depth * (0.5 if np.isnan(self.shape.duration) else 1.0)


@dataclass(frozen=True, kw_only=True)
class Rotator:
    """A spotted star: a sinusoid and its first harmonic, whose amplitude changes slowly."""

    period: float
    t0: float
    amplitude: float  # half of peak to peak of the first harmonic, relative flux
    second: float  # second harmonic over the first
    lag: float  # of the second harmonic [cycle]
    growth: float  # relative change of the amplitude per period
    kind: str = "pulsating"

    def __call__(self, time: Array) -> Array:
        cycle = (np.asarray(time, float) - self.t0) / self.period
        wave = np.cos(2 * np.pi * cycle) + self.second * np.cos(4 * np.pi * (cycle - self.lag))
        return np.asarray(1.0 + self.amplitude * np.exp(self.growth * np.sin(0.4 * cycle)) * wave)

    @property
    def duration(self) -> float:
        """NaN: it varies all the time."""
        return float("nan")

    @property
    def depth(self) -> float:
        """Peak to peak over one cycle."""
        return float(np.ptp(self(self.t0 + self.period * np.linspace(0.0, 1.0, 200))))


def draw_stars(rng: np.random.Generator, canvas: Canvas) -> list[Star]:
    """Draw one star for each curve of a canvas."""
    origins = rng.choice(ORIGINS, size=len(canvas.flux), p=list(SHARES.values()))
    return [_draw_star(rng, str(o), canvas, row) for row, o in enumerate(origins)]


def _draw_star(rng: np.random.Generator, origin: str, canvas: Canvas, row: int) -> Star:
    kind, code = _draw_type(rng, origin)
    sigma = float(canvas.sigma[row])
    if origin in LABEL:
        shape = draw_shape(rng, origin, canvas.time, sigma, kind)
        share = _share(rng, origin, shape, sigma)
        factor = thinned(shape(canvas.time), share)
        return Star(origin, factor, shape, share, code)
    if origin in ("inverted", "scrambled", "single"):
        return Star(origin, _broken(rng, origin, canvas, sigma, kind), spectral_type=code)
    make: Callable[..., Array] = NEGATIVES[origin]
    return Star(origin, make(rng, canvas, sigma), spectral_type=code)


def _draw_type(rng: np.random.Generator, origin: str) -> tuple[SpectralType, float]:
    """A spectral type in the field's shares, or among those of the origin; its code or NaN."""
    usual = TYPES_OF.get(origin, LETTERS)
    types = [t for t in SPECTRAL_TYPES if t.letter in usual]
    shares = np.array([t.share for t in types])
    chosen = types[int(rng.choice(len(types), p=shares / shares.sum()))]
    code = LETTERS.index(chosen.letter) + rng.uniform(0.0, 0.9)
    return chosen, code if rng.uniform() < TYPE_KNOWN else float("nan")


def draw_shape(
    rng: np.random.Generator,
    origin: str,
    time: Array,
    sigma: float,
    kind: SpectralType,
    least_cycles: float = 0.0,
) -> Shape:
    """A periodic star whose period can be found in these times."""
    span, gap = float(np.ptp(time)), float(np.median(np.diff(time)))
    low = max(0.22, 2.2 * gap if gap < 0.5 else 0.22)
    cycles = max(LEAST_CYCLES.get(origin, LEAST_SMOOTH_CYCLES), least_cycles)
    high = min(max(span / cycles, 1.2 * low), LONGEST)
    period = float(np.exp(rng.uniform(np.log(low), np.log(high))))
    start = float(time[0])
    if origin == "transit":
        return _transit(rng, max(period, 0.4), start, sigma / np.sqrt(len(time)), kind)
    if origin == "eclipsing":
        generic = rng.uniform() < 0.5
        return draw_eclipsing(rng, period, start) if generic else binary(rng, period, kind, start)
    if origin == "pulsating":
        generic = rng.uniform() < 0.5
        make = draw_pulsator if generic else pulsator_of_period
        return make(rng, period, start)
    return _rotator(rng, period, start)


def _transit(
    rng: np.random.Generator, period: float, start: float, noise: float, kind: SpectralType
) -> Shape:
    """A planet of this kind of star, or of any, that is not hopeless for the noise.

    noise : error of the mean of all points.
    """
    for _ in range(TRIES):
        star = planet(rng, period, kind, start)
        duty = star.duration / star.period
        if star.depth * np.sqrt(duty) > HOPELESS * noise:
            return star
    least = np.clip(np.sqrt(HOPELESS * noise / np.sqrt(TRANSIT_DUTY)), 0.05, 0.19)
    return Transit(
        period=period,
        t0=start + period * rng.uniform(),
        radius_ratio=rng.uniform(least, 0.2),
        axis_ratio=max(4.2 * period ** (2.0 / 3.0) * rng.uniform(0.7, 1.4), 1.6),
        impact=rng.uniform(0.0, 0.95),
        u1=rng.uniform(0.2, 0.45),
        u2=rng.uniform(0.15, 0.35),
    )


def _rotator(rng: np.random.Generator, period: float, start: float) -> Rotator:
    return Rotator(
        period=period,
        t0=start + period * rng.uniform(),
        amplitude=float(np.exp(rng.uniform(np.log(0.004), np.log(0.08)))),
        second=rng.uniform(0.0, 0.6),
        lag=rng.uniform(),
        growth=rng.uniform(0.0, 0.4),
    )


def _share(rng: np.random.Generator, origin: str, shape: Shape, sigma: float) -> float:
    """Share of the variable's light: less than 1 for blends and for amplitudes near the noise.

    A transit may be deepened too, as by a brown dwarf or a cool star before a small one. Else a
    faint star's dips would all be shallow for its noise, and a network that knows depth and noise
    would doubt the deep ones.
    """
    share = rng.uniform(0.1, 1.0) if rng.uniform() < 0.2 else 1.0
    if rng.uniform() < FAINT_SHARE:
        low, high = FAINT_RANGE
        wanted = float(np.exp(rng.uniform(np.log(low), np.log(high)))) * sigma
        if origin == "transit":
            return min(wanted, DEEPEST) / max(shape.depth, 1e-9)
        share = min(share, wanted / max(shape.depth, 1e-9))
    return share


def thinned(flux: Array, share: float) -> Array:
    """With the constant light of others, so that the variable's is this share; median 1."""
    mixed = 1.0 + share * (flux - 1.0)
    return np.asarray(mixed / np.median(mixed))


def _broken(
    rng: np.random.Generator, origin: str, canvas: Canvas, sigma: float, kind: SpectralType
) -> Array:
    """Eclipses that are no periodic star: upside down, out of order in time, or only one."""
    eclipse = str(rng.choice(["transit", "eclipsing"]))
    cycles = LEAST_SCRAMBLED_CYCLES if origin == "scrambled" else 0.0
    shape = draw_shape(rng, eclipse, canvas.time, sigma, kind, cycles)
    factor = thinned(shape(canvas.time), _share(rng, eclipse, shape, sigma))
    if origin == "inverted":
        return np.asarray(np.maximum(2.0 - factor, 0.05))
    if origin == "scrambled":
        blocks = np.array_split(factor, int(rng.integers(8, max(9, len(factor) // 4))))
        return np.concatenate([blocks[k] for k in rng.permutation(len(blocks))])
    cycle = np.floor((canvas.time - shape.t0) / shape.period + 0.5)
    only = rng.choice(np.unique(cycle))
    return np.where(cycle == only, factor, 1.0)
