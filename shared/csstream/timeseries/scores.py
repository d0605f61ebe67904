"""How much a star's best box and best sinusoid stand out, correlated noise taken into account.

The search finds the best frequency; here the model at that frequency is subtracted, and what
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
from numba import njit
from scipy.special import log_ndtr, stdtr

from csstream.timeseries.noise_growth import AVERAGES, Growth, growth_of

Array = npt.NDArray[Any]

BINS = 256  # of the phase, for the box at the best frequency
BOX_WIDTHS: Final = np.array([3, 4, 5, 7, 9, 12, 15, 20, 26, 33, 42, 51])  # in bins
POINTS_IN_BOX = 2.5
FEWEST_AVERAGES = 6
LOG_VOLUME = 6.0  # range of log frequency times that of log duration, of a usual search
SURE = 2000.0  # degrees of freedom from which Student's t is the Gaussian
# What the best model leaves of the growth of white noise, per length of AVERAGES (counted).
BOX_LEFT: Final = np.array([0.962, 0.943, 0.920, 0.892, 0.851, 0.776])
WAVE_LEFT: Final = np.array([0.946, 0.902, 0.828, 0.731, 0.626, 0.541])


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
    _score(
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


@njit(cache=True, nogil=True, error_model="numpy")
def _score(
    time: Array,
    flux: Array,
    weight: Array,
    box_frequency: Array,
    wave_frequency: Array,
    widths: Array,
    lengths: Array,
    found: Array,
    growth: Array,
) -> None:
    """Fill found (n, 5): snr_bls, duration, power, points, firm snr; and growth (n, 2, k)."""
    residual, kept = np.empty(time.shape[0]), np.empty(time.shape[0])
    for i in range(flux.shape[0]):
        used = np.count_nonzero(weight[i])
        total = weight[i].sum()
        if used < 6 or total <= 0.0:
            continue
        mean = np.sum(weight[i] * flux[i]) / total
        chi2 = np.sum(weight[i] * (flux[i] - mean) ** 2)
        if chi2 <= 0.0:
            continue
        found[i, 3] = used
        taken, firm, duration = _subtract_box(
            time, flux[i], weight[i], box_frequency[i], widths, mean, total, used, residual, kept
        )
        rest = max((chi2 - taken) / max(used - 5, 1), 1e-12 * chi2)
        found[i, 0], found[i, 1] = np.sqrt(taken / rest), duration
        found[i, 4] = np.sqrt(firm / rest)
        _growth(time, residual, kept, 1.0 / rest, lengths, growth[i, 0])
        taken = _subtract_wave(time, flux[i], weight[i], wave_frequency[i], mean, total, residual)
        rest = max((chi2 - taken) / max(used - 3, 1), 1e-12 * chi2)
        found[i, 2] = min(max(taken / chi2, 0.0), 1.0)
        _growth(time, residual, weight[i], 1.0 / rest, lengths, growth[i, 1])


@njit(cache=True, nogil=True, error_model="numpy")
def _subtract_box(
    time: Array,
    flux: Array,
    weight: Array,
    frequency: float,
    widths: Array,
    mean: float,
    total: float,
    used: int,
    residual: Array,
    kept: Array,
) -> tuple[float, float, float]:
    """Residual of the best box, weights without its events.

    Returns the chi² taken, the same without the strongest point, and the duration [day].
    """
    bins = np.zeros((2, BINS))
    place = np.empty(time.shape[0], np.int64)
    for j in range(time.shape[0]):
        phase = time[j] * frequency
        place[j] = min(int((phase - np.floor(phase)) * BINS), BINS - 1)
        share = weight[j] / total
        bins[0, place[j]] += share * (flux[j] - mean)
        bins[1, place[j]] += share
    best, start, width = _best_box_of(bins, widths, POINTS_IN_BOX / used)
    signal, inside = 0.0, 0.0
    for b in range(start, start + width):
        signal += bins[0, b % BINS]
        inside += bins[1, b % BINS]
    high = mean - signal / (1.0 - inside) if inside < 1.0 else mean
    strongest, its_share = 0.0, 0.0
    for j in range(time.shape[0]):
        dip = (place[j] - start) % BINS < width
        residual[j] = 0.0 if dip else flux[j] - high
        kept[j] = 0.0 if dip else weight[j]
        if dip and weight[j] * (mean - flux[j]) > strongest:
            strongest, its_share = weight[j] * (mean - flux[j]), weight[j] / total
    if best <= 0.0:
        return 0.0, 0.0, 0.0
    signal, inside = min(signal + strongest / total, 0.0), inside - its_share
    firm = signal * signal / (inside * (1.0 - inside)) if inside > 1e-9 else 0.0
    return best * total, firm * total, width / (BINS * frequency)


@njit(cache=True, nogil=True, error_model="numpy")
def _best_box_of(bins: Array, widths: Array, least: float) -> tuple[float, int, int]:
    """Largest SR² of a dip in a folded curve, with start and width in bins."""
    running = np.zeros((2, 2 * BINS + 1))
    for b in range(2 * BINS):
        running[0, b + 1] = running[0, b] + bins[0, b % BINS]
        running[1, b + 1] = running[1, b] + bins[1, b % BINS]
    best, best_start, best_width = 0.0, 0, int(widths[0])
    for width in widths:
        for start in range(BINS):
            s = running[0, start + width] - running[0, start]
            r = running[1, start + width] - running[1, start]
            value = s * s / (r * (1.0 - r))
            if s < 0.0 and r >= least and r < 0.999 and value > best:
                best, best_start, best_width = value, start, int(width)
    return best, best_start, best_width


@njit(cache=True, nogil=True, error_model="numpy")
def _subtract_wave(
    time: Array,
    flux: Array,
    weight: Array,
    frequency: float,
    mean: float,
    total: float,
    residual: Array,
) -> float:
    """Residual of the best sinusoid with a floating mean; the chi² it takes away."""
    sums = np.zeros(7)  # of c, s, cc, cs, yc, ys
    wave = np.empty((2, time.shape[0]))
    for j in range(time.shape[0]):
        angle = 2.0 * np.pi * frequency * time[j]
        c, s = np.cos(angle), np.sin(angle)
        wave[0, j], wave[1, j] = c, s
        w, y = weight[j] / total, flux[j] - mean
        sums[0] += w * c
        sums[1] += w * s
        sums[2] += w * c * c
        sums[3] += w * c * s
        sums[4] += w * y * c
        sums[5] += w * y * s
    cc, cs = sums[2] - sums[0] ** 2, sums[3] - sums[0] * sums[1]
    ss = 1.0 - sums[2] - sums[1] ** 2
    determinant = cc * ss - cs * cs
    a = b = 0.0
    if determinant > 1e-5:
        a = (sums[4] * ss - sums[5] * cs) / determinant
        b = (sums[5] * cc - sums[4] * cs) / determinant
    for j in range(time.shape[0]):
        model = a * (wave[0, j] - sums[0]) + b * (wave[1, j] - sums[1])
        residual[j] = flux[j] - mean - model
    return (a * sums[4] + b * sums[5]) * total


@njit(cache=True, nogil=True, error_model="numpy")
def _growth(
    time: Array, residual: Array, weight: Array, scale: float, lengths: Array, growth: Array
) -> None:
    """Mean square of normalised averages of each length, half overlapping, into growth (k,)."""
    first, span = time[0], time[-1] - time[0]
    for k in range(lengths.shape[0]):
        half = 0.5 * lengths[k]
        sums = np.zeros((2, int(span / half) + 2))
        for j in range(time.shape[0]):
            b = int((time[j] - first) / half)
            sums[0, b] += weight[j] * residual[j]
            sums[1, b] += weight[j]
        growth[k] = _mean_square(sums, scale)


@njit(cache=True, nogil=True, error_model="numpy")
def _mean_square(sums: Array, scale: float) -> float:
    """Mean of (Σ w r)² / Σ w over pairs of halves that hold half of the usual weight; or 1."""
    usual, full = 0.0, 0
    for b in range(sums.shape[1] - 1):
        both = sums[1, b] + sums[1, b + 1]
        usual += both
        full += both > 0.0
    square, count = 0.0, 0
    for b in range(sums.shape[1] - 1):
        both = sums[1, b] + sums[1, b + 1]
        if both > 0.0 and both * full > 0.5 * usual:
            square += (sums[0, b] + sums[0, b + 1]) ** 2 / both * scale
            count += 1
    return square / count if count >= FEWEST_AVERAGES else 1.0
