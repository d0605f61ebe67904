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

from csstream.timeseries.noise_growth import AVERAGES, Growth, growth_of
from csstream.timeseries.score_kernels import BINS, score

Array = npt.NDArray[Any]

BOX_WIDTHS: Final = np.array([3, 4, 5, 7, 9, 12, 15, 20, 26, 33, 42, 51])  # in bins
LOG_VOLUME = 6.0  # range of log frequency times that of log duration, of a usual search
SURE = 2000.0  # degrees of freedom from which Student's t is the Gaussian
# What the best model leaves of the growth of white noise, per length of AVERAGES (counted).
BOX_LEFT: Final = np.array([0.962, 0.943, 0.920, 0.892, 0.851, 0.776])
WAVE_LEFT: Final = np.array([0.917, 0.848, 0.756, 0.683, 0.635, 0.617])


@dataclass(frozen=True, eq=False)
class Scores:
    """Of the best box and the best sinusoid of each star; (n,) each.

    ``snr_firm`` is the box's signal-to-noise without the point that adds most to it, over the root
    of the growth: one outlier among few points is no event.
    """

    snr_bls: Array
    snr_firm: Array
    duration: Array  # [day] of the best box
    power: Array  # share of chi² that the sinusoid takes away
    box: Array  # -log10 of the analytic false-alarm probability
    wave: Array
    box_growth: Growth  # over the event
    wave_growth: Growth  # over half a period


def score_panel(
    time: Array,
    flux: Array,
    weight: Array,
    box_frequency: Array,
    wave_frequency: Array,
    wave_trials: float,
) -> Scores:
    """Score the best box and the best sinusoid of every star of a panel.

    Parameters
    ----------
    time : ndarray, (m,) [day], increasing; keep it near zero.
    flux, weight : ndarray, (n, m): relative flux minus one and inverse variance (0: unused).
    box_frequency, wave_frequency : ndarray, (n,) [1/day]: of the search's best peaks.
    wave_trials : independent sinusoids that were tried.
    """
    span = max(float(time[-1] - time[0]), 1e-9)
    lengths = AVERAGES * span
    found, growth = np.zeros((len(flux), 5)), np.ones((len(flux), 2, len(lengths)))
    score(
        np.ascontiguousarray(time, np.float64), flux, weight,
        np.asarray(box_frequency, np.float64), np.asarray(wave_frequency, np.float64),
        BOX_WIDTHS, lengths, found, growth,
    )  # fmt: skip
    snr, duration, power, points, firm = found.T
    half = 0.5 / np.maximum(np.asarray(wave_frequency, float), 1e-12)
    box_growth = growth_of(growth[:, 0] / BOX_LEFT, lengths, duration)
    wave_growth = growth_of(growth[:, 1] / WAVE_LEFT, lengths, half)
    firm = firm / np.sqrt(box_growth.value)
    return Scores(
        snr, firm, duration, power,
        box_score(firm, box_growth, box_trials(span, box_frequency, duration)),
        wave_score(power, points, wave_growth, wave_trials), box_growth, wave_growth,
    )  # fmt: skip


def box_trials(span: float, frequency: Array, duration: Array) -> Array:
    """Independent boxes of like period and duration, times the number of such sets; (n,).

    A box that lasts the fraction q of its cycle has ``span f / q`` independent frequencies and
    ``1 / q`` places per unit of log frequency, so nearly all boxes that are tried are short and
    repeat often. Each unit of log period and log duration gets the same share of the false
    alarms: the rare long events of a planet do not pay for the many short ones.
    """
    frequency = np.asarray(frequency, float)
    fraction = np.clip(duration * frequency, 1.0 / BINS, 0.5)
    return np.maximum(LOG_VOLUME * span * frequency / fraction**2, 1.0)


def box_score(snr: Array, growth: Growth, trials: Array) -> Array:
    """``-log10`` of the chance that noise gives a box of this signal-to-noise in so many trials.

    Student's t where the growth is uncertain (2 / doubt degrees of freedom), else the Gaussian.
    """
    free = 2.0 / np.maximum(growth.doubt, 1e-9)
    student = np.log(np.maximum(stdtr(np.minimum(free, SURE), -snr), 1e-300))
    return _score_of(np.where(free < SURE, student, log_ndtr(-snr)), trials)


def wave_score(power: Array, points: Array, growth: Growth, trials: float) -> Array:
    """``-log10`` of the chance that noise gives a sinusoid of this power in so many trials.

    ``(1 - power)^((points - 3) / 2)`` for white noise; its logarithm is divided by the growth, and
    averaged over what the growth may be.
    """
    rest = np.log1p(-np.minimum(power, 1.0 - 1e-15))
    height = -0.5 * np.maximum(points - 3.0, 1.0) * rest / growth.value
    free = 1.0 / np.maximum(growth.doubt, 1e-9)
    return _score_of(-free * np.log1p(height / free), trials)


def _score_of(log_single: Array, trials: Array | float) -> Array:
    """``-log10`` of ``1 - (1 - p)^trials`` from the logarithm of p; finite and not below 0."""
    single = np.minimum(log_single, -1e-9)
    with np.errstate(divide="ignore"):
        exact = np.log(-np.expm1(trials * np.log1p(-np.exp(single))))
    many = np.where(single + np.log(trials) < -20.0, single + np.log(trials), exact)
    return np.asarray(np.maximum(-many / np.log(10.0), 0.0))
