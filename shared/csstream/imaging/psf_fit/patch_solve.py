"""Compiled kernels of the PSF fit: the small least-squares problem around each bright star.

Of a patch's members (see :mod:`csstream.imaging.psf_fit.patch_light`) the *free* ones, the bright
star first, have their flux and position fitted along, as has a constant sky. What remains for the
PSF's modes is their normal matrix with all those projected out.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt
from numba import njit

from csstream.imaging.psf.star_light import add_modes, add_star, fill_star, local_table
from csstream.imaging.psf_fit.patch_light import Members, Optics

Float = npt.NDArray[np.float64]
Int = npt.NDArray[np.int64]

MODE_SHARE = 0.02  # of the bright star's flux: a fainter member's modes do not matter


@njit(cache=True, nogil=True)
def solve_patches(
    bare: Float,
    weights: Float,
    optics: Optics,
    modes: Float,
    anchor_x: Int,
    anchor_y: Int,
    members: Members,
    free: Int,
    tolerance: float,
    sky_prior: float,
    normal: Float,
    gradient: Float,
    quality: Float,
    own: Float,
    by_mode: Float,
) -> None:
    """Write each patch's normal equations for the modes, its members projected out.

    Parameters
    ----------
    modes : (K, K, q)
        Coefficients of the modes' tables.
    free : (n,)
        Number of free members of each patch; they come first.
    tolerance : float
        Relative error of the bright star's profile beyond the noise: pixels further off than
        four times both count less (Huber 1964).
    sky_prior : float
        Sigma of the patch's constant in units of its noise per pixel.
    normal, gradient : (n, q, q), (n, q)
        Written.
    quality : (n, 4)
        Written: chi2, degrees of freedom, Σ weight (flux × profile)², largest weight.
    own, by_mode : (members, 3), (members, 3, q)
        Written: step of a free member's flux, x, y; what one unit of each mode takes from it.
    """
    n, side, q = bare.shape[0], bare.shape[1], modes.shape[2]
    half, pixels = side // 2, side * side
    terms, field, step, centre = optics
    start, x, y, flux = members
    table, star = np.empty(terms.shape[1:]), np.empty((3, side, side))
    for k in range(n):
        left, low = anchor_x[k] - half, anchor_y[k] - half
        count, first = free[k], start[k]
        unknown = 3 * count + 1
        slopes, changes = np.empty((pixels, unknown)), np.zeros((pixels, q))
        left_over = bare[k].copy()
        rest, weight = left_over.ravel(), weights[k].copy().ravel()
        if k == 0 or terms.shape[0] > 1:
            local_table(terms, field[k], table)
        for m in range(first, start[k + 1]):
            if m - first < count:
                fill_star(table, step, centre, left - x[m], low - y[m], star)
                _note_slopes(star, flux[m], 3 * (m - first), rest, slopes)
            else:
                add_star(table, step, centre, left - x[m], low - y[m], -flux[m], left_over)
            if m == first or flux[m] > MODE_SHARE * flux[first]:
                add_modes(modes, step, centre, left - x[m], low - y[m], flux[m], side, changes)
        slopes[:, unknown - 1] = 1.0
        _soften(rest, weight, flux[first] * slopes[:, 0], tolerance)
        quality[k] = _quality(rest, weight, flux[first] * slopes[:, 0])
        inner = _squared(slopes, weight)
        for m in range(count):
            inner[3 * m, 3 * m] *= 1.0 + 1e-6
            inner[3 * m, 3 * m] += 1e-12
            inner[3 * m + 1, 3 * m + 1] += 100.0
            inner[3 * m + 2, 3 * m + 2] += 100.0
        inner[unknown - 1, unknown - 1] += quality[k, 3] / (sky_prior * sky_prior)
        mixed = _weighted(slopes, changes, weight)
        pulled = _weighted(slopes, rest.reshape(-1, 1), weight)
        both = np.empty((unknown, q + 1))
        both[:, :q], both[:, q:] = mixed, pulled
        solution = _solve(inner, both)
        normal[k] = _squared(changes, weight)
        gradient[k] = _weighted(changes, rest.reshape(-1, 1), weight)[:, 0]
        for u in range(unknown):
            for a in range(q):
                gradient[k, a] -= mixed[u, a] * solution[u, q]
                for b in range(q):
                    normal[k, a, b] -= mixed[u, a] * solution[u, b]
        quality[k, 0] -= np.sum(pulled[:, 0] * solution[:, q])
        quality[k, 1] -= unknown
        for m in range(count):
            own[first + m] = solution[3 * m : 3 * m + 3, q]
            by_mode[first + m] = solution[3 * m : 3 * m + 3, :q]


@njit(cache=True, nogil=True)
def _note_slopes(star: Any, flux: float, at: int, rest: Any, slopes: Any) -> None:
    """Take a star from ``rest`` and write its three columns of ``slopes``."""
    side, scale = star.shape[1], max(flux, 0.0)
    for j in range(side):
        for i in range(side):
            p = j * side + i
            rest[p] -= flux * star[0, j, i]
            slopes[p, at] = star[0, j, i]
            slopes[p, at + 1] = scale * star[1, j, i]
            slopes[p, at + 2] = scale * star[2, j, i]


@njit(cache=True, nogil=True)
def _soften(rest: Any, weight: Any, profile: Any, tolerance: float) -> None:
    for p in range(rest.size):
        if weight[p] > 0.0:
            size = math.sqrt(1.0 / weight[p] + (tolerance * profile[p]) ** 2)
            pull = abs(rest[p]) / (4.0 * size)
            if pull > 1.0:
                weight[p] /= pull


@njit(cache=True, nogil=True)
def _quality(rest: Any, weight: Any, profile: Any) -> Any:
    out = np.zeros(4)
    for p in range(rest.size):
        out[0] += weight[p] * rest[p] * rest[p]
        out[1] += 1.0 if weight[p] > 0.0 else 0.0
        out[2] += weight[p] * profile[p] * profile[p]
        out[3] = max(out[3], weight[p])
    return out


@njit(cache=True, nogil=True)
def _weighted(a: Any, b: Any, weight: Any) -> Any:
    """Return aᵀ diag(weight) b, summed in the order of the pixels."""
    out = np.zeros((a.shape[1], b.shape[1]))
    for p in range(weight.size):
        if weight[p] > 0.0:
            for i in range(a.shape[1]):
                scale = weight[p] * a[p, i]
                if scale != 0.0:
                    for j in range(b.shape[1]):
                        out[i, j] += scale * b[p, j]
    return out


@njit(cache=True, nogil=True)
def _squared(a: Any, weight: Any) -> Any:
    """Return aᵀ diag(weight) a, summed in the order of the pixels."""
    n = a.shape[1]
    out = np.zeros((n, n))
    for p in range(weight.size):
        if weight[p] > 0.0:
            for i in range(n):
                scale = weight[p] * a[p, i]
                if scale != 0.0:
                    for j in range(i, n):
                        out[i, j] += scale * a[p, j]
    for i in range(n):
        for j in range(i):
            out[i, j] = out[j, i]
    return out


@njit(cache=True, nogil=True)
def _solve(matrix: Any, right: Any) -> Any:
    """Solve a positive definite system by Cholesky; a vanishing pivot switches its unknown off."""
    n, q = right.shape
    scale = np.empty(n)
    for i in range(n):
        scale[i] = 1.0 / math.sqrt(matrix[i, i]) if matrix[i, i] > 0.0 else 0.0
    low, out = np.zeros((n, n)), np.empty((n, q))
    for j in range(n):
        pivot = 1.0 + 1e-9
        for k in range(j):
            pivot -= low[j, k] * low[j, k]
        good = pivot > 1e-8 and scale[j] > 0.0
        low[j, j] = math.sqrt(pivot) if good else 1e12
        for i in range(j + 1, n):
            value = matrix[i, j] * scale[i] * scale[j]
            for k in range(j):
                value -= low[i, k] * low[j, k]
            low[i, j] = value / low[j, j]
    for i in range(n):
        out[i] = scale[i] * right[i]
        for k in range(i):
            out[i] -= low[i, k] * out[k]
        out[i] /= low[i, i]
    for i in range(n - 1, -1, -1):
        for k in range(i + 1, n):
            out[i] -= low[k, i] * out[k]
        out[i] /= low[i, i]
    for i in range(n):
        out[i] *= scale[i]
    return out
