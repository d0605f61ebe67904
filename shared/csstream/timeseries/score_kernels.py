"""Kernels of the scores: models subtracted from curves, and what averages of the rest scatter."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import numpy.typing as npt
from numba import njit

from csstream.numerics.cholesky import backward, forward
from csstream.timeseries.dip_kernels import BINS, INNER, OUTER, best_dip, subtract_dip

Array = npt.NDArray[Any]

FEWEST_AVERAGES = 6
HARMONICS: Final = 3  # of the series whose residual tells how correlated the noise is
MOST_SHIFT: Final = 0.2  # [1/span] of the frequency from the grid's
DEGENERATE: Final = 1e-6  # of a term's weight that must be its own


@njit(cache=True, nogil=True, error_model="numpy")
def score(
    time: Array,
    flux: Array,
    weight: Array,
    box_frequencies: Array,
    box_step: float,
    wave_frequency: Array,
    lengths: Array,
    found: Array,
    growth: Array,
) -> None:
    """Fill found (n, 6) and growth (n, 2, k).

    Found are snr_bls, duration, power, points, firm snr and the frequency of the box.
    """
    residual, kept = np.empty(time.shape[0]), np.empty(time.shape[0])
    terms = 1 + 2 * HARMONICS
    design = np.empty((terms, time.shape[0]))
    product, share = np.empty(time.shape[0]), np.empty(time.shape[0])
    index, running = np.empty(time.shape[0], np.int64), np.empty((2, 2 * BINS + 1))
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
        scatter = np.sqrt(chi2 / total)
        share[:] = weight[i] / total
        product[:] = share * (flux[i] - mean) / scatter
        frequency, start, size = best_dip(
            time, product, share, box_frequencies[i], box_step, used, index, running
        )
        if size >= 0:
            taken, firm = subtract_dip(
                flux[i], weight[i], product, share, mean, scatter, start, size, index,
                residual, kept,
            )  # fmt: skip
            rest = max((1.0 - taken) / max(used - 5, 1), 1e-12)
            found[i, 0], found[i, 4] = np.sqrt(taken / rest), np.sqrt(firm / rest)
            found[i, 1] = 0.5 * (OUTER[size] + INNER[size]) / (BINS * frequency)
            found[i, 5] = frequency
            average_growth(time, residual, kept, 1.0 / (rest * chi2), lengths, growth[i, 0])
        taken = _subtract_waves(
            time, flux[i], weight[i], wave_frequency[i], mean, total, design, residual
        )
        found[i, 2] = min(max(taken / chi2, 0.0), 1.0)
        left = np.sum(weight[i] * residual**2)
        rest = max(left / max(used - terms, 1), 1e-12 * chi2)
        average_growth(time, residual, weight[i], 1.0 / rest, lengths, growth[i, 1])


@njit(cache=True, nogil=True, error_model="numpy")
def _subtract_waves(
    time: Array,
    flux: Array,
    weight: Array,
    frequency: float,
    mean: float,
    total: float,
    design: Array,
    residual: Array,
) -> float:
    """Residual of a series of harmonics with a floating mean; the chi² its first one takes away.

    A star's own harmonics are no noise: with the sinusoid alone subtracted, what is left of a
    pulsating star's sawtooth would pass for correlated noise. So would what a frequency between
    two of the grid leaves: it is first moved to where the sinusoid fits best (its slope in time).
    """
    terms = design.shape[0]
    _fill_series(time, frequency, 3, design)
    for j in range(time.shape[0]):
        design[3, j], design[4, j] = time[j] * design[1, j], time[j] * design[2, j]
    normal, right = _normal_equations(flux, weight, mean, total, 5, design)
    value = _solution(normal, right, 5)
    first = np.sum(_solution(normal, right, 3) * right) * total
    square = value[1] ** 2 + value[2] ** 2
    if square > 0.0:
        shift = (value[2] * value[3] - value[1] * value[4]) / (2.0 * np.pi * square)
        reach = MOST_SHIFT / max(time[-1] - time[0], 1e-9)
        frequency += min(max(shift, -reach), reach)
    _fill_series(time, frequency, terms, design)
    normal, right = _normal_equations(flux, weight, mean, total, terms, design)
    value = _solution(normal, right, terms)
    for j in range(time.shape[0]):
        residual[j] = flux[j] - mean
        for k in range(terms):
            residual[j] -= value[k] * design[k, j]
    return first


@njit(cache=True, nogil=True, error_model="numpy")
def _fill_series(time: Array, frequency: float, terms: int, design: Array) -> None:
    """1, cos, sin, cos 2 … of the phase into the first rows of ``design``."""
    for j in range(time.shape[0]):
        angle = 2.0 * np.pi * frequency * time[j]
        c, s = np.cos(angle), np.sin(angle)
        design[0, j], design[1, j], design[2, j] = 1.0, c, s
        for k in range(3, terms, 2):
            design[k, j] = design[k - 2, j] * c - design[k - 1, j] * s
            design[k + 1, j] = design[k - 1, j] * c + design[k - 2, j] * s


@njit(cache=True, nogil=True, error_model="numpy")
def _normal_equations(
    flux: Array, weight: Array, mean: float, total: float, terms: int, design: Array
) -> tuple[Array, Array]:
    """Lower half of the normal matrix (terms, terms), and the right side."""
    normal, right = np.zeros((terms, terms)), np.zeros(terms)
    for j in range(flux.shape[0]):
        w, y = weight[j] / total, flux[j] - mean
        for k in range(terms):
            right[k] += w * y * design[k, j]
            for i in range(k + 1):
                normal[k, i] += w * design[k, j] * design[i, j]
    return normal, right


@njit(cache=True, nogil=True, error_model="numpy")
def _solution(normal: Array, right: Array, terms: int) -> Array:
    """Solve for the first terms; a term that adds nothing new gets 0, as do the others."""
    factor, value = normal[:terms, :terms].copy(), np.zeros(right.shape[0])
    value[:terms] = right[:terms]
    forward(factor, value[:terms], 0.0, DEGENERATE)
    backward(factor, value[:terms])
    return value


@njit(cache=True, nogil=True, error_model="numpy")
def average_growth(
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
