"""Least squares of sinusoids and of harmonic series with a floating mean, over a whole panel.

One harmonic is the generalised Lomb–Scargle periodogram (Zechmeister & Kürster 2009), several are
the multi-harmonic analysis of variance (Schwarzenberg-Czerny 1996): the curve is projected on
functions that are orthonormal under its own weights, and squares of the projections add up, so one
pass gives every order. Waves are common to all stars, so projections are matrix products. Stars
with common weights share the orthonormal functions too; else the normal equations of each star are
factorised, from sums of which only the difference to the panel's mean weights is in single
precision. Of few stars, and of long series, the sums come from fast Fourier transforms star by star
(Palmer 2009, ApJ 695, 496), whose work does not grow with epochs times frequencies.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import numpy.typing as npt
from numba import njit

from csstream.timeseries.fourier_sums import fourier_sums
from csstream.timeseries.grids import FrequencyGrid
from csstream.timeseries.shares import common_share, normalised

Array = npt.NDArray[Any]

FEWEST_STARS: Final = 4  # for which matrix products pay
MOST_EPOCHS: Final = 4000  # for which they do
CHUNK: Final = 16  # frequencies per matrix product
SOLVED: Final = 1024  # frequencies of one star whose normal equations are solved at a time
DEPENDENT: Final = 1e-5  # share of a wave that must be left beside those before it


def harmonic_panel(
    time: Array, flux: Array, weight: Array, grid: FrequencyGrid, harmonics: int
) -> Array:
    """Share of chi² taken away by 1 … ``harmonics`` harmonics at each frequency.

    Parameters
    ----------
    time : ndarray, (m,) [day]; keep it near zero.
    flux, weight : ndarray, (n, m): relative flux minus one and inverse variance (0: unused).
    grid : the frequencies of the first harmonic.

    Returns
    -------
    ndarray, (harmonics, n, grid.count), float32, in [0, 1]; 0 for stars without variance. Waves
    that the sampling makes dependent on those before are left out.
    """
    product, share, scatter = normalised(flux, weight)
    time = np.ascontiguousarray(time, np.float64)
    if len(flux) < FEWEST_STARS or len(time) > MOST_EPOCHS:
        power = _by_transforms(time, product, share, grid, harmonics)
    else:
        power = _by_products(time, product, share, grid, harmonics)
    power[:, scatter <= 0] = 0.0
    return np.clip(power, 0.0, 1.0, out=power)


def _by_products(
    time: Array, product: Array, share: Array, grid: FrequencyGrid, harmonics: int
) -> Array:
    """Power (harmonics, n, count) from products of waves with all stars at a time."""
    columns = np.ascontiguousarray(product.T, np.float32)
    common = common_share(share)
    mean = share.mean(axis=0) if common is None else common
    rest = np.ascontiguousarray((share - mean).T, np.float32)
    power = np.zeros((harmonics, grid.count, len(product)), np.float32)
    orders = 2 * harmonics if common is not None else 4 * harmonics
    waves = np.empty((CHUNK, orders, len(time)), np.float32)
    for first in range(0, grid.count, CHUNK):
        part = slice(first, min(first + CHUNK, grid.count))
        waves = waves[: part.stop - part.start]
        start = grid.start + grid.step * first
        if common is not None:
            _orthonormal(time, start, grid.step, mean, waves)
            _add_squares(_project(waves, columns), power[:, part])
        else:
            sums = _waves(time, start, grid.step, mean, waves)
            right = _project(waves[:, : 2 * harmonics], columns)
            _solve(sums, _project(waves, rest), right, power[:, part])
    return power.transpose(0, 2, 1)


def _by_transforms(
    time: Array, product: Array, share: Array, grid: FrequencyGrid, harmonics: int
) -> Array:
    """Power (harmonics, n, count) from Fourier transforms of one star after the other."""
    power = np.zeros((harmonics, len(product), grid.count), np.float32)
    none = np.zeros((1, 4 * harmonics))
    for star in range(len(product)):
        sums, right = _sums_of_star(time, product[star], share[star], grid, harmonics)
        for first in range(0, grid.count, SOLVED):
            part = slice(first, first + SOLVED)
            _solve(none, sums[None, :, part], right[None, :, part], power[:, star, None, part])
    return power


def _sums_of_star(
    time: Array, product: Array, share: Array, grid: FrequencyGrid, harmonics: int
) -> tuple[Array, Array]:
    """Sums of share times cos 1, sin 1, cos 2 … (4 N, count), and of product (2 N, count)."""
    sums, right = np.empty((4 * harmonics, grid.count)), np.empty((2 * harmonics, grid.count))
    for k in range(2 * harmonics):
        values = np.stack((share, product) if k < harmonics else (share,))
        first, step = (k + 1) * grid.start, (k + 1) * grid.step
        found = fourier_sums(time, values, first, step, grid.count)
        sums[2 * k], sums[2 * k + 1] = found[0].real, found[0].imag
        if k < harmonics:
            right[2 * k], right[2 * k + 1] = found[1].real, found[1].imag
    return sums, right


def aov_statistic(power: Array, harmonics: int, points: Array) -> Array:
    """Analysis-of-variance statistic of a share of chi² taken away by a harmonic series.

    ``(points - 2 N - 1) p / (2 N (1 - p))``: mean square of the model over that of the residuals,
    Fisher-distributed for noise with 2 N and points - 2 N - 1 degrees of freedom
    (Schwarzenberg-Czerny 1996, eq. 11). 0 where there are too few points.
    """
    free = np.asarray(points, float) - 2.0 * harmonics - 1.0
    left = np.maximum(1.0 - np.asarray(power, float), 1e-12)
    return np.maximum(free, 0.0) * np.asarray(power, float) / (2.0 * harmonics * left)


def _project(waves: Array, columns: Array) -> Array:
    """Sums over the epochs: waves (f, rows, m) with columns (m, n) to (f, rows, n)."""
    count, rows, points = waves.shape
    product = np.ascontiguousarray(waves).reshape(count * rows, points) @ columns
    return np.asarray(product.reshape(count, rows, columns.shape[1]))


@njit(cache=True, nogil=True)
def _wave(time: Array, frequency: float) -> Array:
    """cos and sin of 2π f t, (2, m)."""
    result = np.empty((2, time.shape[0]))
    for i in range(time.shape[0]):
        phase = time[i] * frequency
        angle = 2.0 * np.pi * (phase - np.floor(phase))
        result[0, i] = np.cos(angle)
        result[1, i] = np.sin(angle)
    return result


@njit(cache=True, nogil=True)
def _turn(first: Array, second: Array, c_out: Array, s_out: Array) -> None:
    """cos and sin of the sum of two angles, given their cos and sin (2, m)."""
    for i in range(c_out.shape[0]):
        c, s = first[0, i], first[1, i]
        c_out[i] = c * second[0, i] - s * second[1, i]
        s_out[i] = s * second[0, i] + c * second[1, i]


@njit(cache=True, nogil=True)
def _fill_waves(first: Array, rows: Array) -> None:
    """cos and sin of 1, 2 … times the angle as rows of ``rows``, from those of the angle."""
    rows[:2] = first
    for row in range(2, rows.shape[0], 2):
        _turn(rows[row - 2 : row], first, rows[row], rows[row + 1])


@njit(cache=True, nogil=True)
def _waves(time: Array, start: float, step: float, mean: Array, result: Array) -> Array:
    """Fill waves of all multiples (f, rows, m) float32; return their weighted sums (f, rows)."""
    count, n_rows, points = result.shape
    sums = np.empty((count, n_rows))
    rows = np.empty((n_rows, points))
    first, turn = _wave(time, start), _wave(time, step)
    ones = np.ones(points)
    for k in range(count):
        _fill_waves(first, rows)
        for row in range(n_rows):
            sums[k, row] = _dot(rows[row], ones, mean)
        result[k] = rows
        _turn(first, turn, first[0], first[1])
    return sums


@njit(cache=True, nogil=True, fastmath={"reassoc", "contract"})
def _dot(first: Array, second: Array, weight: Array) -> float:
    total = 0.0
    for i in range(weight.shape[0]):
        total += weight[i] * first[i] * second[i]
    return total


@njit(cache=True, nogil=True)
def _orthonormal(time: Array, start: float, step: float, mean: Array, result: Array) -> None:
    """Fill orthonormal functions of the weights (f, rows, m) float32, by Gram–Schmidt.

    Also orthogonal to a constant; zero where the sampling makes them dependent.
    """
    count, n_rows, points = result.shape
    rows = np.empty((n_rows, points))
    first, turn = _wave(time, start), _wave(time, step)
    ones = np.ones(points)
    for k in range(count):
        _fill_waves(first, rows)
        for a in range(n_rows):
            before = _dot(rows[a], rows[a], mean)
            rows[a] -= _dot(rows[a], ones, mean)
            for b in range(a):
                rows[a] -= _dot(rows[a], rows[b], mean) * rows[b]
            left = _dot(rows[a], rows[a], mean)
            rows[a] *= 1.0 / np.sqrt(left) if left > DEPENDENT * before else 0.0
        result[k] = rows
        _turn(first, turn, first[0], first[1])


@njit(cache=True, nogil=True)
def _add_squares(projections: Array, power: Array) -> None:
    """Running sums of squares of (f, 2 N, n) into power (N, f, n)."""
    for h in range(power.shape[0]):
        for k in range(power.shape[1]):
            for j in range(power.shape[2]):
                c, s = projections[k, 2 * h, j], projections[k, 2 * h + 1, j]
                below = power[h - 1, k, j] if h > 0 else np.float32(0.0)
                power[h, k, j] = below + c * c + s * s


@njit(cache=True, nogil=True)
def _solve(sums: Array, rest: Array, right: Array, power: Array) -> None:
    """Power (N, f, n) from the normal equations of each star.

    sums (f, 4 N), rest (f, 4 N, n): sums of the waves under the mean weights, and what each star's
    weights add; right (f, 2 N, n): sums of wave times flux. Stars are the innermost index.
    """
    terms, n = right.shape[1] + 1, right.shape[2]
    normal = np.empty((terms, terms, n))
    forward = np.empty((terms, n))
    wave = np.empty((sums.shape[1] + 2, n))
    for k in range(right.shape[0]):
        wave[0], wave[1] = 1.0, 0.0
        for row in range(sums.shape[1]):
            for j in range(n):
                wave[row + 2, j] = sums[k, row] + rest[k, row, j]
        _normal_matrices(wave, normal)
        forward[0] = 0.0
        forward[1:] = right[k]
        _forward(normal, forward)
        for h in range(power.shape[0]):
            for j in range(n):
                below = power[h - 1, k, j] if h > 0 else np.float32(0.0)
                power[h, k, j] = below + forward[2 * h + 1, j] ** 2 + forward[2 * h + 2, j] ** 2


@njit(cache=True, nogil=True)
def _normal_matrices(wave: Array, normal: Array) -> None:
    """Lower halves (terms, terms, n) for 1, cos, sin, cos 2 … from sums of single waves."""
    for a in range(normal.shape[0]):
        ha, sine_a = (a + 1) // 2, a % 2 == 0 and a > 0
        for b in range(a + 1):
            hb, sine_b = (b + 1) // 2, b % 2 == 0 and b > 0
            part = 1 if sine_a != sine_b else 0
            up, down = wave[2 * (ha + hb) + part], wave[2 * (ha - hb) + part]
            # cos cos: up + down; sin sin: down - up; sin cos: up + down; cos sin: up - down
            sign_up = -0.5 if sine_a and sine_b else 0.5
            sign_down = -0.5 if sine_b and not sine_a else 0.5
            for j in range(normal.shape[2]):
                normal[a, b, j] = sign_up * up[j] + sign_down * down[j]


@njit(cache=True, nogil=True, error_model="numpy")
def _forward(normal: Array, right: Array) -> None:
    """Cholesky factors into ``normal`` and forward solutions into ``right``, in place."""
    terms, n = right.shape
    for a in range(terms):
        for b in range(a):
            for c in range(b):
                for j in range(n):
                    normal[a, b, j] -= normal[a, c, j] * normal[b, c, j]
            for j in range(n):
                normal[a, b, j] *= normal[b, b, j]  # the diagonal holds its inverse
                right[a, j] -= normal[a, b, j] * right[b, j]
        for j in range(n):
            left = normal[a, a, j]
            for b in range(a):
                left -= normal[a, b, j] ** 2
            good = left > DEPENDENT * normal[a, a, j]
            inverse = 1.0 / np.sqrt(left) if good else 0.0
            normal[a, a, j] = inverse
            right[a, j] *= inverse
