"""How much a star's best box and best sinusoid stand out, correlated noise taken into account.

The search finds the best frequency; here a model at that frequency is subtracted, and what
averages of the residual scatter beyond white noise says by how much correlated noise widens the
statistic (``noise_growth``). A score is ``-log10`` of the analytic false-alarm probability at that
width. Scores are nearly the same for all kinds of noise and sampling, but only nearly: the
probability is read from counted null curves (``false_alarms``).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from scipy.special import log_ndtr, stdtr

from csstream.timeseries.dip_kernels import BINS, INNER, OUTER
from csstream.timeseries.noise_growth import AVERAGES, Growth, growth_of
from csstream.timeseries.score_kernels import score

Array = npt.NDArray[Any]

LOG_DURATIONS: Final = float(np.log((OUTER + INNER)[-1] / (OUTER + INNER)[0]))
SURE = 2000.0  # degrees of freedom from which Student's t is the Gaussian
# What the best model leaves of the growth of white noise, per length of AVERAGES (counted). Three
# harmonics take the more, the fewer of their cycles an average holds: WAVE_CYCLES.
BOX_LEFT: Final = np.array([0.944, 0.912, 0.877, 0.838, 0.791, 0.723])
WAVE_CYCLES: Final = np.array([0.06, 0.12, 0.25, 0.4, 0.6, 0.9, 1.4, 2.5, 6.0, 30.0])
WAVE_LEFT: Final = np.array([
    [0.90, 0.89, 0.89, 0.90, 0.90, 0.90, 0.90, 0.92, 0.95, 0.95],
    [0.84, 0.82, 0.83, 0.85, 0.88, 0.89, 0.89, 0.89, 0.92, 0.95],
    [0.72, 0.72, 0.74, 0.78, 0.82, 0.86, 0.88, 0.89, 0.89, 0.92],
    [0.54, 0.55, 0.60, 0.68, 0.74, 0.79, 0.83, 0.86, 0.87, 0.89],
    [0.32, 0.33, 0.43, 0.54, 0.63, 0.71, 0.75, 0.77, 0.82, 0.84],
    [0.22, 0.22, 0.23, 0.36, 0.48, 0.58, 0.64, 0.69, 0.71, 0.75],
])  # fmt: skip
WAVE_VARIANCE: Final = AVERAGES * np.array([1.0, 1.2, 1.5, 1.8, 2.2, 2.5])  # as VARIANCE, counted


@dataclass(frozen=True, eq=False)
class Scores:
    """Of the best box and the best sinusoid of each star; (n,) each.

    ``snr_firm`` is the box's signal-to-noise without the point that adds most to it, over the root
    of the growth: one outlier among few points is no event.
    """

    snr_bls: Array
    snr_firm: Array
    duration: Array  # [day] of the best box, to half of its depth; 0 where there is none
    frequency: Array  # [1/day] of that box; 0 where there is none
    power: Array  # share of chi² that the sinusoid takes away
    box: Array  # -log10 of the analytic false-alarm probability
    wave: Array
    box_growth: Growth  # over the event
    wave_growth: Growth  # over half a period


def score_panel(
    time: Array,
    flux: Array,
    weight: Array,
    box_frequencies: Array,
    box_step: float,
    wave_frequency: Array,
    box_range: float,
    wave_trials: float,
) -> Scores:
    """Score the best box and the best sinusoid of every star of a panel.

    Parameters
    ----------
    time : ndarray, (m,) [day], increasing; keep it near zero.
    flux, weight : ndarray, (n, m): relative flux minus one and inverse variance (0: unused).
    box_frequencies : ndarray, (n, c) [1/day]: of the search's best peaks; the likeliest is taken.
    box_step : between the frequencies of the box search [1/day].
    wave_frequency : ndarray, (n,) [1/day]: of the search's best peak.
    box_range : logarithm of the highest over the lowest frequency of the boxes that were tried.
    wave_trials : independent sinusoids that were tried.
    """
    span = max(float(time[-1] - time[0]), 1e-9)
    lengths = AVERAGES * span
    found, growth = np.zeros((len(flux), 6)), np.ones((len(flux), 2, len(lengths)))
    score(
        np.ascontiguousarray(time, np.float64), flux, weight,
        np.ascontiguousarray(box_frequencies, np.float64), box_step,
        np.asarray(wave_frequency, np.float64), lengths, found, growth,
    )  # fmt: skip
    snr, duration, power, points, firm, frequency = found.T
    wave_frequency = np.maximum(np.asarray(wave_frequency, float), 1e-12)
    box_growth = growth_of(growth[:, 0] / BOX_LEFT, lengths, duration)
    left = wave_left(lengths, wave_frequency)
    wave_growth = growth_of(growth[:, 1] / left, lengths, 0.5 / wave_frequency, WAVE_VARIANCE)
    trials = box_trials(span, frequency, duration, box_range)
    return Scores(
        snr, firm / np.sqrt(box_growth.value), duration, frequency, power,
        box_score(firm, box_growth, trials),
        wave_score(power, points, wave_growth, wave_trials), box_growth, wave_growth,
    )  # fmt: skip


def wave_left(lengths: Array, frequency: Array) -> Array:
    """What three harmonics at each frequency (n,) leave of the growth at lengths (k,); (n, k)."""
    cycles = np.log(np.maximum(np.outer(frequency, lengths), 1e-12))
    columns = zip(cycles.T, WAVE_LEFT, strict=True)
    return np.stack([np.interp(x, np.log(WAVE_CYCLES), left) for x, left in columns], axis=1)


def box_trials(span: float, frequency: Array, duration: Array, box_range: float) -> Array:
    """Independent boxes of like period and duration, times the number of such sets; (n,).

    A box that lasts the fraction q of its cycle has ``span f / q`` independent frequencies and
    ``1 / q`` places per unit of log frequency, so nearly all boxes that are tried are short and
    repeat often. Each unit of log period and log duration gets the same share of the false
    alarms: the rare long events of a planet do not pay for the many short ones. How many units
    there are follows from the grid: half a day of epochs tries few periods, a hundred nights many.
    """
    frequency = np.asarray(frequency, float)
    fraction = np.clip(duration * frequency, 1.0 / BINS, 0.5)
    volume = max(box_range, 0.1) * LOG_DURATIONS
    return np.maximum(volume * span * frequency / fraction**2, 1.0)


def box_score(snr: Array, growth: Growth, trials: Array) -> Array:
    """``-log10`` of the chance that noise gives a box of this signal-to-noise in so many trials.

    snr : ndarray, (n,): for white noise; here it is divided by the root of the growth. The
    Gaussian where the star follows its panel, Student's t where its growth is its own.
    """
    free, own = 2.0 * growth.shape, snr / np.sqrt(growth.own)
    student = np.log(np.maximum(stdtr(np.minimum(free, SURE), -own), 1e-300))
    student = np.where(free < SURE, student, log_ndtr(-own))
    return _score_of(_mixed(growth, log_ndtr(-snr / np.sqrt(growth.usual)), student), trials)


def wave_score(power: Array, points: Array, growth: Growth, trials: float) -> Array:
    """``-log10`` of the chance that noise gives a sinusoid of this power in so many trials.

    ``(1 - power)^((points - 3) / 2)`` for white noise; its logarithm is divided by the growth, and
    averaged over what the growth may be.
    """
    rest = np.log1p(-np.minimum(power, 1.0 - 1e-15))
    height = -0.5 * np.maximum(points - 3.0, 1.0) * rest
    own = -growth.shape * np.log1p(height / growth.own / growth.shape)
    return _score_of(_mixed(growth, -height / growth.usual, own), trials)


def _mixed(growth: Growth, log_usual: Array, log_own: Array) -> Array:
    """Logarithm of the tail of the mixture from those of its parts."""
    share = np.clip(growth.share, 1e-12, 1.0 - 1e-12)
    return np.asarray(np.logaddexp(np.log1p(-share) + log_usual, np.log(share) + log_own))


def _score_of(log_single: Array, trials: Array | float) -> Array:
    """``-log10`` of ``1 - (1 - p)^trials`` from the logarithm of p; finite and not below 0."""
    single = np.minimum(log_single, -1e-9)
    with np.errstate(divide="ignore"):
        exact = np.log(-np.expm1(trials * np.log1p(-np.exp(single))))
    many = np.where(single + np.log(trials) < -20.0, single + np.log(trials), exact)
    return np.asarray(np.maximum(-many / np.log(10.0), 0.0))
