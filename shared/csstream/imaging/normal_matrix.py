"""The joint fit's normal matrix: overlapping pairs of stars and their 3×3 blocks.

There is one block per star and one per pair of stars whose fit stamps overlap. It is the Gram
matrix of the stamps (see :mod:`csstream.imaging.joint_kernels`), so it cannot become indefinite.
Blocks of pairs are kept *whitened*: in the variables L_aᵀ θ_a with L_a L_aᵀ the star's own block,
the matrix has a unit diagonal, and conjugate gradients need no other preconditioner.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from numba import njit

from csstream.imaging.joint_kernels import Places, row_width
from csstream.imaging.simd import LANES, add_product, added, load, spread, store, times

Float = npt.NDArray[np.float64]
Int = npt.NDArray[np.int64]
Short = npt.NDArray[np.int32]

_row_width = njit(inline="always")(row_width)


class Pairs(NamedTuple):
    """Neighbours of each star, those whose stamps overlap, in rising order.

    Those of star a are ``other[start[a]:start[a + 1]]``; ``twin`` is where the same pair stands
    in its neighbour's list.
    """

    start: Int  # (n + 1,)
    other: Short  # (pairs, both directions)
    twin: Short


@njit(cache=True, nogil=True)
def sort_by_cell(x: Int, y: Int, cell: int) -> Int:
    """Return the order of stars by rows of cells, then by cells, then as given."""
    columns = (x.max() - x.min()) // cell + 1
    home = ((y - y.min()) // cell) * columns + (x - x.min()) // cell
    return np.argsort(home, kind="mergesort")


@njit(cache=True, nogil=True)
def find_pairs(places: Places) -> Pairs:
    """Find all pairs of stars whose stamps overlap; stars sorted by cells of any size."""
    n = places.x.size
    start = np.zeros(n + 1, np.int64)
    if n == 0:
        return Pairs(start, np.empty(0, np.int32), np.empty(0, np.int32))
    cell = 2 * places.half.max() + 1
    low_x, low_y = places.x.min(), places.y.min()
    columns = (places.x.max() - low_x) // cell + 1
    rows = (places.y.max() - low_y) // cell + 1
    home = ((places.y - low_y) // cell) * columns + (places.x - low_x) // cell
    cells = np.zeros(rows * columns + 1, np.int64)
    for k in range(n):
        cells[home[k] + 1] += 1
    cells = np.cumsum(cells)
    order = np.argsort(home, kind="mergesort")
    grid = (home, cells, order, rows, columns)
    none = np.empty(0, np.int32)
    for k in range(n):
        start[k + 1] = start[k] + _neighbours(places, grid, k, none)
    other, twin = np.empty(start[n], np.int32), np.empty(start[n], np.int32)
    for k in range(n):
        mine = other[start[k] : start[k + 1]]
        _neighbours(places, grid, k, mine)
        mine.sort()
    _find_twins(start, other, twin)
    return Pairs(start, other, twin)


@njit(cache=True, nogil=True)
def _neighbours(places: Any, grid: Any, k: int, found: Any) -> int:
    """Count the neighbours of star k; write them where there is room."""
    home, cells, order, rows, columns = grid
    row, column = home[k] // columns, home[k] % columns
    count = 0
    for r in range(max(row - 1, 0), min(row + 2, rows)):
        begin = cells[r * columns + max(column - 1, 0)]
        end = cells[r * columns + min(column + 1, columns - 1) + 1]
        for t in range(begin, end):
            b = order[t]
            reach = places.half[k] + places.half[b]
            if b == k or abs(places.x[k] - places.x[b]) > reach:
                continue
            if abs(places.y[k] - places.y[b]) > reach:
                continue
            if count < found.size:
                found[count] = b
            count += 1
    return count


@njit(cache=True, nogil=True)
def _find_twins(start: Int, other: Short, twin: Short) -> None:
    # Lists are in rising order: the pairs of a star are met in the order of its list.
    met = start[:-1].copy()
    for a in range(start.size - 1):
        for t in range(start[a], start[a + 1]):
            twin[t] = met[other[t]]
            met[other[t]] += 1


@njit(cache=True, nogil=True)
def gradient(
    residual: Any,
    weight: Any,
    flux: Float,
    places: Places,
    stamps: Any,
    out: Float,
    low: int,
    high: int,
) -> None:
    """Write each star's gradient (n, 3)."""
    nx = weight.shape[1]
    for k in range(low, high):
        h, at = places.half[k], places.offset[k]
        side, width = 2 * h + 1, _row_width(h)
        size, corner = side * width, (places.y[k] - h) * nx + places.x[k] - h
        g0, g1, g2 = spread(stamps, 0.0), spread(stamps, 0.0), spread(stamps, 0.0)
        for j in range(side):
            for c in range(0, width, LANES):
                pixel, to = corner + j * nx + c, at + j * width + c
                pull = times(load(weight, pixel), load(residual, pixel))
                g0 = add_product(g0, pull, load(stamps, to))
                g1 = add_product(g1, pull, load(stamps, to + size))
                g2 = add_product(g2, pull, load(stamps, to + 2 * size))
        scale = max(flux[k], 0.0)
        out[k, 0], out[k, 1], out[k, 2] = added(g0), added(g1) * scale, added(g2) * scale


@njit(cache=True, nogil=True)
def own_and_pair_blocks(
    weight: Any,
    flux: Float,
    places: Places,
    stamps: Any,
    pairs: Pairs,
    diagonal: Float,
    blocks: Any,
    low: int,
    high: int,
) -> None:
    """Write the stars' own blocks (n, 3, 3) and those of their pairs (pairs, 3, 3).

    A pair's block has the rows of the star in whose list it stands. Slopes are per unit of flux:
    :func:`whiten` brings the fluxes in.
    """
    widest = _row_width(places.half.max()) if places.half.size else 0
    stride = 3 * widest
    plane = widest * stride
    weighted = np.zeros(3 * plane, stamps.dtype)
    for k in range(low, high):
        h = places.half[k]
        _weigh(weight, places, stamps, k, weighted, widest, plane, stride)
        _own_block(places, stamps, k, weighted, widest, plane, stride, diagonal[k])
        for t in range(pairs.start[k], pairs.start[k + 1]):
            b = pairs.other[t]
            if b < k:
                continue
            down = places.y[b] - places.half[b] - places.y[k] + h
            right = places.x[b] - places.half[b] - places.x[k] + h
            block = blocks[t]
            _pair_block(places, stamps, b, h, down, right, weighted, widest, plane, stride, block)
            twin = blocks[pairs.twin[t]]
            for r in range(3):
                for c in range(3):
                    twin[c, r] = block[r, c]


@njit(cache=True, nogil=True)
def _weigh(
    weight: Any,
    places: Any,
    stamps: Any,
    k: int,
    weighted: Any,
    before: int,
    plane: int,
    stride: int,
) -> None:
    """Write star k's stamp times the weight to rows with zeros on both sides."""
    nx, h = weight.shape[1], places.half[k]
    side, width, nothing = 2 * h + 1, _row_width(h), spread(stamps, 0.0)
    size, corner = side * width, (places.y[k] - h) * nx + places.x[k] - h
    for j in range(side):
        to = j * stride + before
        for c in range(width, before, LANES):
            for m in range(3):
                store(weighted, m * plane + to + c, nothing)
        for c in range(0, width, LANES):
            w, at = load(weight, corner + j * nx + c), places.offset[k] + j * width + c
            for m in range(3):
                store(weighted, m * plane + to + c, times(w, load(stamps, at + m * size)))


@njit(cache=True, nogil=True)
def _own_block(
    places: Any,
    stamps: Any,
    k: int,
    weighted: Any,
    before: int,
    plane: int,
    stride: int,
    block: Any,
) -> None:
    h, zero = places.half[k], spread(stamps, 0.0)
    side, width = 2 * h + 1, _row_width(h)
    size = side * width
    s00, s01, s02, s11, s12, s22 = zero, zero, zero, zero, zero, zero
    for j in range(side):
        for c in range(0, width, LANES):
            at, of = places.offset[k] + j * width + c, j * stride + before + c
            p, px, py = load(stamps, at), load(stamps, at + size), load(stamps, at + 2 * size)
            w, wx = load(weighted, of), load(weighted, of + plane)
            s00, s01, s02 = add_product(s00, w, p), add_product(s01, w, px), add_product(s02, w, py)
            s11, s12 = add_product(s11, wx, px), add_product(s12, wx, py)
            s22 = add_product(s22, load(weighted, of + 2 * plane), py)
    block[0, 0], block[1, 1], block[2, 2] = added(s00), added(s11), added(s22)
    block[0, 1] = block[1, 0] = added(s01)
    block[0, 2] = block[2, 0] = added(s02)
    block[1, 2] = block[2, 1] = added(s12)


@njit(cache=True, nogil=True)
def _pair_block(
    places: Any,
    stamps: Any,
    b: int,
    h: int,
    down: int,
    right: int,
    weighted: Any,
    before: int,
    plane: int,
    stride: int,
    block: Any,
) -> None:
    """Write the block of the weighted star and star b, which begins ``down, right`` of it."""
    side, width, zero = 2 * places.half[b] + 1, _row_width(places.half[b]), spread(stamps, 0.0)
    size = side * width
    first = max(-right, 0) // LANES * LANES
    last = min(width, 2 * h + 1 - right)
    s00, s01, s02, s10, s11, s12, s20, s21, s22 = (
        zero, zero, zero, zero, zero, zero, zero, zero, zero,
    )  # fmt: skip
    for j in range(max(-down, 0), min(side, 2 * h + 1 - down)):
        for c in range(first, last, LANES):
            at, of = places.offset[b] + j * width + c, (j + down) * stride + before + right + c
            p, px, py = load(stamps, at), load(stamps, at + size), load(stamps, at + 2 * size)
            q, qx, qy = (
                load(weighted, of),
                load(weighted, of + plane),
                load(weighted, of + 2 * plane),
            )
            s00, s01, s02 = add_product(s00, q, p), add_product(s01, q, px), add_product(s02, q, py)
            s10, s11 = add_product(s10, qx, p), add_product(s11, qx, px)
            s12, s20 = add_product(s12, qx, py), add_product(s20, qy, p)
            s21, s22 = add_product(s21, qy, px), add_product(s22, qy, py)
    block[0, 0], block[0, 1], block[0, 2] = added(s00), added(s01), added(s02)
    block[1, 0], block[1, 1], block[1, 2] = added(s10), added(s11), added(s12)
    block[2, 0], block[2, 1], block[2, 2] = added(s20), added(s21), added(s22)


@njit(cache=True, nogil=True)
def root_blocks(
    diagonal: Float, flux: Float, prior: float, root: Float, low: int, high: int
) -> None:
    """Write L⁻¹ of each star's own block L·Lᵀ (n, 3, 3), fluxes and position prior brought in.

    What no pixel says anything about gets a zero row: it stays as it is.
    """
    block = np.empty((3, 3))
    for k in range(low, high):
        f = max(flux[k], 0.0)
        block[:] = diagonal[k]
        block[0, 1:] *= f
        block[1:, 0] *= f
        block[1:, 1:] *= f * f
        block[1, 1] += prior
        block[2, 2] += prior
        _inverse_root(block, root[k])


@njit(cache=True, nogil=True)
def _inverse_root(block: Any, out: Any) -> None:
    """Write the inverse of the Cholesky factor of a 3×3 matrix, lower triangle."""
    out[:] = 0.0
    tiny = 1e-12
    a = math.sqrt(block[0, 0]) if block[0, 0] > 0.0 else 0.0
    ia = 1.0 / a if a > 0.0 else 0.0
    b, c = block[1, 0] * ia, block[2, 0] * ia
    rest = block[1, 1] - b * b
    d = math.sqrt(rest) if rest > tiny * block[1, 1] else 0.0
    inverse = 1.0 / d if d > 0.0 else 0.0
    e = (block[2, 1] - b * c) * inverse
    rest = block[2, 2] - c * c - e * e
    f = 1.0 / math.sqrt(rest) if rest > tiny * block[2, 2] and rest > 0.0 else 0.0
    out[0, 0], out[1, 1], out[2, 2] = ia, inverse, f
    out[1, 0] = -b * ia * inverse
    out[2, 1] = -e * inverse * f
    out[2, 0] = -(c * ia + e * out[1, 0]) * f


@njit(cache=True, nogil=True)
def whiten(blocks: Any, root: Float, flux: Float, pairs: Pairs, low: int, high: int) -> None:
    """Turn the pairs' blocks of stars ``[low, high)`` to L_a⁻¹ B L_b⁻ᵀ, fluxes brought in."""
    half = np.empty((3, 3))
    for a in range(low, high):
        left, fa = root[a], max(flux[a], 0.0)
        for t in range(pairs.start[a], pairs.start[a + 1]):
            block, right, fb = blocks[t], root[pairs.other[t]], max(flux[pairs.other[t]], 0.0)
            for c in range(3):
                scale = 1.0 if c == 0 else fb
                b0, b1, b2 = block[0, c] * scale, block[1, c] * scale * fa, block[2, c] * scale * fa
                half[0, c] = left[0, 0] * b0
                half[1, c] = left[1, 0] * b0 + left[1, 1] * b1
                half[2, c] = left[2, 0] * b0 + left[2, 1] * b1 + left[2, 2] * b2
            for r in range(3):
                h0, h1, h2 = half[r, 0], half[r, 1], half[r, 2]
                block[r, 0] = h0 * right[0, 0]
                block[r, 1] = h0 * right[1, 0] + h1 * right[1, 1]
                block[r, 2] = h0 * right[2, 0] + h1 * right[2, 1] + h2 * right[2, 2]
