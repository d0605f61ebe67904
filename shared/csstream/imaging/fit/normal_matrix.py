"""The joint fit's gradient and normal matrix: stars' own 3×3 blocks, and those of their pairs.

The matrix is the Gram matrix of the stamps, so it cannot become indefinite. Stamps are made tile
by tile and not kept: making them again costs less than the way to memory and back.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from numba import njit

from csstream.imaging.fit.lanes import LANES, load, spread
from csstream.imaging.fit.pairs import Pairs, Tiles
from csstream.imaging.fit.stamp_kernels import (
    Field,
    Places,
    compiled_row_width,
    expand,
    fill_stamp,
    local_table,
    scratch,
    stamp_size,
)
from csstream.numerics.vectors import add_product, added, store, times

Float = npt.NDArray[np.float64]
Int = npt.NDArray[np.int64]


@njit(cache=True, nogil=True)
def assemble(
    residual: Any,
    weight: Any,
    field: Field,
    x: Float,
    y: Float,
    places: Places,
    pairs: Pairs,
    tiles: Tiles,
    gradient: Float,
    diagonal: Float,
    blocks: Any,
    low: int,
    high: int,
) -> None:
    """Write gradient (n, 3), own blocks (n, 3, 3) and pairs' blocks (pairs, 3, 3) of some tiles.

    A pair's block has the rows of the star in whose list it stands. Slopes are per unit of flux:
    see :mod:`csstream.imaging.fit.whitening`.
    """
    widest = places.half.max() if places.half.size else 0
    before = compiled_row_width(widest)
    stride = 3 * before
    plane = (2 * widest + 1) * stride
    weighted = np.zeros(3 * plane, weight.dtype)
    local = local_table(field)
    stamps, work = np.empty(tiles.room, weight.dtype), scratch(local, widest)
    for t in range(low, high):
        end = 0
        expand(field, t, local)
        for k in range(tiles.own[t], tiles.own[t + 1]):
            fill_stamp(field, local, t, x, y, places, k, work, stamps, end)
            end += stamp_size(places.half[k])
        for q in range(tiles.start[t], tiles.start[t + 1]):
            k = tiles.guests[q]
            fill_stamp(field, local, t, x, y, places, k, work, stamps, end)
            end += stamp_size(places.half[k])
        at, last = 0, before
        for k in range(tiles.own[t], tiles.own[t + 1]):
            h = places.half[k]
            corner = (places.y[k] - h) * weight.shape[1] + places.x[k] - h
            _weigh(weight, corner, h, stamps, at, weighted, before, last, plane, stride)
            last = compiled_row_width(h)
            _project(
                residual, corner, weight.shape[1], weighted, before, stride, plane, h, gradient[k]
            )
            _own_block(stamps, at, h, weighted, before, plane, stride, diagonal, k)
            _pair_blocks(places, pairs, tiles, k, stamps, weighted, before, plane, stride, blocks)
            at += stamp_size(h)


@njit(cache=True, nogil=True)
def gradients(
    residual: Any,
    weight: Any,
    field: Field,
    x: Float,
    y: Float,
    places: Places,
    own: Int,
    gradient: Float,
    low: int,
    high: int,
) -> None:
    """Write the gradient (n, 3) alone, as :func:`assemble` does."""
    widest, local = places.half.max() if places.half.size else 0, local_table(field)
    stamp, work = np.empty(stamp_size(widest), weight.dtype), scratch(local, widest)
    rest, nx = np.empty(stamp.size // 3, weight.dtype), weight.shape[1]
    for t in range(low, high):
        expand(field, t, local)
        for k in range(own[t], own[t + 1]):
            h = places.half[k]
            fill_stamp(field, local, t, x, y, places, k, work, stamp, 0)
            corner, width = (places.y[k] - h) * nx + places.x[k] - h, compiled_row_width(h)
            for j in range(2 * h + 1):
                for c in range(0, width, LANES):
                    at = corner + j * nx + c
                    store(rest, j * width + c, times(load(weight, at), load(residual, at)))
            size = (2 * h + 1) * width
            _project(rest, 0, width, stamp, 0, width, size, h, gradient[k])


@njit(cache=True, nogil=True)
def _weigh(
    weight: Any,
    corner: int,
    h: int,
    stamps: Any,
    offset: int,
    weighted: Any,
    before: int,
    last: int,
    plane: int,
    stride: int,
) -> None:
    """Write a star's stamp times the weight to rows with zeros on both sides.

    ``last`` is the row width of the star before, whose rest must go.
    """
    nx, nothing = weight.shape[1], spread(stamps, 0.0)
    side, width = 2 * h + 1, compiled_row_width(h)
    size = side * width
    for j in range(side):
        to = j * stride + before
        for c in range(width, last, LANES):
            for m in range(3):
                store(weighted, m * plane + to + c, nothing)
        for c in range(0, width, LANES):
            w, at = load(weight, corner + j * nx + c), offset + j * width + c
            for m in range(3):
                store(weighted, m * plane + to + c, times(w, load(stamps, at + m * size)))


@njit(cache=True, nogil=True)
def _project(
    rest: Any,
    corner: int,
    nx: int,
    planes: Any,
    first: int,
    stride: int,
    plane: int,
    h: int,
    out: Any,
) -> None:
    """Write the sums of ``rest`` times each of a star's three planes to ``out`` (3,).

    Rows are ``nx`` apart from ``corner`` on in ``rest``, ``stride`` from ``first`` on in a plane.
    """
    g0, g1, g2 = spread(planes, 0.0), spread(planes, 0.0), spread(planes, 0.0)
    for j in range(2 * h + 1):
        for c in range(0, compiled_row_width(h), LANES):
            light, at = load(rest, corner + j * nx + c), first + j * stride + c
            g0 = add_product(g0, light, load(planes, at))
            g1 = add_product(g1, light, load(planes, at + plane))
            g2 = add_product(g2, light, load(planes, at + 2 * plane))
    out[0], out[1], out[2] = added(g0), added(g1), added(g2)


@njit(cache=True, nogil=True)
def _own_block(
    stamps: Any,
    offset: int,
    h: int,
    weighted: Any,
    before: int,
    plane: int,
    stride: int,
    out: Any,
    k: int,
) -> None:
    zero, side, width = spread(stamps, 0.0), 2 * h + 1, compiled_row_width(h)
    size = side * width
    s00, s01, s02, s11, s12, s22 = zero, zero, zero, zero, zero, zero
    for j in range(side):
        for c in range(0, width, LANES):
            at, of = offset + j * width + c, j * stride + before + c
            p, px, py = load(stamps, at), load(stamps, at + size), load(stamps, at + 2 * size)
            w, wx = load(weighted, of), load(weighted, of + plane)
            s00, s01, s02 = add_product(s00, w, p), add_product(s01, w, px), add_product(s02, w, py)
            s11, s12 = add_product(s11, wx, px), add_product(s12, wx, py)
            s22 = add_product(s22, load(weighted, of + 2 * plane), py)
    out[k, 0, 0], out[k, 1, 1], out[k, 2, 2] = added(s00), added(s11), added(s22)
    out[k, 0, 1] = out[k, 1, 0] = added(s01)
    out[k, 0, 2] = out[k, 2, 0] = added(s02)
    out[k, 1, 2] = out[k, 2, 1] = added(s12)


@njit(cache=True, nogil=True)
def _pair_blocks(
    places: Any,
    pairs: Any,
    tiles: Any,
    k: int,
    stamps: Any,
    weighted: Any,
    before: int,
    plane: int,
    stride: int,
    blocks: Any,
) -> None:
    """Write the blocks of star k with the later stars of its list, both ways round."""
    h, zero = places.half[k], spread(stamps, 0.0)
    for t in range(pairs.start[k], pairs.start[k + 1]):
        b, offset, twin = pairs.other[t], tiles.place[t], pairs.twin[t]
        if b < k:
            continue
        hb = places.half[b]
        side, width = 2 * hb + 1, compiled_row_width(hb)
        size, down = side * width, places.y[b] - hb - places.y[k] + h
        right = places.x[b] - hb - places.x[k] + h
        first, last = max(-right, 0) // LANES * LANES, min(width, 2 * h + 1 - right)
        s00, s01, s02, s10, s11, s12, s20, s21, s22 = (
            zero, zero, zero, zero, zero, zero, zero, zero, zero,
        )  # fmt: skip
        for j in range(max(-down, 0), min(side, 2 * h + 1 - down)):
            for c in range(first, last, LANES):
                at, of = offset + j * width + c, (j + down) * stride + before + right + c
                p, px, py = load(stamps, at), load(stamps, at + size), load(stamps, at + 2 * size)
                q, qx = load(weighted, of), load(weighted, of + plane)
                qy = load(weighted, of + 2 * plane)
                s00, s01, s02 = (
                    add_product(s00, q, p),
                    add_product(s01, q, px),
                    add_product(s02, q, py),
                )
                s10, s11 = add_product(s10, qx, p), add_product(s11, qx, px)
                s12, s20 = add_product(s12, qx, py), add_product(s20, qy, p)
                s21, s22 = add_product(s21, qy, px), add_product(s22, qy, py)
        blocks[t, 0, 0], blocks[t, 0, 1], blocks[t, 0, 2] = added(s00), added(s01), added(s02)
        blocks[t, 1, 0], blocks[t, 1, 1], blocks[t, 1, 2] = added(s10), added(s11), added(s12)
        blocks[t, 2, 0], blocks[t, 2, 1], blocks[t, 2, 2] = added(s20), added(s21), added(s22)
        for r in range(3):
            for c in range(3):
                blocks[twin, c, r] = blocks[t, r, c]
