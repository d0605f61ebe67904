"""Compiled kernels of the spline PSF: single points, a star's stamp with slopes, whole images.

They take the parts of a :class:`csstream.imaging.psf.pixel_psf.PixelPsf`: ``coefficients`` or
``planes``, ``oversampling`` and ``centre``. A star's stamp must lie within the table's half-width.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
from numba import njit

Float = npt.NDArray[np.float64]


@njit(cache=True, nogil=True, inline="always")
def spline_weights(t: float, w: Float) -> None:
    """Write the four cubic B-spline weights at fraction ``t`` in [0, 1) to ``w``."""
    s = 1.0 - t
    w[0] = s * s * s / 6.0
    w[1] = (4.0 - 6.0 * t * t + 3.0 * t * t * t) / 6.0
    w[2] = (4.0 - 6.0 * s * s + 3.0 * s * s * s) / 6.0
    w[3] = t * t * t / 6.0


@njit(cache=True, nogil=True, inline="always")
def spline_slopes(t: float, w: Float) -> None:
    """Write the derivatives of :func:`spline_weights` with respect to ``t`` to ``w``."""
    s = 1.0 - t
    w[0] = -0.5 * s * s
    w[1] = -2.0 * t + 1.5 * t * t
    w[2] = 2.0 * s - 1.5 * s * s
    w[3] = 0.5 * t * t


@njit(cache=True, nogil=True)
def evaluate_with_gradient(
    coefficients: Float, oversampling: int, centre: int, dx: float, dy: float
) -> tuple[float, float, float]:
    """Return the response at one offset and its derivatives by ``dx`` and ``dy`` [1/pixel]."""
    u = dx * oversampling + centre
    v = dy * oversampling + centre
    i = math.floor(u)
    j = math.floor(v)
    n = coefficients.shape[0]
    if i < 1 or j < 1 or i + 2 >= n or j + 2 >= n:
        return 0.0, 0.0, 0.0
    wx, wy, sx, sy = np.empty(4), np.empty(4), np.empty(4), np.empty(4)
    spline_weights(u - i, wx)
    spline_weights(v - j, wy)
    spline_slopes(u - i, sx)
    spline_slopes(v - j, sy)
    value, slope_x, slope_y = 0.0, 0.0, 0.0
    for b in range(4):
        row, row_slope = 0.0, 0.0
        for a in range(4):
            c = coefficients[j - 1 + b, i - 1 + a]
            row += wx[a] * c
            row_slope += sx[a] * c
        value += wy[b] * row
        slope_x += wy[b] * row_slope
        slope_y += sy[b] * row
    return value, slope_x * oversampling, slope_y * oversampling


@njit(cache=True, nogil=True)
def evaluate_points(
    coefficients: Float, oversampling: int, centre: int, dx: Float, dy: Float, out: Float
) -> None:
    """Write the response at each offset to ``out``; all (n,)."""
    n = coefficients.shape[0]
    wx, wy = np.empty(4), np.empty(4)
    for k in range(dx.size):
        u, v = dx[k] * oversampling + centre, dy[k] * oversampling + centre
        i, j = math.floor(u), math.floor(v)
        out[k] = 0.0
        if i < 1 or j < 1 or i + 2 >= n or j + 2 >= n:
            continue
        spline_weights(u - i, wx)
        spline_weights(v - j, wy)
        for b in range(4):
            line = coefficients[j - 1 + b]
            row = wx[0] * line[i - 1] + wx[1] * line[i] + wx[2] * line[i + 1] + wx[3] * line[i + 2]
            out[k] += wy[b] * row


@njit(cache=True, nogil=True, inline="always")
def _add_line(
    target: npt.NDArray[np.floating],
    lines: Float,
    oversampling: int,
    first: int,
    columns: int,
    weight: float,
    w: Float,
) -> None:
    """Add the four taps of one row of coefficients to one row of pixels."""
    s = oversampling
    # Slices start at the first tap: with indices that may be negative nothing is vectorised.
    a, b, c, d = (
        lines[first % s, first // s : first // s + columns],
        lines[(first + 1) % s, (first + 1) // s : (first + 1) // s + columns],
        lines[(first + 2) % s, (first + 2) // s : (first + 2) // s + columns],
        lines[(first + 3) % s, (first + 3) // s : (first + 3) // s + columns],
    )
    wa, wb, wc, wd = weight * w[0], weight * w[1], weight * w[2], weight * w[3]
    for i in range(columns):
        target[i] += wa * a[i] + wb * b[i] + wc * c[i] + wd * d[i]


@njit(cache=True, nogil=True)
def render_stars(
    image: npt.NDArray[np.floating],
    planes: Float,
    oversampling: int,
    centre: int,
    x: Float,
    y: Float,
    flux: Float,
    half_width: npt.NDArray[np.int64],
) -> None:
    """Add stars to ``image``, one after the other; arguments as :meth:`PixelPsf.render`."""
    ny, nx = image.shape
    s = oversampling
    wx, wy = np.empty(4), np.empty(4)
    for k in range(x.size):
        cx, cy, h = round(x[k]), round(y[k]), half_width[k]
        x_low, x_high = max(cx - h, 0), min(cx + h, nx - 1)
        y_low, y_high = max(cy - h, 0), min(cy + h, ny - 1)
        if x_low > x_high or y_low > y_high:
            continue
        u = (x_low - x[k]) * s + centre
        v = (y_low - y[k]) * s + centre
        i0, j0 = math.floor(u), math.floor(v)
        spline_weights(u - i0, wx)
        spline_weights(v - j0, wy)
        columns = x_high - x_low + 1
        for j in range(y_high - y_low + 1):
            target = image[y_low + j, x_low : x_high + 1]
            for b in range(4):
                row, weight = j0 - 1 + b, flux[k] * wy[b]
                lines = planes[row % s, :, row // s + j]
                _add_line(target, lines, s, i0 - 1, columns, weight, wx)
