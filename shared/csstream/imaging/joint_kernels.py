"""Compiled kernels of the joint fit that touch pixels: stamps, wings, residual, weights.

Every star has a square *fit stamp* anchored at a whole pixel: its unit response and the
derivatives by its position, three planes of rows that are padded with zeros to whole
:data:`~csstream.imaging.simd.LANES`. Images have a margin wide enough that no stamp crosses their
edge, and all positions count from its corner. Kernels work on the stars ``[low, high)`` or on the
rows ``[low, high)``, in the order of the stars: however the work is split, sums are the same.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from numba import njit

from csstream.imaging.psf_kernels import spline_slopes, spline_weights
from csstream.imaging.simd import LANES, add_product, load, spread, store, times

Float = npt.NDArray[np.float64]
Single = npt.NDArray[np.float32]
Int = npt.NDArray[np.int64]


class Places(NamedTuple):
    """Where the stamps are: anchor (n,) [pixel], half-width (n,) [pixel], start in ``stamps``."""

    x: Int
    y: Int
    half: Int
    offset: Int  # (n + 1,)


def row_width(half: Any) -> Any:
    """Return the padded length of a row of a stamp."""
    return (2 * half + LANES) // LANES * LANES


_row_width = njit(inline="always")(row_width)


@njit(cache=True, nogil=True)
def fill_stamps(
    table: Any, mix: Float, x: Float, y: Float, places: Places, stamps: Any, low: int, high: int
) -> None:
    """Write each star's response and its slopes by the star's position to ``stamps``.

    ``table`` is a :class:`~csstream.imaging.stamp_tables.Table`, ``mix`` (n, terms) what each
    star takes of its terms.
    """
    s, terms = table.oversampling, table.values.shape[0]
    rows, columns = table.values.shape[3], table.values.shape[4]
    wx, wy, dx, dy = np.empty(4), np.empty(4), np.empty(4), np.empty(4)
    start, own = np.empty(16, np.int64), np.empty(16, np.int64)
    widest = _row_width(places.half.max()) if places.half.size else 0
    mixed = np.empty(16 * widest * widest, stamps.dtype)
    keep = np.zeros(widest, stamps.dtype)
    for k in range(low, high):
        h = places.half[k]
        side, width = 2 * h + 1, _row_width(h)
        u = (places.x[k] - h - x[k]) * s + table.centre
        v = (places.y[k] - h - y[k]) * s + table.centre
        i0, j0 = math.floor(u) - 1, math.floor(v) - 1
        spline_weights(u - i0 - 1, wx)
        spline_weights(v - j0 - 1, wy)
        spline_slopes(u - i0 - 1, dx)
        spline_slopes(v - j0 - 1, dy)
        for b in range(4):
            for a in range(4):
                plane = ((j0 + b) % s) * s + (i0 + a) % s
                start[4 * b + a] = (plane * rows + (j0 + b) // s) * columns + (i0 + a) // s
                own[4 * b + a] = (4 * b + a) * side * width
        keep[:side], keep[side:] = 1.0, 0.0
        at = places.offset[k]
        if terms == 1:
            _interpolate(
                table.values, start, columns, side, width, s, wx, wy, dx, dy, keep, stamps, at
            )
        else:
            _mix(table.values, mix[k], start, columns, side, width, mixed)
            _interpolate(mixed, own, width, side, width, s, wx, wy, dx, dy, keep, stamps, at)


@njit(cache=True, nogil=True)
def _mix(values: Any, mix: Any, start: Int, stride: int, side: int, width: int, mixed: Any) -> None:
    """Add up the terms for one star, on the taps that it takes."""
    term = values.size // values.shape[0]
    for tap in range(16):
        to = tap * side * width
        for j in range(side):
            for c in range(0, width, LANES):
                at = start[tap] + j * stride + c
                taken = times(spread(mixed, mix[0]), load(values, at))
                for k in range(1, mix.size):
                    taken = add_product(taken, spread(mixed, mix[k]), load(values, at + k * term))
                store(mixed, to + j * width + c, taken)


@njit(cache=True, nogil=True)
def _interpolate(
    source: Any,
    start: Int,
    stride: int,
    side: int,
    width: int,
    s: int,
    wx: Float,
    wy: Float,
    dx: Float,
    dy: Float,
    keep: Any,
    stamps: Any,
    offset: int,
) -> None:
    """Write one star's three planes from its sixteen taps."""
    size = side * width
    w0, w1, w2, w3 = (
        spread(stamps, wx[0]),
        spread(stamps, wx[1]),
        spread(stamps, wx[2]),
        spread(stamps, wx[3]),
    )
    d0, d1, d2, d3 = (
        spread(stamps, -s * dx[0]),
        spread(stamps, -s * dx[1]),
        spread(stamps, -s * dx[2]),
        spread(stamps, -s * dx[3]),
    )
    for j in range(side):
        for c in range(0, width, LANES):
            value, by_x, by_y = spread(stamps, 0.0), spread(stamps, 0.0), spread(stamps, 0.0)
            for b in range(4):
                at = j * stride + c
                t0, t1 = load(source, start[4 * b] + at), load(source, start[4 * b + 1] + at)
                t2, t3 = load(source, start[4 * b + 2] + at), load(source, start[4 * b + 3] + at)
                line = add_product(add_product(add_product(times(w0, t0), w1, t1), w2, t2), w3, t3)
                slope = add_product(add_product(add_product(times(d0, t0), d1, t1), d2, t2), d3, t3)
                weight = spread(stamps, wy[b])
                value = add_product(value, weight, line)
                by_x = add_product(by_x, weight, slope)
                by_y = add_product(by_y, spread(stamps, -s * dy[b]), line)
            inside, to = load(keep, c), offset + j * width + c
            store(stamps, to, times(inside, value))
            store(stamps, to + size, times(inside, by_x))
            store(stamps, to + 2 * size, times(inside, by_y))


@njit(cache=True, nogil=True)
def add_stamps(
    model: Any,
    flux: Float,
    places: Places,
    stamps: Any,
    first: int,
    last: int,
    low: int,
    high: int,
) -> None:
    """Add the stars ``[first, last)`` to the rows ``[low, high)`` of ``model``."""
    nx = model.shape[1]
    for k in range(first, last):
        h = places.half[k]
        width = _row_width(h)
        top, f = places.y[k] - h, spread(model, flux[k])
        for j in range(max(top, low), min(top + 2 * h + 1, high)):
            to, at = j * nx + places.x[k] - h, places.offset[k] + (j - top) * width
            for c in range(0, width, LANES):
                store(model, to + c, add_product(load(model, to + c), f, load(stamps, at + c)))


@njit(cache=True, nogil=True)
def render_wings(
    image: Any,
    table: Any,
    which: Int,
    x: Float,
    y: Float,
    flux: Float,
    anchor_x: Int,
    anchor_y: Int,
    half: Int,
    hole: Int,
    first: int,
    last: int,
    low: int,
    high: int,
) -> None:
    """Add what the stars ``[first, last)`` shed beyond their fit stamps to rows ``[low, high)``.

    Stamps of half-width ``half`` around the anchor, without a hole of half-width ``hole``
    (-1: none) around it. ``which`` picks the star's PSF.
    """
    nx, s = image.shape[1], table.oversampling
    rows, columns = table.values.shape[3], table.values.shape[4]
    wx, wy = np.empty(4), np.empty(4)
    start, weight = np.empty(16, np.int64), np.empty(16)
    for k in range(first, last):
        cx, cy, h = anchor_x[k], anchor_y[k], half[k]
        top, bottom = max(cy - h, low), min(cy + h + 1, high)
        if top >= bottom or cx + h < 0 or cx - h >= nx:
            continue
        left, right = cx - hole[k], cx + hole[k] + 1
        begin = left - (left - cx + h + LANES - 1) // LANES * LANES
        u, v = (begin - x[k]) * s + table.centre, (cy - y[k]) * s + table.centre
        i0, j0 = math.floor(u) - 1, math.floor(v) - 1
        spline_weights(u - i0 - 1, wx)
        spline_weights(v - j0 - 1, wy)
        for b in range(4):
            for a in range(4):
                plane = (which[k] * s + (j0 + b) % s) * s + (i0 + a) % s
                start[4 * b + a] = (plane * rows + (j0 + b) // s) * columns + (i0 + a) // s
                weight[4 * b + a] = flux[k] * wy[b] * wx[a]
        for j in range(top, bottom):
            line = (j - cy) * columns - begin
            if abs(j - cy) <= hole[k]:
                _wing_row(image, j * nx, nx, begin, left, table.values, start, line, weight)
                _wing_row(image, j * nx, nx, right, cx + h + 1, table.values, start, line, weight)
            else:
                _wing_row(image, j * nx, nx, begin, cx + h + 1, table.values, start, line, weight)


@njit(cache=True, nogil=True)
def _wing_row(
    image: Any,
    to: int,
    nx: int,
    begin: int,
    end: int,
    values: Any,
    start: Int,
    line: int,
    weight: Float,
) -> None:
    """Add one row's pixels from ``begin`` to ``end``, or to the lanes' end behind it."""
    first = begin + (max(-begin, 0) + LANES - 1) // LANES * LANES
    for i in range(first, min(end, nx - LANES + 1), LANES):
        sum_ = load(image, to + i)
        for tap in range(16):
            sum_ = add_product(
                sum_, spread(image, weight[tap]), load(values, start[tap] + line + i)
            )
        store(image, to + i, sum_)


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
    low: int,
    high: int,
) -> None:
    """Write image − sky − stars, and one over the variance (zero where masked).

    Rows ``[low, high)`` of the image; ``model``, ``residual`` and ``weight`` have a margin.
    """
    ny, nx = image.shape
    margin_y, margin_x = (model.shape[0] - ny) // 2, (model.shape[1] - nx) // 2
    extra, square = np.float32(noise2), np.float32(psf_error * psf_error)
    none, one = np.float32(0.0), np.float32(1.0)
    for j in range(low, high):
        pixels, sky, bad = image[j], background[j], mask[j]
        stars = model[j + margin_y, margin_x : margin_x + nx]
        out = residual[j + margin_y, margin_x : margin_x + nx]
        inverse = weight[j + margin_y, margin_x : margin_x + nx]
        for i in range(nx):
            light = max(stars[i], none)
            out[i] = none if bad[i] else pixels[i] - sky[i] - stars[i]
            variance = max(sky[i], none) + light + extra + square * light * light
            inverse[i] = none if bad[i] else one / variance


@njit(cache=True, nogil=True)
def scale_weight(weight: Single, noise_scale: Single, low: int, high: int) -> None:
    """Divide the weight of rows ``[low, high)`` of the image by the square of ``noise_scale``."""
    ny, nx = noise_scale.shape
    margin_y, margin_x = (weight.shape[0] - ny) // 2, (weight.shape[1] - nx) // 2
    for j in range(low, high):
        row, factor = weight[j + margin_y, margin_x : margin_x + nx], noise_scale[j]
        for i in range(nx):
            row[i] /= factor[i] * factor[i]
