"""Compiled kernels of one star's light, from a table of B-spline coefficients in double precision.

Offsets ``left`` and ``low`` are those of the square's first pixel from the star [pixel]. Beyond the
table's edge a star is dark. The joint fit has its own, faster ones
(:mod:`csstream.imaging.fit.stamp_kernels`).
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt
from numba import njit

from csstream.imaging.psf.kernels import spline_slopes, spline_weights

Float = npt.NDArray[np.float64]


@njit(cache=True, nogil=True)
def local_table(terms: Float, weights: Float, table: Float) -> None:
    """Write Σ weights[t] terms[t], the PSF at one place of the field, to ``table`` (K, K)."""
    table[:] = weights[0] * terms[0]
    for t in range(1, terms.shape[0]):
        table += weights[t] * terms[t]


@njit(cache=True, nogil=True)
def _span(origin: int, step: int, size: int, side: int) -> tuple[int, int]:
    """Range of pixels whose four taps, from ``origin`` in steps of ``step``, lie in a table."""
    low = 0 if origin >= 0 else (-origin + step - 1) // step
    high = (size - 4 - origin) // step + 1
    return min(low, side), max(min(high, side), min(low, side))


@njit(cache=True, nogil=True)
def _taps(
    step: int, centre: int, size: int, left: float, low: float, side: int, wx: Float, wy: Float
) -> tuple[int, int, int, int, int, int, float, float]:
    """Write the spline's weights; return the first taps, the pixels within reach, the fractions.

    As i0, j0, first and last column, first and last row, fraction along x and y.
    """
    u, v = left * step + centre, low * step + centre
    i0, j0 = math.floor(u) - 1, math.floor(v) - 1
    s, t = u - i0 - 1, v - j0 - 1
    spline_weights(s, wx)
    spline_weights(t, wy)
    first, last = _span(i0, step, size, side)
    bottom, top = _span(j0, step, size, side)
    return i0, j0, first, last, bottom, top, s, t


@njit(cache=True, nogil=True)
def fill_star(table: Float, step: int, centre: int, left: float, low: float, out: Float) -> None:
    """Write a star's response and its slopes by position to ``out`` (3, side, side)."""
    wx, wy, sx, sy = np.empty(4), np.empty(4), np.empty(4), np.empty(4)
    i0, j0, first, last, bottom, top, s, t = _taps(
        step, centre, table.shape[0], left, low, out.shape[1], wx, wy
    )
    spline_slopes(s, sx)
    spline_slopes(t, sy)
    out[:] = 0.0
    for j in range(bottom, top):
        for b in range(4):
            taps = table[j0 + j * step + b]
            weight, slope = wy[b], -step * sy[b]
            for i in range(first, last):
                at = i0 + i * step
                c0, c1, c2, c3 = taps[at], taps[at + 1], taps[at + 2], taps[at + 3]
                line = wx[0] * c0 + wx[1] * c1 + wx[2] * c2 + wx[3] * c3
                out[0, j, i] += weight * line
                out[1, j, i] -= weight * step * (sx[0] * c0 + sx[1] * c1 + sx[2] * c2 + sx[3] * c3)
                out[2, j, i] += slope * line


@njit(cache=True, nogil=True)
def add_star(
    table: Float, step: int, centre: int, left: float, low: float, flux: float, out: Float
) -> None:
    """Add a star's light to ``out`` (side, side)."""
    wx, wy = np.empty(4), np.empty(4)
    i0, j0, first, last, bottom, top, _, _ = _taps(
        step, centre, table.shape[0], left, low, out.shape[0], wx, wy
    )
    for j in range(bottom, top):
        for b in range(4):
            taps = table[j0 + j * step + b]
            f = flux * wy[b]
            w0, w1, w2, w3 = f * wx[0], f * wx[1], f * wx[2], f * wx[3]
            for i in range(first, last):
                at = i0 + i * step
                line = w0 * taps[at] + w1 * taps[at + 1] + w2 * taps[at + 2] + w3 * taps[at + 3]
                out[j, i] += line


@njit(cache=True, nogil=True)
def add_modes(
    modes: Float, step: int, centre: int, left: float, low: float, flux: float, side: int, out: Any
) -> None:
    """Add a star's modes, from coefficients (K, K, q), to ``out`` (side², q)."""
    wx, wy = np.empty(4), np.empty(4)
    i0, j0, first, last, bottom, top, _, _ = _taps(
        step, centre, modes.shape[0], left, low, side, wx, wy
    )
    for j in range(bottom, top):
        for i in range(first, last):
            target = out[j * side + i]
            for b in range(4):
                row = modes[j0 + j * step + b]
                for a in range(4):
                    weight = flux * wy[b] * wx[a]
                    taps = row[i0 + i * step + a]
                    for m in range(modes.shape[2]):
                        target[m] += weight * taps[m]
