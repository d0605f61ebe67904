"""Compiled kernels of the joint fit that touch images: model, wings, residual, weights.

Images have a margin wide enough that no fit stamp crosses their edge, and positions count from
its corner. Kernels work on the rows ``[low, high)``, in the order of the stars: however the work
is split, sums are the same.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt
from numba import njit

from csstream.imaging.fit.lanes import LANES, load, spread
from csstream.imaging.fit.stamp_kernels import (
    Field,
    Places,
    compiled_row_width,
    expand,
    keep_last,
    local_table,
    mix_terms,
    scratch,
    star_mix,
    taps,
)
from csstream.numerics.vectors import add_product, store, times

Float = npt.NDArray[np.float64]
Single = npt.NDArray[np.float32]
Int = npt.NDArray[np.int64]


@njit(cache=True, nogil=True)
def add_stars(
    model: Any,
    field: Field,
    x: Float,
    y: Float,
    flux: Float,
    places: Places,
    own: Int,
    first: int,
    last: int,
    low: int,
    high: int,
) -> None:
    """Add the stars of the tiles ``[first, last)`` to rows ``[low, high)``, in their fit stamps.

    Tile t owns the stars ``[own[t], own[t + 1])``.
    """
    local = local_table(field)
    work = scratch(local, places.half.max() if places.half.size else 0)
    everywhere = np.ones(LANES, model.dtype)
    for t in range(first, last):
        expanded = False
        for k in range(own[t], own[t + 1]):
            top = places.y[k] - places.half[k]
            if max(top, low) >= min(top + 2 * places.half[k] + 1, high):
                continue
            if not expanded:
                expand(field, t, local)
                expanded = True
            _add_star(model, field, local, t, x, y, flux, places, k, work, everywhere, low, high)


@njit(cache=True, nogil=True)
def _add_star(
    model: Any,
    field: Any,
    local: Any,
    tile: int,
    x: Any,
    y: Any,
    flux: Any,
    places: Any,
    k: int,
    work: Any,
    everywhere: Any,
    low: int,
    high: int,
) -> None:
    weights, start, mixed, keep, mix = work
    h, nx = places.half[k], model.shape[1]
    top, left, side, width = places.y[k] - h, places.x[k] - h, 2 * h + 1, compiled_row_width(h)
    taps(local, 0, left - x[k], top - y[k], weights, start)
    keep_last(keep, side)
    source, stride = local.values.reshape(-1), local.values.shape[4]
    if mix.size > 1:
        star_mix(field, tile, x[k], y[k], k, mix)
        mix_terms(local.values, mix, start, side, width, mixed)
        source, stride = mixed, width
    inner = width - LANES
    for j in range(max(top, low), min(top + side, high)):
        line, to = (j - top) * stride, j * nx + left
        _add_row(model, to, inner, source, start, line, weights, flux[k], everywhere)
        _add_row(model, to + inner, LANES, source, start, line + inner, weights, flux[k], keep)


@njit(cache=True, nogil=True)
def _add_row(
    image: Any,
    to: int,
    width: int,
    source: Any,
    start: Any,
    line: int,
    weights: Any,
    flux: float,
    keep: Any,
) -> None:
    """Add ``width`` pixels, whole lanes, of a star's row to ``image`` at ``to``."""
    w0, w1 = spread(image, weights[0, 0]), spread(image, weights[0, 1])
    w2, w3 = spread(image, weights[0, 2]), spread(image, weights[0, 3])
    f0, f1 = spread(image, flux * weights[1, 0]), spread(image, flux * weights[1, 1])
    f2, f3 = spread(image, flux * weights[1, 2]), spread(image, flux * weights[1, 3])
    inside = load(keep, 0)
    for i in range(0, width, LANES):
        light = times(f0, _line(source, start, 0, line + i, w0, w1, w2, w3))
        light = add_product(light, f1, _line(source, start, 4, line + i, w0, w1, w2, w3))
        light = add_product(light, f2, _line(source, start, 8, line + i, w0, w1, w2, w3))
        light = add_product(light, f3, _line(source, start, 12, line + i, w0, w1, w2, w3))
        store(image, to + i, add_product(load(image, to + i), inside, light))


@njit(cache=True, nogil=True, inline="always")
def _line(source: Any, start: Any, tap: int, at: int, w0: Any, w1: Any, w2: Any, w3: Any) -> Any:
    total = times(w0, load(source, start[tap] + at))
    total = add_product(total, w1, load(source, start[tap + 1] + at))
    total = add_product(total, w2, load(source, start[tap + 2] + at))
    return add_product(total, w3, load(source, start[tap + 3] + at))


@njit(cache=True, nogil=True)
def add_wings(
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

    Stamps of half-width ``half`` around the anchor, up to the lanes' end behind it, without a
    hole of half-width ``hole`` (-1: none). ``which`` picks the star's table: samples, between
    which wings are smooth enough to be interpolated linearly.
    """
    nx, s = image.shape[1], table.oversampling
    rows, stride = table.values.shape[3], table.values.shape[4]
    source, start, weights = table.values.reshape(-1), np.empty(4, np.int64), np.empty(4)
    for k in range(first, last):
        cx, cy, h = anchor_x[k], anchor_y[k], half[k]
        top, bottom = max(cy - h, low), min(cy + h + 1, high)
        if top >= bottom or cx + h < 0 or cx - h >= nx:
            continue
        left, right = cx - hole[k], cx + hole[k] + 1
        begin = left - _lanes(left - cx + h)
        u, v = (begin - x[k]) * s + table.centre, (cy - y[k]) * s + table.centre
        i0, j0 = math.floor(u), math.floor(v)
        for tap in range(4):
            i, j = i0 + tap % 2, j0 + tap // 2
            plane = (which[k] * s + j % s) * s + i % s
            start[tap] = (plane * rows + j // s) * stride + i // s
            weights[tap] = flux[k] * (1.0 - abs(u - i)) * (1.0 - abs(v - j))
        end = begin + min(_lanes(cx + h + 1 - begin), (nx - begin) // LANES * LANES)
        end_right = right + min(_lanes(cx + h + 1 - right), (nx - right) // LANES * LANES)
        # Whole lanes only, and only those that lie in the image.
        low_x, low_right = begin + _lanes(max(-begin, 0)), right + _lanes(max(-right, 0))
        for j in range(top, bottom):
            to, line = j * nx, (j - cy) * stride - begin
            if abs(j - cy) > hole[k]:
                _wing_row(image, to, low_x, end, source, start, line, weights)
            else:
                _wing_row(image, to, low_x, min(left, end), source, start, line, weights)
                _wing_row(image, to, low_right, end_right, source, start, line, weights)


@njit(cache=True, nogil=True)
def _wing_row(
    image: Any, to: int, begin: int, end: int, source: Any, start: Any, line: int, weights: Any
) -> None:
    """Add the pixels from ``begin`` to ``end``, whole lanes, of one row."""
    w0, w1 = spread(image, weights[0]), spread(image, weights[1])
    w2, w3 = spread(image, weights[2]), spread(image, weights[3])
    s0, s1, s2, s3 = start[0] + line, start[1] + line, start[2] + line, start[3] + line
    for i in range(begin, end, LANES):
        light = add_product(load(image, to + i), w0, load(source, s0 + i))
        light = add_product(light, w1, load(source, s1 + i))
        light = add_product(light, w2, load(source, s2 + i))
        store(image, to + i, add_product(light, w3, load(source, s3 + i)))


@njit(cache=True, nogil=True, inline="always")
def _lanes(pixels: int) -> int:
    """Round up to whole lanes."""
    return (pixels + LANES - 1) // LANES * LANES


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
def residual_alone(
    image: Single,
    mask: npt.NDArray[np.bool_],
    background: Single,
    model: Single,
    residual: Single,
    low: int,
    high: int,
) -> None:
    """Write image − sky − stars as :func:`residual_and_weight`, and leave the weights alone."""
    ny, nx = image.shape
    margin_y, margin_x = (model.shape[0] - ny) // 2, (model.shape[1] - nx) // 2
    none = np.float32(0.0)
    for j in range(low, high):
        pixels, sky, bad = image[j], background[j], mask[j]
        stars = model[j + margin_y, margin_x : margin_x + nx]
        out = residual[j + margin_y, margin_x : margin_x + nx]
        for i in range(nx):
            out[i] = none if bad[i] else pixels[i] - sky[i] - stars[i]


@njit(cache=True, nogil=True)
def scale_weight(weight: Single, noise_scale: Single, low: int, high: int) -> None:
    """Divide the weight of rows ``[low, high)`` of the image by the square of ``noise_scale``."""
    ny, nx = noise_scale.shape
    margin_y, margin_x = (weight.shape[0] - ny) // 2, (weight.shape[1] - nx) // 2
    for j in range(low, high):
        row, factor = weight[j + margin_y, margin_x : margin_x + nx], noise_scale[j]
        for i in range(nx):
            row[i] /= factor[i] * factor[i]
