"""How much a star's best box and best sinusoid stand out, correlated noise taken into account.

The search finds the best frequency; here the model at that frequency is subtracted, and what
averages of the residual scatter beyond white noise says by how much correlated noise widens the
statistic. A score is ``-log10`` of the analytic false-alarm probability at that width. Scores
are nearly the same for all kinds of noise and sampling, but only nearly: the probability is read
from counted null curves (``false_alarms``).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from numba import njit

from csstream.timeseries.significance import fap_harmonics, log_fap_box

Array = npt.NDArray[Any]

BINS = 256  # of the phase, for the box at the best frequency
BOX_WIDTHS: Final = np.array([3, 4, 5, 7, 9, 12, 15, 20, 26, 33, 42, 51])  # in bins
POINTS_IN_BOX = 2.5
AVERAGES: Final = np.geomspace(1.0 / 120.0, 1.0 / 8.0, 5)  # lengths of averages, over the span
FEWEST_AVERAGES = 6
PANEL_STARS = 20  # fewer stars do not say what noise is usual
ALONE_SPREAD = 0.3  # of log growth from star to star, where no panel says it
# What the best model takes from the growth of white noise: mean of averages over the span.
BOX_LEFT: Final = np.array([0.97, 0.955, 0.94, 0.915, 0.87])
WAVE_LEFT: Final = np.array([0.93, 0.865, 0.79, 0.75, 0.715])


@dataclass(frozen=True, eq=False)
class Scores:
    """Of the best box and the best sinusoid of each star; (n,) each.

    ``snr_pink`` here is the search's: ``snr_bls / sqrt(growth)``. A growth is the variance of an
    average over that expected of white noise, at least 1: over the event for the box, over a
    quarter of the period for the sinusoid.
    """

    snr_bls: Array
    snr_pink: Array
    duration: Array  # [day] of the best box
    power: Array  # share of chi² that the sinusoid takes away
    box_growth: Array
    wave_growth: Array
    box: Array  # -log10 of the analytic false-alarm probability
    wave: Array


def score_panel(
    time: Array,
    flux: Array,
    weight: Array,
    box_frequency: Array,
    wave_frequency: Array,
    box_trials: float,
    wave_trials: float,
) -> Scores:
    """Score the best box and the best sinusoid of every star of a panel.

    Parameters
    ----------
    time : ndarray, (m,) [day], increasing; keep it near zero.
    flux, weight : ndarray, (n, m): relative flux minus one and inverse variance (0: unused).
    box_frequency, wave_frequency : ndarray, (n,) [1/day]: of the search's best peaks.
    box_trials, wave_trials : independent tries of the search, see ``significance``.
    """
    lengths = AVERAGES * max(float(time[-1] - time[0]), 1e-9)
    n = len(flux)
    found, growth = np.zeros((n, 4)), np.ones((n, 2, len(lengths)))
    _score(
        np.ascontiguousarray(time, np.float64), flux, weight,
        np.asarray(box_frequency, np.float64), np.asarray(wave_frequency, np.float64),
        BOX_WIDTHS, lengths, found, growth,
    )  # fmt: skip
    snr, duration, power, points = found.T
    quarter = 0.25 / np.maximum(np.asarray(wave_frequency, float), 1e-12)
    box_growth = growth_at(usual_growth(growth[:, 0] / BOX_LEFT), lengths, duration)
    wave_growth = growth_at(usual_growth(growth[:, 1] / WAVE_LEFT), lengths, quarter)
    pink = snr / np.sqrt(box_growth)
    log10 = -1.0 / np.log(10.0)
    wave = fap_harmonics(power, 1, np.maximum(points / wave_growth, 4.0), wave_trials)
    return Scores(
        snr, pink, duration, power, box_growth, wave_growth,
        np.asarray(log10 * log_fap_box(pink, box_trials)), np.asarray(log10 * np.log(wave)),
    )  # fmt: skip


def usual_growth(growth: Array) -> Array:
    """Draw each star's growth towards that of its panel, as far as its own is uncertain.

    growth : (n, k) as measured at k lengths of :data:`AVERAGES`. The logarithms are taken as
    normal about the panel's median; what they scatter beyond the error of one is real. Of fewer
    than 20 stars the median is taken as 0 and the real scatter as :data:`ALONE_SPREAD`.
    """
    log = np.log(np.maximum(growth, 1e-3))
    error = 1.5 * AVERAGES  # variance of log growth: half-overlapping averages
    middle, real = np.zeros(len(AVERAGES)), np.full(len(AVERAGES), ALONE_SPREAD**2)
    if len(log) >= PANEL_STARS:
        middle = np.median(log, axis=0)
        spread = 1.4826 * np.median(np.abs(log - middle), axis=0)
        real = np.maximum(spread**2 - error, 0.0)
    return np.asarray(np.exp((log * real + middle * error) / (real + error)))


def growth_at(growth: Array, lengths: Array, duration: Array) -> Array:
    """Growth (n,) at each star's own duration from (n, k) at all lengths; at least 1.

    Between lengths its logarithm is interpolated; below the shortest it falls with the number of
    points that are averaged; beyond the longest it stays.
    """
    log, x = np.log(lengths), np.log(np.clip(duration, lengths[0], lengths[-1]))
    k = np.clip(np.searchsorted(log, x) - 1, 0, len(lengths) - 2)
    part = (x - log[k]) / (log[k + 1] - log[k])
    rows = np.arange(len(growth))
    value = growth[rows, k] ** (1.0 - part) * growth[rows, k + 1] ** part
    short = np.minimum(duration / lengths[0], 1.0)
    return np.asarray(1.0 + np.maximum(value - 1.0, 0.0) * short)


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
    """Fill found (n, 4): snr_bls, duration, power, points; and growth (n, 2, k)."""
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
        taken, duration = _subtract_box(
            time, flux[i], weight[i], box_frequency[i], widths, mean, total, used, residual, kept
        )
        rest = max((chi2 - taken) / max(used - 5, 1), 1e-12 * chi2)
        found[i, 0], found[i, 1] = np.sqrt(taken / rest), duration
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
) -> tuple[float, float]:
    """Residual of the best box, weights without its events; chi² taken and duration [day]."""
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
    for j in range(time.shape[0]):
        dip = (place[j] - start) % BINS < width
        residual[j] = 0.0 if dip else flux[j] - high
        kept[j] = 0.0 if dip else weight[j]
    return best * total, width / (BINS * frequency) if best > 0.0 else 0.0


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
