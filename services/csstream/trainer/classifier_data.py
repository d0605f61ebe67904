"""Training set of the classifier: panels searched by the code that serves.

Constant stars come from a source of canvases (measured or simulated), variability is painted
onto them, and only what the search shortlists becomes a row. Panel i depends on the seed and i
alone, and belongs to one part (train, validation, calibration, test) whose stars no other has.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from csstream.simulation.variables.shapes import Shape
from csstream.timeseries.calibration import prepare_panel
from csstream.timeseries.examine import look_at_shortlist, search_panel
from csstream.timeseries.features import SCALARS
from csstream.timeseries.look import Look
from csstream.timeseries.settings import ExamineSettings
from csstream.timeseries.views import GLOBAL_BINS, LOCAL_BINS
from csstream.trainer.classifier_canvas import PLACES, CanvasSource, part_of
from csstream.trainer.classifier_stars import ORIGINS, Rotator, Star, draw_stars

Array = npt.NDArray[Any]

RIGHT_PERIOD = 0.01
RIGHT_PHASE = 0.25  # of the event's width may be lost over the whole series
MULTIPLES = {"transit": (1.0,), "eclipsing": (1.0, 0.5, 2.0), "pulsating": (1.0,)}
SHORTLIST_FAP = 0.1  # laxer than in serving: the network shall see what is at the edge


@dataclass(frozen=True, eq=False)
class TrainingSet:
    """Rows of shortlisted stars.

    global_view (k, 2, 201), local_view (k, 2, 61), scalars (k, s) float32; label (k,) int64, code
    in ``KINDS``; panel (k,) int64; origin (k,) int64, index in ``ORIGINS``; snr (k,): equation 5.
    """

    global_view: Array
    local_view: Array
    scalars: Array
    label: Array
    panel: Array
    origin: Array
    snr: Array

    def __len__(self) -> int:
        return len(self.label)

    def select(self, chosen: Array | slice) -> TrainingSet:
        """Rows of a mask, index or slice."""
        return TrainingSet(*(getattr(self, name)[chosen] for name in self.__dataclass_fields__))

    @classmethod
    def joined(cls, parts: list[TrainingSet]) -> TrainingSet:
        """Several sets as one, in order."""
        names = cls.__dataclass_fields__
        return cls(*(np.concatenate([getattr(p, name) for p in parts]) for name in names))


@dataclass
class Counts:
    """Stars by origin: simulated, shortlisted, and with a wrong period (left out)."""

    simulated: Counter[str] = field(default_factory=Counter)
    shortlisted: Counter[str] = field(default_factory=Counter)
    wrong_period: Counter[str] = field(default_factory=Counter)

    def add(self, other: Counts) -> None:
        """Add what another one counted."""
        for name in self.__dataclass_fields__:
            getattr(self, name).update(getattr(other, name))


def make_training_set(
    panels: int, seed: int, source: CanvasSource, first: int = 0
) -> tuple[TrainingSet, Counts]:
    """Simulate and search panels ``first`` … ``first + panels``."""
    counts = Counts()
    rows = [
        _rows_of_panel(np.random.default_rng([seed, number]), number, source, counts)
        for number in range(first, first + panels)
    ]
    return TrainingSet.joined(rows), counts


def _rows_of_panel(
    rng: np.random.Generator, number: int, source: CanvasSource, counts: Counts
) -> TrainingSet:
    canvas = source.draw(rng, part_of(number % PLACES))
    stars = draw_stars(rng, canvas)
    factor = np.array([star.factor for star in stars])
    settings = ExamineSettings(shortlist_fap=SHORTLIST_FAP, ensemble=rng.uniform() < 0.5)
    panel = prepare_panel(
        canvas.time, canvas.flux * factor, canvas.error, ensemble=settings.ensemble
    )
    types = np.array([star.spectral_type for star in stars])
    looks, scalars = look_at_shortlist(panel, search_panel(panel, settings), settings, types)
    counts.simulated.update(star.origin for star in stars)
    kept = _kept(looks, stars, float(np.ptp(canvas.time)), counts)
    chosen = [stars[list(looks)[k]] for k in kept]
    views = [list(looks.values())[k] for k in kept]
    snr = [s.amplitude / canvas.sigma[list(looks)[k]] for k, s in zip(kept, chosen, strict=True)]
    return TrainingSet(
        np.array([v.global_view for v in views], np.float32).reshape(-1, 2, GLOBAL_BINS),
        np.array([v.local_view for v in views], np.float32).reshape(-1, 2, LOCAL_BINS),
        scalars[kept].reshape(-1, len(SCALARS)),
        np.array([star.label for star in chosen], np.int64),
        np.full(len(kept), number, np.int64),
        np.array([ORIGINS.index(star.origin) for star in chosen], np.int64),
        np.array(snr, np.float64),
    )


def _kept(looks: dict[int, Look], stars: list[Star], span: float, counts: Counts) -> list[int]:
    """Places among the looks of what does not repeat, and of variables with a right period."""
    kept = []
    for place, (row, look) in enumerate(looks.items()):
        star = stars[row]
        counts.shortlisted[star.origin] += 1
        if star.shape is not None and not right_period(look.period, star.shape, span):
            counts.wrong_period[star.origin] += 1
            continue
        kept.append(place)
    return kept


def right_period(period: float, shape: Shape, span: float) -> bool:
    """Whether a period is the true one or a multiple that its kind allows.

    Within 1 %, or so near that the events stay together over the span [day].
    """
    width = 0.4 * shape.period if np.isnan(shape.duration) else shape.duration
    phase = RIGHT_PHASE * width / max(span, shape.period)
    tolerance = max(RIGHT_PERIOD, phase)
    allowed = (1.0, 0.5) if isinstance(shape, Rotator) else MULTIPLES[shape.kind]
    return any(abs(period / (multiple * shape.period) - 1.0) < tolerance for multiple in allowed)
