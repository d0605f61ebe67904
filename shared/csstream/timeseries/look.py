"""A close look at one shortlisted star: models, events, statistics and views at its period."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from csstream.timeseries import significance
from csstream.timeseries.folding import event_points, phase_coverage, phase_of
from csstream.timeseries.harmonics import HarmonicFit, fit_harmonics, reductions
from csstream.timeseries.periods import Curve, PeriodChoice, odd_even
from csstream.timeseries.trapezoid import Trapezoid, fit_trapezoid
from csstream.timeseries.views import fold_views

Array = npt.NDArray[Any]

SHAPE_POINTS = 400  # where the smooth model is read for its extremes


@dataclass(frozen=True)
class Trials:
    """How many independent tries the search made, for false-alarm probabilities."""

    boxes: float
    sinusoids: float


@dataclass(frozen=True, eq=False)
class Look:
    """What one star looks like at its period. Times [day] from the origin of the curve."""

    is_box: bool
    period: float
    period_err: float
    trapezoid: Trapezoid
    wave: HarmonicFit
    centre: float  # [day] of the dip that the views are centred on
    centre_err: float
    width: float  # [day] of that dip: first to last contact, or width at half depth
    t_max: float  # [day] maximum of the harmonic model
    t_max_err: float
    peak_to_peak: float  # of the harmonic model at the observed phases
    peak_to_peak_err: float
    snr_bls: float
    snr_pink: float
    snr_amplitude: float
    fap: float
    fap_counts: float
    depth_sigma: float  # depth of the dip over the typical rescaled error of one epoch
    events: int
    event_points: int
    cycles: float  # span over period
    phase_coverage: float
    rest_snr: float  # of the event without its strongest occurrence
    middle_depth: float  # median over mean depth of the points in the event
    halves: float  # share of the model that the two halves of the data confirm, 0 … 1
    red_factor: float  # growth of errors by correlated noise, >= 1
    odd_even: float  # difference of odd and even minima over its error
    secondary: float  # depth at phase 0.5 over the primary depth
    secondary_snr: float
    box_share: float  # of the chi² taken away by the trapezoid
    wave_share: float  # of the chi² taken away by the harmonics
    chi2: float  # per degree of freedom under the winning model
    global_view: Array  # (2, 201): medians and their scatter
    local_view: Array  # (2, 61)


def look_at(curve: Curve, choice: PeriodChoice, sigma1: float, trials: Trials) -> Look:
    """Refine the chosen period and describe the star there."""
    period = 1.0 / choice.frequency
    trapezoid = fit_trapezoid(
        curve.time,
        curve.flux,
        curve.weight,
        period,
        choice.box.centre * period,
        choice.box.fraction * period,
    )
    if choice.is_box:
        period = trapezoid.period
    wave = fit_harmonics(curve.time, curve.flux, curve.weight, 1.0 / period, choice.harmonics)
    model = trapezoid(curve.time) if choice.is_box else wave(curve.time)
    return _Describer(curve, choice, trapezoid, wave, curve.flux - model, sigma1, trials).look()


class _Describer:
    """Intermediate results of one look, so that each statistic is a few lines."""

    def __init__(
        self,
        curve: Curve,
        choice: PeriodChoice,
        trapezoid: Trapezoid,
        wave: HarmonicFit,
        residual: Array,
        sigma1: float,
        trials: Trials,
    ) -> None:
        self.curve, self.choice, self.trapezoid, self.wave = curve, choice, trapezoid, wave
        self.residual, self.sigma1, self.trials = residual, sigma1, trials
        self.period = 1.0 / wave.frequency
        self.grid = self.period * np.arange(SHAPE_POINTS) / SHAPE_POINTS
        self.shape = wave(self.grid)
        self.centre, self.width = self._dip()
        free = max(len(residual) - (5 if choice.is_box else 2 * wave.harmonics + 2), 1)
        self.chi2 = float(np.sum(curve.weight * residual**2) / free)
        phase = phase_of(curve.time, self.period, self.centre) * self.period
        self.inside = np.abs(phase) < 0.5 * self.width
        self.outside = np.abs(phase) > 0.6 * self.width
        self.white, self.red = significance.red_noise(
            curve.time, residual, curve.weight, self.width
        )

    def look(self) -> Look:
        """Everything together."""
        level, depth = self._depth()
        _, counts = event_points(self.curve.time, self.period, self.centre, self.width)
        snr = significance.snr_bls(depth, *self._weights())
        pink = significance.snr_pink(depth, counts, self.white, self.red)
        pink = min(pink, snr)
        difference, error, _ = odd_even(self.curve, self.period, self.centre, self.width)
        views = fold_views(self.curve.time, self.curve.flux, self.period, self.centre, self.width)
        span = self.wave(self.curve.time)
        highest, lowest = self.curve.time[np.argmax(span)], self.curve.time[np.argmin(span)]
        swing = float(np.max(span) - np.min(span))
        amplitude = depth if self.choice.is_box else 0.5 * swing
        factor = self._red_factor(counts)
        growth = factor * float(np.sqrt(max(self.chi2, 1.0)))
        t_max, t_max_err = self.wave.extreme(float(self.grid[np.argmax(self.shape)]))
        return Look(
            is_box=self.choice.is_box,
            period=self.period,
            period_err=self._period_err() * factor,
            trapezoid=self.trapezoid,
            wave=self.wave,
            centre=self.centre,
            centre_err=self._centre_err(factor, growth),
            width=self.width,
            t_max=t_max,
            t_max_err=t_max_err * growth,
            peak_to_peak=swing,
            peak_to_peak_err=self.wave.difference_err(highest, lowest) * growth,
            snr_bls=snr,
            snr_pink=pink,
            snr_amplitude=significance.snr_amplitude(amplitude, self.sigma1),
            fap=self._fap(pink, factor),
            fap_counts=self._fap_counts(level, depth),
            depth_sigma=depth * float(np.sqrt(np.median(self.curve.weight))),
            events=len(counts) if self.choice.is_box else self._cycles_seen(),
            event_points=int(counts.sum()),
            cycles=self.curve.span / self.period,
            phase_coverage=phase_coverage(self.curve.time, self.period),
            rest_snr=self._rest_snr(level),
            middle_depth=self._middle_depth(level, depth),
            halves=self._halves(),
            red_factor=factor,
            odd_even=difference / (error * np.sqrt(max(self.chi2, 1.0))),
            **self._secondary(level, depth),
            box_share=self.trapezoid.reduction / self.curve.chi2,
            wave_share=self.wave.reduction / self.curve.chi2,
            chi2=self.chi2,
            global_view=views[0],
            local_view=views[1],
        )

    def _dip(self) -> tuple[float, float]:
        """Centre and width of the dip: the trapezoid, or the smooth minimum at half depth."""
        if self.choice.is_box:
            return self.trapezoid.t0, self.trapezoid.duration
        low = int(np.argmin(self.shape))
        half = 0.5 * (np.median(self.shape) + self.shape[low])
        around = np.roll(self.shape, SHAPE_POINTS // 2 - low) < half
        middle = SHAPE_POINTS // 2
        left = np.argmin(around[:middle][::-1]) if not around[:middle].all() else middle
        right = np.argmin(around[middle:]) if not around[middle:].all() else middle
        width = float(left + right + 1) / SHAPE_POINTS * self.period
        return self.wave.extreme(float(self.grid[low]))[0], width

    def _centre_err(self, factor: float, growth: float) -> float:
        if self.choice.is_box:
            return self.trapezoid.t0_err * factor
        return self.wave.extreme(self.centre)[1] * growth

    def _depth(self) -> tuple[float, float]:
        """Mean level outside and mean depth inside the dip."""
        if not self.inside.any() or not self.outside.any():
            return 0.0, 0.0
        flux, weight = self.curve.flux, self.curve.weight
        level = np.average(flux[self.outside], weights=weight[self.outside])
        return float(level), float(
            level - np.average(flux[self.inside], weights=weight[self.inside])
        )

    def _weights(self) -> tuple[float, float]:
        """Summed weights in and out of the dip, errors scaled by the residuals."""
        weight = self.curve.weight / max(self.chi2, 1.0)
        return float(weight[self.inside].sum()), float(weight[self.outside].sum())

    def _red_factor(self, counts: Array) -> float:
        """Growth of the error of an average over one event by correlated noise."""
        mean_points = float(np.mean(counts)) if len(counts) else 1.0
        return float(np.sqrt(1.0 + mean_points * (self.red / max(self.white, 1e-12)) ** 2))

    def _fap(self, pink: float, factor: float) -> float:
        if self.choice.is_box:
            return float(significance.fap_box(np.array(pink), self.trials.boxes))
        share = self.wave.reduction / self.curve.chi2
        orders = self.wave.harmonics
        points = max(len(self.curve.time) / factor**2, 2.0 * orders + 3.0)
        trials = self.trials.sinusoids * orders
        return float(significance.fap_harmonics(np.array(share), orders, points, trials))

    def _fap_counts(self, level: float, depth: float) -> float:
        """Low points in the dip against those elsewhere, the place of a second eclipse left out."""
        second = phase_of(self.curve.time, self.period, self.centre + 0.5 * self.period)
        counted = np.abs(second) * self.period > 0.6 * self.width
        return significance.fap_counts(
            (self.curve.flux - level)[counted], self.inside[counted], depth, self.trials.boxes
        )

    def _cycles_seen(self) -> int:
        """Distinct cycles with data in them."""
        return len(np.unique(np.floor((self.curve.time - self.curve.time[0]) / self.period)))

    def _rest_snr(self, level: float) -> float:
        """Signal-to-noise of the dip after its strongest event is taken away."""
        time, flux, weight = self.curve.time, self.curve.flux, self.curve.weight
        cycles = np.floor((time - self.centre) / self.period + 0.5)[self.inside]
        if len(cycles) == 0:
            return 0.0
        inside_weight = weight[self.inside] / max(self.chi2, 1.0)
        _, index = np.unique(cycles, return_inverse=True)
        signal = np.bincount(index, inside_weight * (level - flux[self.inside]))
        total = np.bincount(index, inside_weight)
        rest = np.argmax(signal / np.sqrt(total))
        signal, total = np.delete(signal, rest), np.delete(total, rest)
        return float(signal.sum() / np.sqrt(total.sum())) if len(total) else 0.0

    def _middle_depth(self, level: float, depth: float) -> float:
        if depth <= 0:
            return 0.0
        return float((level - np.median(self.curve.flux[self.inside])) / depth)

    def _halves(self) -> float:
        """How well harmonics from one half of the data predict the other, both ways.

        Share of the chi² of the half taken away by the other half's model; 1 is perfect, 0 or
        less means that the signal is not there twice. For fewer than four cycles the halves
        are odd and even epochs.
        """
        count = len(self.curve.time)
        later = np.arange(count) % 2 == 1
        if self.curve.span / self.period >= 4:
            later = np.arange(count) >= count // 2
        shares = []
        for half in (later, ~later):
            orders = int(np.clip(np.count_nonzero(half) // 12, 1, self.wave.harmonics))
            time, flux, weight = (
                a[half] for a in (self.curve.time, self.curve.flux, self.curve.weight)
            )
            wave = fit_harmonics(time, flux, weight, self.wave.frequency, orders)
            other = Curve(
                *(a[~half] for a in (self.curve.time, self.curve.flux, self.curve.weight))
            )
            off = other.flux - wave(other.time)
            off = off - np.average(off, weights=other.weight)
            shares.append(1.0 - float(np.sum(other.weight * off**2)) / max(other.chi2, 1e-12))
        return float(np.clip(np.mean(shares), -1.0, 1.0))

    def _secondary(self, level: float, depth: float) -> dict[str, float]:
        """Depth half a cycle from the dip, relative to the primary, and its S/N."""
        phase = phase_of(self.curve.time, self.period, self.centre + 0.5 * self.period)
        inside = np.abs(phase) * self.period < 0.4 * self.width
        if not inside.any() or depth <= 0:
            return {"secondary": 0.0, "secondary_snr": 0.0}
        weight = self.curve.weight[inside]
        second = level - np.average(self.curve.flux[inside], weights=weight)
        snr = second * np.sqrt(weight.sum() / max(self.chi2, 1.0))
        return {"secondary": float(second / depth), "secondary_snr": float(snr)}

    def _period_err(self) -> float:
        """From the trapezoid, or from the curvature of chi² in frequency."""
        if self.choice.is_box:
            return self.trapezoid.period_err
        step = 0.05 / max(self.curve.span, 1e-6)
        frequency = self.wave.frequency
        three = reductions(
            self.curve.time,
            self.curve.flux,
            self.curve.weight,
            frequency + step * np.array([-1.0, 0.0, 1.0]),
            self.wave.harmonics,
        )[:, -1]
        curvature = (2.0 * three[1] - three[0] - three[2]) / step**2
        if curvature <= 0:
            return float("nan")
        return float(np.sqrt(2.0 * max(self.chi2, 1.0) / curvature)) * self.period**2
