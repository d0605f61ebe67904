"""Compiled kernels of the joint fit that touch pixels: stamps, wings, residual, quality.

Every star has a square *fit stamp* anchored at a whole pixel. Its unit response and the
derivatives by position lie one after the other in ``stamps`` (3, total) at ``offset[k]``. Loops
run in the order of the stars: results are the same on every run.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
from numba import njit

from csstream.imaging.psf_kernels import spline_slopes, spline_weights

Float = npt.NDArray[np.float64]
Single = npt.NDArray[np.float32]
Int = npt.NDArray[np.int64]


@njit(cache=True, nogil=True)
def fill_stamps(
    planes: Single,
    oversampling: int,
    centre: int,
    x: Float,
    y: Float,
    anchor_x: Int,
    anchor_y: Int,
    half: Int,
    offset: Int,
    stamps: Single,
) -> None:
    """Write each star's response and its slopes by the star's position to ``stamps`` (3, total).

    ``planes`` are the polyphase planes of :class:`csstream.imaging.psf.PixelPsf`, in single
    precision: four taps of a row are then four contiguous streams.
    """
    s = oversampling
    wx, wy, dx, dy = np.empty(4), np.empty(4), np.empty(4), np.empty(4)
    for k in range(x.size):
        h = half[k]
        side = 2 * h + 1
        u = (anchor_x[k] - h - x[k]) * s + centre
        v = (anchor_y[k] - h - y[k]) * s + centre
        i0, j0 = math.floor(u) - 1, math.floor(v) - 1
        spline_weights(u - i0 - 1, wx)
        spline_weights(v - j0 - 1, wy)
        spline_slopes(u - i0 - 1, dx)
        spline_slopes(v - j0 - 1, dy)
        w0, w1, w2, w3 = np.float32(wx[0]), np.float32(wx[1]), np.float32(wx[2]), np.float32(wx[3])
        d0, d1 = np.float32(-s * dx[0]), np.float32(-s * dx[1])
        d2, d3 = np.float32(-s * dx[2]), np.float32(-s * dx[3])
        for j in range(side):
            at = offset[k] + j * side
            value, by_x, by_y = (
                stamps[0, at : at + side],
                stamps[1, at : at + side],
                stamps[2, at : at + side],
            )
            value[:] = np.float32(0.0)
            by_x[:] = np.float32(0.0)
            by_y[:] = np.float32(0.0)
            for b in range(4):
                phase, row = (j0 + b) % s, (j0 + b) // s + j
                t0 = planes[phase, i0 % s, row, i0 // s : i0 // s + side]
                t1 = planes[phase, (i0 + 1) % s, row, (i0 + 1) // s : (i0 + 1) // s + side]
                t2 = planes[phase, (i0 + 2) % s, row, (i0 + 2) // s : (i0 + 2) // s + side]
                t3 = planes[phase, (i0 + 3) % s, row, (i0 + 3) // s : (i0 + 3) // s + side]
                weight, slope = np.float32(wy[b]), np.float32(-s * dy[b])
                for i in range(side):
                    line = w0 * t0[i] + w1 * t1[i] + w2 * t2[i] + w3 * t3[i]
                    value[i] += weight * line
                    by_y[i] += slope * line
                    by_x[i] += weight * (d0 * t0[i] + d1 * t1[i] + d2 * t2[i] + d3 * t3[i])


@njit(cache=True, nogil=True)
def render_wide(
    image: Single,
    planes: Single,
    oversampling: int,
    centre: int,
    x: Float,
    y: Float,
    flux: Float,
    half: Int,
) -> None:
    """Add stars with stamps of half-width ``half`` to ``image``; at most the table's."""
    ny, nx = image.shape
    s = oversampling
    wx, wy = np.empty(4), np.empty(4)
    for k in range(x.size):
        cx, cy, h = round(x[k]), round(y[k]), half[k]
        x_low, x_high = max(cx - h, 0), min(cx + h + 1, nx)
        y_low, y_high = max(cy - h, 0), min(cy + h + 1, ny)
        n = x_high - x_low
        if n <= 0 or y_low >= y_high:
            continue
        u, v = (x_low - x[k]) * s + centre, (y_low - y[k]) * s + centre
        i0, j0 = math.floor(u) - 1, math.floor(v) - 1
        spline_weights(u - i0 - 1, wx)
        spline_weights(v - j0 - 1, wy)
        for j in range(y_high - y_low):
            target = image[y_low + j, x_low:x_high]
            for b in range(4):
                phase, row = (j0 + b) % s, (j0 + b) // s + j
                t0 = planes[phase, i0 % s, row, i0 // s : i0 // s + n]
                t1 = planes[phase, (i0 + 1) % s, row, (i0 + 1) // s : (i0 + 1) // s + n]
                t2 = planes[phase, (i0 + 2) % s, row, (i0 + 2) // s : (i0 + 2) // s + n]
                t3 = planes[phase, (i0 + 3) % s, row, (i0 + 3) // s : (i0 + 3) // s + n]
                f = flux[k] * wy[b]
                w0, w1 = np.float32(f * wx[0]), np.float32(f * wx[1])
                w2, w3 = np.float32(f * wx[2]), np.float32(f * wx[3])
                for i in range(n):
                    target[i] += w0 * t0[i] + w1 * t1[i] + w2 * t2[i] + w3 * t3[i]


@njit(cache=True, nogil=True)
def add_stamps(
    model: Single,
    flux: Float,
    anchor_x: Int,
    anchor_y: Int,
    half: Int,
    offset: Int,
    stamps: Single,
) -> None:
    """Add stars to ``model`` from their stamps."""
    ny, nx = model.shape
    for k in range(flux.size):
        h = half[k]
        f = np.float32(flux[k])
        x_low, x_high = max(anchor_x[k] - h, 0), min(anchor_x[k] + h + 1, nx)
        for j in range(max(anchor_y[k] - h, 0), min(anchor_y[k] + h + 1, ny)):
            base = offset[k] + (j - anchor_y[k] + h) * (2 * h + 1) - anchor_x[k] + h
            for i in range(x_low, x_high):
                model[j, i] += f * stamps[0, base + i]


@njit(cache=True, nogil=True)
def residual_and_weight(
    image: Single,
    mask: npt.NDArray[np.bool_],
    background: Single,
    model: Single,
    noise2: float,
    psf_error: float,
    residual: Single,
    weight: Single,
) -> None:
    """Write image − sky − stars, and one over the variance (zero where masked)."""
    ny, nx = image.shape
    for j in range(ny):
        for i in range(nx):
            stars = max(model[j, i], np.float32(0.0))
            sky = background[j, i]
            residual[j, i] = image[j, i] - sky - model[j, i]
            variance = max(sky, np.float32(0.0)) + stars + noise2 + (psf_error * stars) ** 2
            weight[j, i] = 0.0 if mask[j, i] else 1.0 / variance


@njit(cache=True, nogil=True)
def star_quality(
    residual: Single,
    model: Single,
    weight: Single,
    flux: Float,
    anchor_x: Int,
    anchor_y: Int,
    half: Int,
    offset: Int,
    stamps: Single,
    core: float,
    quality: Float,
) -> None:
    """Write (n, 4), what tells how far each star can be trusted.

    Columns: mean chi2 of a pixel in the core; largest positive residual at the centre [sigma];
    light of other stars that the fit had to tell apart [flux]; unmasked share of the information.
    ``model`` holds the stars without background; ``core`` is a radius [pixel].
    """
    ny, nx = residual.shape
    for k in range(flux.size):
        h = half[k]
        side = 2 * h + 1
        chi, used, mixed, seen, whole = 0.0, 0, 0.0, 0.0, 0.0
        centre = 0.0
        for j in range(anchor_y[k] - h, anchor_y[k] + h + 1):
            base = offset[k] + (j - anchor_y[k] + h) * side - anchor_x[k] + h
            for i in range(anchor_x[k] - h, anchor_x[k] + h + 1):
                p = stamps[0, base + i]
                whole += p * p
                if j < 0 or j >= ny or i < 0 or i >= nx or weight[j, i] <= 0.0:
                    continue
                w = weight[j, i]
                seen += p * p
                mixed += p * (model[j, i] - flux[k] * p)
                r2 = (j - anchor_y[k]) ** 2 + (i - anchor_x[k]) ** 2
                if r2 <= core * core:
                    chi += w * residual[j, i] ** 2
                    used += 1
                if r2 <= 2 and residual[j, i] * math.sqrt(w) > centre:
                    centre = residual[j, i] * math.sqrt(w)
        quality[k, 0] = chi / used if used else np.nan
        quality[k, 1] = centre
        quality[k, 2] = mixed / seen if seen > 0.0 else 0.0
        quality[k, 3] = seen / whole if whole > 0.0 else 0.0
