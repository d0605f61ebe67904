"""Training set of the classifier: simulated panels, searched by the code that serves.

Each panel has one set of time stamps and stars of all kinds with the troubles of crowded
photometry: correlated noise, outliers, fluxes that jump when a neighbour is missed, gaps,
zero-point residuals, a dependence on the width of the PSF. Only what the search shortlists
becomes a row.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from csstream.simulation.variables.enriched import draw_eclipsing, draw_pulsator
from csstream.simulation.variables.shapes import Shape, Transit
from csstream.timeseries.calibration import prepare_panel
from csstream.timeseries.examine import look_at_shortlist, search_panel
from csstream.timeseries.features import SCALARS
from csstream.timeseries.kinds import KINDS
from csstream.timeseries.result import passes
from csstream.timeseries.settings import ExamineSettings
from csstream.timeseries.views import GLOBAL_BINS, LOCAL_BINS

Array = npt.NDArray[Any]

STARS = 110  # in a panel
VARIABLES = {"transit": 26, "eclipsing": 16, "pulsating": 16}  # in a panel
TRANSIT_DUTY = 0.06  # typical share of the time in transit
HOPELESS = 6.0  # signal-to-noise of a folded transit below which none is drawn, where it can be
RIGHT_PERIOD = 0.01
RIGHT_PHASE = 0.25  # of the event's width may be lost over the whole series
MULTIPLES = {"transit": (1.0,), "eclipsing": (1.0, 0.5, 2.0), "pulsating": (1.0,)}
SHORTLIST_FAP = 0.05  # laxer than in serving: the network shall see what is at the edge


@dataclass(frozen=True, eq=False)
class TrainingSet:
    """Rows of shortlisted stars.

    global_view (k, 201), local_view (k, 61), scalars (k, s) float32; label (k,) int64, code in
    ``KINDS``; panel (k,) int64; passed (k,) bool: crossed all thresholds but the network's.
    """

    global_view: Array
    local_view: Array
    scalars: Array
    label: Array
    panel: Array
    passed: Array

    def __len__(self) -> int:
        return len(self.label)

    def select(self, chosen: Array | slice) -> TrainingSet:
        """Rows of a mask, index or slice."""
        return TrainingSet(*(getattr(self, name)[chosen] for name in self.__dataclass_fields__))


@dataclass(frozen=True)
class Counts:
    """Stars simulated and shortlisted by kind, and variables with a wrong period (left out)."""

    simulated: dict[str, int]
    shortlisted: dict[str, int]
    wrong_period: dict[str, int]


def make_panel(rng: np.random.Generator) -> tuple[Array, Array, Array, list[Shape | None]]:
    """One simulated panel: times (m,), fluxes and errors (n, m), the star's shape or None."""
    time, nightly = draw_times(rng)
    span = float(time[-1] - time[0])
    sigma = np.exp(rng.uniform(np.log(0.002), np.log(0.08), STARS))
    shapes = _draw_shapes(rng, time, sigma)
    flux = np.array([np.ones(len(time)) if s is None else _diluted(rng, s(time)) for s in shapes])
    seeing = correlated(rng, time, 1, 1.0 if nightly else span / 10)[0]
    conditions = np.exp(0.25 * seeing) * np.exp(rng.normal(0, 0.05, len(time)))
    error = sigma[:, None] * conditions
    flux = flux + noise(rng, time, error, seeing, nightly)
    flux = flux * (1.0 + rng.uniform(0.0005, 0.003) * rng.normal(size=len(time)))
    _drop(rng, flux, seeing)
    stated = error * np.exp(rng.normal(0, 0.15, (STARS, 1)))
    level = 10.0 ** rng.uniform(1, 5, (STARS, 1))
    return time, flux * level, stated * level, list(shapes)


def draw_times(rng: np.random.Generator) -> tuple[Array, bool]:
    """Time stamps of a space series or of a nightly one [day]; True for nightly."""
    start = 60000.0 + rng.uniform(0, 1)
    if rng.uniform() < 0.35:
        nights = int(rng.integers(35, 150))
        per_night = rng.choice([1, 1, 1, 2, 3])
        day = np.repeat(np.arange(nights, dtype=float), per_night)
        time = day + rng.uniform(-0.15, 0.15, len(day)) + 0.05 * np.sin(day / 30)
        kept = rng.uniform(size=len(day)) > rng.uniform(0, 0.4)
        return start + np.sort(time[kept]), True
    span = float(np.exp(rng.uniform(np.log(0.6), np.log(12.0))))
    count = int(np.exp(rng.uniform(np.log(35), np.log(1000))))
    grid = np.arange(count) / max(count - 1, 1) * span
    if rng.uniform() < 0.3:
        grid = np.sort(rng.uniform(0, span, count))
    if rng.uniform() < 0.3:
        low = rng.uniform(0, 0.8) * span
        grid = grid[(grid < low) | (grid > low + 0.15 * span)]
    return start + grid, False


def _draw_shapes(rng: np.random.Generator, time: Array, sigma: Array) -> list[Shape | None]:
    """Variables first, then constant stars."""
    span, gap = float(np.ptp(time)), float(np.median(np.diff(time)))
    low = max(0.22, 2.2 * gap if gap < 0.5 else 0.22)
    high = max(span / 2.0, 1.2 * low)
    shapes: list[Shape | None] = []
    for kind, count in VARIABLES.items():
        for _ in range(count):
            period = float(np.exp(rng.uniform(np.log(low), np.log(min(high, 60.0)))))
            noise_of_fold = sigma[len(shapes)] / np.sqrt(TRANSIT_DUTY * len(time))
            shapes.append(_draw(rng, kind, period, time[0], noise_of_fold))
    return shapes + [None] * (len(sigma) - len(shapes))


def _draw(
    rng: np.random.Generator, kind: str, period: float, start: float, noise_of_fold: float
) -> Shape:
    if kind == "eclipsing":
        return draw_eclipsing(rng, period, start)
    if kind == "pulsating":
        return draw_pulsator(rng, period, start)
    return _draw_any_transit(rng, max(period, 0.4), start, noise_of_fold)


def _draw_any_transit(
    rng: np.random.Generator, period: float, start: float, noise_of_fold: float
) -> Transit:
    """A transit up to 4 % deep, not hopeless for the noise of all points in transit together."""
    least = np.clip(np.sqrt(HOPELESS * noise_of_fold), 0.05, 0.19)
    return Transit(
        period=period,
        t0=start + period * rng.uniform(),
        radius_ratio=rng.uniform(least, 0.2),
        axis_ratio=max(4.2 * period ** (2.0 / 3.0) * rng.uniform(0.7, 1.4), 1.6),
        impact=rng.uniform(0.0, 0.95),
        u1=rng.uniform(0.2, 0.45),
        u2=rng.uniform(0.15, 0.35),
    )


def _diluted(rng: np.random.Generator, flux: Array) -> Array:
    """With the constant light of a neighbour in a third of the cases; median 1."""
    share = rng.uniform(0.1, 1.0) if rng.uniform() < 0.3 else 1.0
    flux = 1.0 + share * (flux - 1.0)
    return np.asarray(flux / np.median(flux))


def noise(
    rng: np.random.Generator, time: Array, error: Array, seeing: Array, nightly: bool
) -> Array:
    """White and correlated noise, outliers, jumps, drifts and PSF dependence: (n, m)."""
    stars, epochs = error.shape
    sigma = np.median(error, axis=1, keepdims=True)
    total = error * rng.normal(size=error.shape)
    scale = np.exp(rng.uniform(np.log(0.03), np.log(2.0))) * (8.0 if nightly else 1.0)
    red = np.where(rng.uniform(size=(stars, 1)) < 0.4, rng.uniform(0.1, 1.2, (stars, 1)), 0.05)
    total += red * sigma * correlated(rng, time, stars, scale)
    psf = np.where(rng.uniform(size=(stars, 1)) < 0.3, rng.normal(0, 0.8, (stars, 1)), 0.05)
    total += psf * sigma * seeing
    hit = rng.uniform(size=error.shape) < rng.uniform(0, 0.03, (stars, 1)) ** 1.5 * 5
    side = np.where(rng.uniform(size=error.shape) < 0.6, 1.0, -1.0)
    total += hit * side * sigma * np.exp(rng.uniform(np.log(3), np.log(40), error.shape))
    total += jumps(rng, seeing, sigma)
    drift = np.where(rng.uniform(size=(stars, 1)) < 0.15, rng.normal(0, 3, (stars, 1)), 0.0)
    return np.asarray(total + drift * sigma * np.linspace(-0.5, 0.5, epochs))


def correlated(rng: np.random.Generator, time: Array, rows: int, scale: float) -> Array:
    """Ornstein–Uhlenbeck series of unit variance with a time scale [day]: (rows, m)."""
    steps = rng.normal(size=(rows, len(time)))
    keep = np.exp(-np.diff(time) / scale)
    for j in range(1, len(time)):
        rest = np.sqrt(1.0 - keep[j - 1] ** 2)
        steps[:, j] = keep[j - 1] * steps[:, j - 1] + rest * steps[:, j]
    return np.asarray(steps)


def jumps(rng: np.random.Generator, seeing: Array, sigma: Array) -> Array:
    """Fluxes that jump while a neighbour is missed, in a fifth of the stars: (n, m)."""
    stars, epochs = len(sigma), len(seeing)
    share = rng.uniform(0.02, 0.5, (stars, 1))
    chance = rng.uniform(size=(stars, epochs))
    driven = np.argsort(np.argsort(seeing)) / epochs
    by_seeing = rng.uniform(size=(stars, 1)) < 0.4
    missed = np.where(by_seeing, 0.7 * driven + 0.3 * chance, chance) > 1.0 - share
    size = rng.uniform(2, 20, (stars, 1)) * np.where(rng.uniform(size=(stars, 1)) < 0.5, 1, -1)
    height = np.clip(size * sigma, -0.6, 2.0)
    return np.asarray((rng.uniform(size=(stars, 1)) < 0.2) * missed * height)


def _drop(rng: np.random.Generator, flux: Array, seeing: Array) -> None:
    """Set missing measurements to NaN, in place: at random and in bad seeing."""
    lost = rng.uniform(0, 0.15, (len(flux), 1)) * (rng.uniform(size=(len(flux), 1)) < 0.5)
    faint = (rng.uniform(size=(len(flux), 1)) < 0.2) * (seeing > 1.0) * 0.7
    flux[rng.uniform(size=flux.shape) < np.maximum(lost, faint)] = np.nan


def make_training_set(panels: int, seed: int, first: int = 0) -> tuple[TrainingSet, Counts]:
    """Simulate and search panels ``first`` … ``first + panels``; panel i depends on (seed, i)."""
    zero = dict.fromkeys(KINDS, 0)
    counts = Counts(dict(zero), dict(zero), dict(zero))
    parts = []
    for number in range(first, first + panels):
        part = _rows_of_panel(np.random.default_rng([seed, number]), number, counts)
        if part is not None:
            parts.append(part)
    names = TrainingSet.__dataclass_fields__
    return TrainingSet(*(np.concatenate([getattr(p, n) for p in parts]) for n in names)), counts


def _rows_of_panel(rng: np.random.Generator, number: int, counts: Counts) -> TrainingSet | None:
    time, flux, error, shapes = make_panel(rng)
    settings = ExamineSettings(shortlist_fap=SHORTLIST_FAP, ensemble=rng.uniform() < 0.5)
    panel = prepare_panel(time, flux, error, ensemble=settings.ensemble)
    looks, scalars = look_at_shortlist(panel, search_panel(panel, settings), settings)
    for shape in shapes:
        counts.simulated["none" if shape is None else shape.kind] += 1
    kept, labels = [], []
    for k, (row, look) in enumerate(looks.items()):
        shape = shapes[row]
        kind = "none" if shape is None else shape.kind
        counts.shortlisted[kind] += 1
        if shape is not None and not right_period(look.period, shape, float(np.ptp(time))):
            counts.wrong_period[kind] += 1
            continue
        kept.append(k)
        labels.append(KINDS.index(kind))
    if not kept:
        return None
    chosen = [list(looks.values())[k] for k in kept]
    return TrainingSet(
        np.array([look.global_view for look in chosen]).reshape(-1, GLOBAL_BINS),
        np.array([look.local_view for look in chosen]).reshape(-1, LOCAL_BINS),
        scalars[kept].reshape(-1, len(SCALARS)),
        np.array(labels, np.int64),
        np.full(len(kept), number, np.int64),
        np.array([passes(a, b, settings) for a, b in zip(chosen, labels, strict=True)]),
    )


def right_period(period: float, shape: Shape, span: float) -> bool:
    """Whether a period is the true one or a multiple that its kind allows.

    Within 1 %, or so near that the events stay together over the span [day].
    """
    width = 0.4 * shape.period if np.isnan(shape.duration) else shape.duration
    phase = RIGHT_PHASE * width / max(span, shape.period)
    tolerance = max(RIGHT_PERIOD, phase)
    return any(
        abs(period / (multiple * shape.period) - 1.0) < tolerance
        for multiple in MULTIPLES[shape.kind]
    )
