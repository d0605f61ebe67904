"""Which period one star has: box and harmonic models at the peaks and at their multiples compete.

Convention: the period is the shortest one over which the curve repeats within its errors. An
eclipsing binary with unequal minima gets its full orbital period; one whose minima cannot be told
apart gets half of it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt

from csstream.timeseries.box_search import BoxFit, best_box
from csstream.timeseries.folding import cycle_of, phase_of
from csstream.timeseries.harmonics import harmonics_allowed, reductions

Array = npt.NDArray[Any]

PERIOD_CONVENTION: Final = (
    "shortest period over which the curve repeats within its errors; "
    "multiples 1/3, 1/2, 2/3, 3/2, 2 and 3 were considered"
)
MULTIPLES = (0.5, 2.0, 1.0 / 3.0, 3.0, 2.0 / 3.0, 1.5)
BOX_PEAKS = 3
SINUSOID_PEAKS = 4
REFINED_PEAKS = 6
BOX_TERMS = 5  # period, mid-event, duration, depth, level
ODD_EVEN_SIGMA = 4.0  # difference of the minima that doubles a period
ODD_EVEN_SHARE = 0.03  # and its least share of the depth
REFINING: Final = np.array([0.025, 0.012, 0.006, 0.003, 0.0015])  # steps, in 1/span
DOUBLING_MARGIN = 10.0  # gain of a doubled period beyond the price of its terms
DOUBLING_SHARE = 1e-3  # and its least share of the chi² that the shorter period takes away


@dataclass(frozen=True)
class Curve:
    """The used points of one star: time [day] from the middle, relative flux - 1, 1/variance."""

    time: Array
    flux: Array
    weight: Array

    @property
    def span(self) -> float:
        """Time from the first to the last used point [day]."""
        return float(self.time[-1] - self.time[0])

    @property
    def chi2(self) -> float:
        """Chi² of a constant."""
        mean = np.average(self.flux, weights=self.weight)
        return float(np.sum(self.weight * (self.flux - mean) ** 2))


class Limits(NamedTuple):
    """Frequencies that may be tried [1/day]; two events need less than two cycles of a wave."""

    lowest_box: float
    lowest_wave: float
    highest: float


@dataclass(frozen=True)
class PeriodChoice:
    """The winning model; both models at that frequency are kept as start values."""

    frequency: float  # [1/day]
    is_box: bool  # the box model won
    harmonics: int  # best order at that frequency
    box: BoxFit
    box_reduction: float  # in chi² by the box
    harmonic_reduction: float  # in chi² by the harmonics
    noise: float  # chi² per degree of freedom under the best model, at least 1


def top_peaks(spectrum: Array, count: int, apart: int) -> Array:
    """Indices of the highest peaks, at least ``apart`` steps from each other; (<= count,)."""
    rest = np.array(spectrum, float)
    peaks: list[int] = []
    while len(peaks) < count and np.max(rest) > 0:
        peak = int(np.argmax(rest))
        peaks.append(peak)
        rest[max(peak - apart, 0) : peak + apart + 1] = 0.0
    return np.array(peaks, np.int64)


def choose_period(
    curve: Curve,
    box_peaks: Array,
    box_step: float,
    sinusoid_peaks: Array,
    limits: Limits,
) -> PeriodChoice | None:
    """Let boxes and harmonics compete by the Bayesian information criterion.

    box_peaks, sinusoid_peaks : frequencies [1/day] of the highest peaks, best first.
    box_step : step of the box grid [1/day]. limits : allowed frequencies [1/day].
    Returns None when nothing was found.
    """
    fine = 1.0 / max(curve.span, 1e-6)
    boxes = _box_candidates(curve, box_peaks, sinusoid_peaks, box_step, fine, limits)
    if not boxes:
        return None
    best = max(boxes, key=lambda fit: fit.residue)
    waves = _harmonic_candidates(curve, np.append(sinusoid_peaks, best.frequency), fine, limits)
    return _winner(curve, best, waves)


def _winner(curve: Curve, box: BoxFit, waves: tuple[Array, Array]) -> PeriodChoice:
    """Compare the best box with the best harmonics, errors scaled to the best model."""
    frequencies, reduction = waves
    points, chi2 = len(curve.time), curve.chi2
    box_reduction = box.residue * curve.weight.sum()
    terms = 2.0 * np.arange(1, reduction.shape[1] + 1) + 2.0
    least = chi2 - max(box_reduction, float(np.max(reduction)))
    noise = max(least / max(points - 2 * reduction.shape[1] - 2, 1), 1.0)
    scores = reduction / noise - terms * np.log(points)
    where, order = divmod(int(np.argmax(scores)), scores.shape[1])
    box_score = box_reduction / noise - BOX_TERMS * np.log(points)
    if box_score >= scores[where, order]:
        frequency = _doubled_if_uneven(curve, box, noise)
        at_box = reductions(
            curve.time, curve.flux, curve.weight, np.array([frequency]), reduction.shape[1]
        )[0]
        order = int(np.argmax(at_box / noise - terms * np.log(points)))
        fit = box if frequency == box.frequency else _box_near(curve, frequency, 0.0)
        return PeriodChoice(
            frequency, True, order + 1, fit, box_reduction, float(at_box[order]), noise
        )
    frequency, order, gained = _doubled_if_odd(
        curve, float(frequencies[where]), order + 1, float(reduction[where, order])
    )
    frequency, gained = _refined(curve, frequency, order, gained)
    fit = _box_near(curve, frequency, 0.0)
    box_reduction = fit.residue * curve.weight.sum()
    return PeriodChoice(frequency, False, order, fit, box_reduction, gained, noise)


def _box_candidates(
    curve: Curve,
    box_peaks: Array,
    sinusoid_peaks: Array,
    box_step: float,
    fine: float,
    limits: Limits,
) -> list[BoxFit]:
    """Best boxes near the peaks, near their multiples, and near the sinusoids' multiples."""
    fits = [_box_near(curve, f, box_step, 21) for f in box_peaks]
    starts = [fits[0].frequency * m for m in MULTIPLES] if fits else []
    starts += [f * m for f in sinusoid_peaks[:2] for m in (1.0, 0.5, 2.0)]
    reach = min(box_step, 0.2 * fine) if box_step > 0 else 0.2 * fine
    fits += [
        _box_near(curve, f, reach, 9) for f in starts if limits.lowest_box <= f <= limits.highest
    ]
    return [fit for fit in fits if fit.residue > 0]


def _box_near(curve: Curve, frequency: float, reach: float, count: int = 1) -> BoxFit:
    tried = frequency + (np.linspace(-reach, reach, count) if count > 1 else np.zeros(1))
    tried = tried[tried > 0]
    return best_box(curve.time, curve.flux, curve.weight, tried)


def _harmonic_candidates(
    curve: Curve, peaks: Array, fine: float, limits: Limits
) -> tuple[Array, Array]:
    """Frequencies (k,) around the peaks and their multiples, and reductions (k, orders)."""
    order = harmonics_allowed(len(curve.time))
    starts = np.unique(np.concatenate([peaks, peaks[:2] / 2, peaks[:2] / 3, peaks[:2] * 2]))
    starts = starts[(starts >= limits.lowest_wave) & (starts <= limits.highest)]
    if len(starts) == 0:
        starts = peaks[:1]
    tried = np.abs(starts[:, None] + np.linspace(-0.3, 0.3, 7) * fine)
    coarse = reductions(curve.time, curve.flux, curve.weight, tried.ravel(), order)[:, -1]
    coarse = coarse.reshape(tried.shape)
    best = np.argsort(-coarse.max(axis=1), kind="stable")[:REFINED_PEAKS]
    # Peaks are compared at their tops: at high S/N a flank loses to a more flexible model.
    tops = [_refined(curve, tried[k, np.argmax(coarse[k])], order, 0.0)[0] for k in best]
    frequencies = np.array(tops)
    return frequencies, reductions(curve.time, curve.flux, curve.weight, frequencies, order)


def _doubled_if_uneven(curve: Curve, box: BoxFit, noise: float) -> float:
    """Half of the frequency when odd and even minima differ, else the frequency."""
    difference, error, depth = odd_even(
        curve, 1.0 / box.frequency, box.centre / box.frequency, box.fraction / box.frequency
    )
    error *= np.sqrt(noise)
    uneven = difference > max(ODD_EVEN_SIGMA * error, ODD_EVEN_SHARE * depth)
    return 0.5 * box.frequency if uneven else box.frequency


def _refined(curve: Curve, frequency: float, order: int, reduction: float) -> tuple[float, float]:
    """Frequency of the top of the peak, by parabolas through three points, and its reduction."""
    for step in REFINING / max(curve.span, 1e-6):
        tried = frequency + step * np.array([-1.0, 0.0, 1.0])
        left, middle, right = reductions(curve.time, curve.flux, curve.weight, tried, order)[:, -1]
        curvature = 2.0 * middle - left - right
        shift = 0.5 * (right - left) / curvature if curvature > 0 else np.sign(right - left)
        moved = frequency + step * float(np.clip(shift, -1.0, 1.0))
        there = reductions(curve.time, curve.flux, curve.weight, np.array([moved]), order)[0, -1]
        if there > reduction:
            frequency, reduction = moved, float(there)
    return frequency, reduction


def _doubled_if_odd(
    curve: Curve, frequency: float, order: int, reduction: float
) -> tuple[float, int, float]:
    """Half of the frequency and twice the order when its odd harmonics are worth their terms.

    Harmonics of f are the even ones of f / 2; the odd ones hold what differs between successive
    cycles: unequal minima. Returns frequency, order and reduction of the model to keep.
    """
    points = len(curve.time)
    if points < 3 * (4 * order + 2):
        return frequency, order, reduction
    both = reductions(curve.time, curve.flux, curve.weight, np.array([0.5 * frequency]), 2 * order)[
        0, -1
    ]
    noise = max((curve.chi2 - both) / max(points - 4 * order - 2, 1), 1.0)
    gain = both - reduction
    worth = gain / noise > 2.0 * order * np.log(points) + DOUBLING_MARGIN
    if worth and gain > DOUBLING_SHARE * reduction:
        return 0.5 * frequency, 2 * order, float(both)
    return frequency, order, reduction


def odd_even(curve: Curve, period: float, t0: float, duration: float) -> tuple[float, float, float]:
    """Difference of the mean depths of odd and even events, its error, and the depth.

    Needs two events of each kind, else the difference is 0 and its error infinite.
    """
    cycles = cycle_of(curve.time, period, t0)
    inside = np.abs(phase_of(curve.time, period, t0)) * period < 0.4 * duration
    outside = np.abs(phase_of(curve.time, period, t0)) * period > 0.6 * duration
    if not np.any(inside) or not np.any(outside):
        return 0.0, float("inf"), 0.0
    level = np.average(curve.flux[outside], weights=curve.weight[outside])
    depth = level - np.average(curve.flux[inside], weights=curve.weight[inside])
    means, variance = [], 0.0
    for parity in (0, 1):
        chosen = inside & (cycles % 2 == parity)
        if len(np.unique(cycles[chosen])) < 2:
            return 0.0, float("inf"), float(depth)
        means.append(np.average(curve.flux[chosen], weights=curve.weight[chosen]))
        variance += 1.0 / curve.weight[chosen].sum()
    return float(abs(means[0] - means[1])), float(np.sqrt(variance)), float(depth)
