"""Alerts against truth: recall, false-positive rate, precision at a stated prevalence."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from itertools import pairwise
from typing import Any, Final, Self

import numpy as np
import numpy.typing as npt
from scipy.stats import beta

from csstream.evaluate.survey_looks import ObjectVerdicts
from csstream.evaluation.curve_store import FieldCurves
from csstream.timeseries.kinds import KINDS

Float = npt.NDArray[np.float64]
Bool = npt.NDArray[np.bool_]

PREVALENCE: Final = 0.0202  # of the paper: 1 % binaries, 1 % transits, 0.02 % variables
CONFIDENCE: Final = 0.95
LEAST_SNR: Final = 2.0  # equation 5, of the positives that the recall is of
LEAST_EVENTS: Final = 2
NEAR: Final = 5.0  # [pixel] from a variable: false alerts there are counted apart
TOLERANCE: Final = 0.01  # of a right period
HARMONICS: Final = {"transit": (1.0,), "eclipsing": (1.0, 0.5, 2.0), "pulsating": (1.0,)}
SNR_EDGES: Final = (0.5, 1.0, 1.5, 1.7, 2.0, 2.5, 3.0, 4.0, 6.0)
MAG_EDGES: Final = (18.0, 20.0, 21.0, 22.0, 23.0, 24.0, 25.0, 26.5)
VARIABLE: Final = ("transit", "eclipsing", "pulsating")


@dataclass(frozen=True, eq=False)
class _Columns:
    """Columns of one length, to be put behind each other."""

    def __len__(self) -> int:
        return len(getattr(self, fields(self)[0].name))

    @classmethod
    def joined(cls, parts: Sequence[Self]) -> Self:
        """Return several tables as one, in order."""
        names = [entry.name for entry in fields(cls)]
        return cls(**{name: np.concatenate([getattr(p, name) for p in parts]) for name in names})

    def select(self, rows: Any) -> Self:
        """Return the rows chosen by a mask or by indices."""
        return type(self)(**{e.name: getattr(self, e.name)[rows] for e in fields(self)})


@dataclass(frozen=True, kw_only=True, eq=False)
class Injected(_Columns):
    """Every variable star on the frame, and what came of it; arrays (v,)."""

    kind: npt.NDArray[np.str_]
    mag: Float
    snr: Float  # equation 5, A/σ₁
    amplitude: Float
    period: Float  # [day]
    events: npt.NDArray[np.int64]
    listed: Bool  # an object of the list shows it
    beside: Bool  # an object found beside the list does
    found: Bool  # a standing alert with a period
    single: Bool  # a standing alert of one event
    found_kind: npt.NDArray[np.uint8]
    ratio: Float  # alerted over true period; nan: none
    fap: Float  # at the closing look; nan: nothing shows it

    @property
    def scorable(self) -> Bool:
        """Return which have two whole events at least."""
        return np.asarray(self.events >= LEAST_EVENTS)

    @property
    def positive(self) -> Bool:
        """Return which the recall is of."""
        return np.asarray(self.scorable & (self.snr >= LEAST_SNR))

    @property
    def period_right(self) -> Bool:
        """Return where the alerted period is right, or a stated harmonic."""
        return np.array(
            [right_period(str(k), float(r)) for k, r in zip(self.kind, self.ratio, strict=True)],
            bool,
        )


@dataclass(frozen=True, kw_only=True, eq=False)
class Quiet(_Columns):
    """Every object that is no variable, and what came of it; arrays (q,)."""

    mag: Float
    beside: Bool  # found beside the list
    near: Bool  # a variable lies within 5 pixels
    unlinked: Bool  # no simulated star is there
    alerted: Bool  # at any look
    standing: Bool  # at the end
    crossed: Bool  # the thresholds at the closing look
    fap: Float  # at the closing look


def right_period(kind: str, ratio: float) -> bool:
    """Return whether a period is right within 1 %, for a binary also at half or twice its orbit."""
    return any(abs(ratio / each - 1.0) <= TOLERANCE for each in HARMONICS.get(kind, (1.0,)))


def injected(curves: FieldCurves, verdicts: ObjectVerdicts, size: int, edge: float) -> Injected:
    """Return the variables that lie on the undithered frame, ``edge`` pixels from its border."""
    truth, objects = curves.truth, curves.objects
    inside = (truth.x > edge) & (truth.x < size - 1 - edge)
    inside &= (truth.y > edge) & (truth.y < size - 1 - edge)
    rows = np.flatnonzero((truth.kind != "none") & inside)
    shown_by = np.full(truth.x.size, -1, np.int64)
    linked = np.flatnonzero(objects.star >= 0)
    shown_by[objects.star[linked]] = linked
    row = shown_by[rows]
    shown, at = row >= 0, np.maximum(row, 0)
    standing = shown & verdicts.standing[at]
    periodic = standing & ~verdicts.single[at]
    return Injected(
        kind=truth.kind[rows],
        mag=truth.mag[rows],
        snr=truth.snr[rows],
        amplitude=truth.amplitude[rows],
        period=truth.period[rows],
        events=truth.events[rows],
        listed=shown & curves.listed[at],
        beside=shown & ~curves.listed[at],
        found=periodic,
        single=standing & verdicts.single[at],
        found_kind=np.where(standing, verdicts.kind[at], 0).astype(np.uint8),
        ratio=np.where(periodic, verdicts.period[at] / truth.period[rows], np.nan),
        fap=np.where(shown, verdicts.fap[at], np.nan),
    )


def quiet(curves: FieldCurves, verdicts: ObjectVerdicts) -> Quiet:
    """Return the objects that are no variables and were looked at."""
    objects = curves.objects
    rows = np.flatnonzero(curves.quiet & (verdicts.looks > 0))
    return Quiet(
        mag=objects.mag[rows],
        beside=~curves.listed[rows],
        near=objects.variable_distance[rows] < NEAR,
        unlinked=objects.star[rows] < 0,
        alerted=verdicts.alerted[rows],
        standing=verdicts.standing[rows],
        crossed=verdicts.crossed[rows],
        fap=verdicts.fap[rows],
    )


def rate(hits: int, total: int) -> dict[str, float | int | None]:
    """Return a share with its Clopper–Pearson limits (95 %, two-sided)."""
    low, high = clopper_pearson(hits, total)
    return {"k": hits, "n": total, "value": hits / total if total else None,
            "low": low, "high": high}  # fmt: skip


def clopper_pearson(hits: int, total: int) -> tuple[float, float]:
    """Return the limits of a binomial share (Clopper & Pearson 1934)."""
    tail = 0.5 * (1.0 - CONFIDENCE)
    low = float(beta.ppf(tail, hits, total - hits + 1)) if hits > 0 else 0.0
    high = float(beta.ppf(1.0 - tail, hits + 1, total - hits)) if hits < total else 1.0
    return low, high


def precision(recall: Mapping[str, Any], false: Mapping[str, Any]) -> dict[str, float | None]:
    """Return the precision at the paper's prevalence, from a recall and a false-positive rate.

    The limits take the worse ends of both, so they hold with more than 95 %.
    """

    def at(found: float, wrong: float) -> float | None:
        true, not_true = PREVALENCE * found, (1.0 - PREVALENCE) * wrong
        return true / (true + not_true) if true + not_true > 0.0 else None

    if recall["value"] is None or false["value"] is None:
        return {"value": None, "low": None, "high": None}
    return {
        "value": at(recall["value"], false["value"]),
        "low": at(recall["low"], false["high"]),
        "high": at(recall["high"], false["low"]),
    }


def count(mask: Bool, among: Bool) -> dict[str, float | int | None]:
    """Return the share of ``mask`` among the rows ``among``."""
    return rate(int(np.count_nonzero(mask & among)), int(np.count_nonzero(among)))


def recall_table(stars: Injected) -> list[dict[str, Any]]:
    """Return recall over bins of equation 5, all kinds and each, of stars with two events."""
    rows = []
    for low, high in pairwise(SNR_EDGES):
        within = stars.scorable & (stars.snr >= low) & (stars.snr < high)
        row: dict[str, Any] = {"low": low, "high": high, "all": count(stars.found, within)}
        for kind in VARIABLE:
            row[kind] = count(stars.found, within & (stars.kind == kind))
        rows.append(row)
    return rows


def injected_summary(stars: Injected) -> dict[str, Any]:
    """Return recall, periods and classes of the variables of one part."""
    positive, right = stars.positive, stars.period_right
    by_kind = {
        kind: {
            "recall": count(stars.found, positive & (stars.kind == kind)),
            "period_right": count(right, stars.found & (stars.kind == kind)),
        }
        for kind in VARIABLE
    }
    one = (stars.events == 1) & (stars.snr >= LEAST_SNR)
    code = np.array([KINDS.index(str(kind)) for kind in stars.kind], np.uint8)
    return {
        "injected": len(stars),
        "scorable": int(stars.scorable.sum()),
        "positives": int(positive.sum()),
        "recall": count(stars.found, positive),
        "recall_listed": count(stars.found, positive & stars.listed),
        "not_listed": count(~stars.listed, positive),
        "beside": count(stars.found, positive & stars.beside),
        "single_alert_instead": count(stars.single, positive),
        "single_events": count(stars.found | stars.single, one),
        "period_right": count(right, stars.found & stars.scorable),
        "class_right": count(code == stars.found_kind, stars.found & stars.scorable),
        "kinds": by_kind,
        "recall_over_snr": recall_table(stars),
        "one_event_with_a_period": count(stars.found, stars.events < LEAST_EVENTS),
    }


def quiet_summary(stars: Quiet) -> dict[str, Any]:
    """Return the rates of false alerts of one part.

    Objects found beside the list count where alerts are counted; the tables over magnitude and
    false-alarm probability are of the list alone, whose curves are whole.
    """
    far, listed = ~stars.near, ~stars.beside
    every = np.ones(len(stars), bool)
    of_list = listed & far & np.isfinite(stars.fap)
    over_mag = [
        {"low": low, "high": high,
         "alerted": count(stars.alerted, listed & (stars.mag >= low) & (stars.mag < high))}
        for low, high in pairwise(MAG_EDGES)
    ]  # fmt: skip
    return {
        "stars": len(stars),
        "beside": count(stars.alerted, stars.beside),
        "alerted": count(stars.alerted, every),
        "alerted_far": count(stars.alerted, far),
        "alerted_near": count(stars.alerted, stars.near),
        "standing": count(stars.standing, every),
        "crossed_once": count(stars.crossed, every),
        "unlinked": count(stars.alerted, stars.unlinked),
        "over_magnitude": over_mag,
        "fap_counts": [
            {"fap": level, "seen": count(stars.fap <= level, of_list)}
            for level in (1e-2, 1e-3, 1e-4, 1e-5)
        ],
    }
