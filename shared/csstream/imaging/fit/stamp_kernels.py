"""Compiled kernels that make a star's fit stamp from the PSF's table.

Every star has a square fit stamp anchored at a whole pixel: its unit response and the derivatives
by its position, three planes of rows that are padded with zeros to whole
:data:`~csstream.imaging.fit.lanes.LANES`. Positions count from the corner of the images' margin.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from numba import njit

from csstream.imaging.fit.lanes import LANES, load, spread
from csstream.imaging.psf.kernels import spline_slopes, spline_weights
from csstream.numerics.vectors import add_product, store, times

Float = npt.NDArray[np.float64]
Int = npt.NDArray[np.int64]


class Places(NamedTuple):
    """Where the fit stamps are: anchor and half-width [pixel], each (n,)."""

    x: Int
    y: Int
    half: Int


def row_width(half: Any) -> Any:
    """Return the padded length of a row of a stamp."""
    return (2 * half + LANES) // LANES * LANES


compiled_row_width = njit(inline="always")(row_width)


class Table(NamedTuple):
    """Polyphase planes around the centre, several PSFs of them.

    ``values`` (n, s, s, rows, columns) holds the planes of :attr:`PixelPsf.planes`; ``centre`` is
    the star's place in units of samples, along both axes.
    """

    values: npt.NDArray[np.floating]
    centre: int
    oversampling: int


class Field(NamedTuple):
    """The PSF over the field, for stars that are treated tile by tile.

    ``mix`` (n, terms) is what each star takes of the table's terms. Where ``expansion``
    (tiles, 3, terms) is not empty, a tile's stars take instead the PSF at the tile's ``centre``
    (tiles, 2) and its slopes along x and y: three terms in place of many.
    """

    table: Any
    mix: Float
    expansion: Float
    centre: Float


@njit(cache=True, nogil=True)
def local_table(field: Field) -> Any:
    """Return a table to be filled by :func:`expand`, or the field's own where nothing expands."""
    table = field.table
    if field.expansion.shape[0] == 0:
        return table
    shape = table.values.shape
    values = np.empty((3, shape[1], shape[2], shape[3], shape[4]), table.values.dtype)
    return Table(values, table.centre, table.oversampling)


@njit(cache=True, nogil=True)
def expand(field: Field, tile: int, local: Any) -> None:
    """Write the PSF at a tile's centre, and its slopes, to ``local``."""
    if field.expansion.shape[0] == 0:
        return
    size = local.values.size // 3
    source, target = field.table.values.reshape(-1), local.values.reshape(-1)
    for m in range(3):
        mix = field.expansion[tile, m]
        for i in range(0, size - LANES + 1, LANES):
            taken = times(spread(source, mix[0]), load(source, i))
            for k in range(1, mix.size):
                taken = add_product(taken, spread(source, mix[k]), load(source, k * size + i))
            store(target, m * size + i, taken)


@njit(cache=True, nogil=True)
def star_mix(field: Field, tile: int, x: float, y: float, k: int, row: Float) -> None:
    """Write what star k at x, y takes of the tile's table."""
    if field.expansion.shape[0] == 0:
        row[:] = field.mix[k]
    else:
        row[0] = 1.0
        row[1], row[2] = x - field.centre[tile, 0], y - field.centre[tile, 1]


@njit(cache=True, nogil=True)
def stamp_size(half: int) -> int:
    """Return the numbers in the three planes of a stamp."""
    return 3 * (2 * half + 1) * compiled_row_width(half)


@njit(cache=True, nogil=True)
def scratch(table: Any, widest: int) -> Any:
    """Return working arrays for :func:`fill_stamp`: weights, taps, mixed terms, mask, mix."""
    room = 16 * (2 * widest + 1) * compiled_row_width(widest) if table.values.shape[0] > 1 else 0
    dtype = table.values.dtype
    return (
        np.empty((4, 4)), np.empty(16, np.int64), np.empty(room, dtype), np.empty(LANES, dtype),
        np.empty(table.values.shape[0]),
    )  # fmt: skip


@njit(cache=True, nogil=True)
def fill_stamp(
    field: Field,
    local: Any,
    tile: int,
    x: Float,
    y: Float,
    places: Places,
    k: int,
    work: Any,
    stamps: Any,
    offset: int,
) -> None:
    """Write star k's response and its slopes by the star's position to ``stamps[offset:]``.

    ``local`` is the table of the ``tile`` in which the star is treated.
    """
    h, s = places.half[k], local.oversampling
    side, width = 2 * h + 1, compiled_row_width(h)
    weights, start, mixed, keep, mix = work
    taps(local, 0, places.x[k] - h - x[k], places.y[k] - h - y[k], weights, start)
    keep_last(keep, side)
    if mix.size == 1:
        values, stride = local.values.reshape(-1), local.values.shape[4]
        _interpolate(values, start, stride, side, width, s, weights, keep, stamps, offset)
    else:
        star_mix(field, tile, x[k], y[k], k, mix)
        mix_terms(local.values, mix, start, side, width, mixed)
        _interpolate(mixed, start, width, side, width, s, weights, keep, stamps, offset)


@njit(cache=True, nogil=True)
def taps(table: Any, which: int, dx: float, dy: float, weights: Any, start: Any) -> None:
    """Find the sixteen taps of the pixel at an offset ``dx, dy`` from the star.

    Writes the spline's weights and slopes along x and y, and where each tap stands in the table.
    """
    s, rows, columns = table.oversampling, table.values.shape[3], table.values.shape[4]
    u, v = dx * s + table.centre, dy * s + table.centre
    i0, j0 = math.floor(u) - 1, math.floor(v) - 1
    spline_weights(u - i0 - 1, weights[0])
    spline_weights(v - j0 - 1, weights[1])
    spline_slopes(u - i0 - 1, weights[2])
    spline_slopes(v - j0 - 1, weights[3])
    for b in range(4):
        for a in range(4):
            plane = (which * s + (j0 + b) % s) * s + (i0 + a) % s
            start[4 * b + a] = (plane * rows + (j0 + b) // s) * columns + (i0 + a) // s


@njit(cache=True, nogil=True)
def keep_last(keep: Any, side: int) -> None:
    """Write ones to the lanes of a row's last block that belong to the stamp, zeros behind."""
    last = side - (side - 1) // LANES * LANES
    for i in range(LANES):
        keep[i] = 1.0 if i < last else 0.0


@njit(cache=True, nogil=True)
def mix_terms(values: Any, mix: Any, start: Any, side: int, width: int, mixed: Any) -> None:
    """Add up the terms for one star, on the taps that it takes; ``start`` then counts there."""
    term, stride = values.size // values.shape[0], values.shape[4]
    for tap in range(16):
        to = tap * side * width
        for j in range(side):
            for c in range(0, width, LANES):
                at = start[tap] + j * stride + c
                taken = times(spread(mixed, mix[0]), load(values, at))
                for k in range(1, mix.size):
                    taken = add_product(taken, spread(mixed, mix[k]), load(values, at + k * term))
                store(mixed, to + j * width + c, taken)
        start[tap] = to


@njit(cache=True, nogil=True)
def _interpolate(
    source: Any,
    start: Any,
    stride: int,
    side: int,
    width: int,
    s: int,
    weights: Any,
    keep: Any,
    stamps: Any,
    offset: int,
) -> None:
    """Write one star's three planes from its sixteen taps."""
    size = side * width
    w0, w1 = spread(stamps, weights[0, 0]), spread(stamps, weights[0, 1])
    w2, w3 = spread(stamps, weights[0, 2]), spread(stamps, weights[0, 3])
    d0, d1 = spread(stamps, -s * weights[2, 0]), spread(stamps, -s * weights[2, 1])
    d2, d3 = spread(stamps, -s * weights[2, 2]), spread(stamps, -s * weights[2, 3])
    inside = load(keep, 0)
    for j in range(side):
        for c in range(0, width, LANES):
            value, by_x, by_y = spread(stamps, 0.0), spread(stamps, 0.0), spread(stamps, 0.0)
            at, to = j * stride + c, offset + j * width + c
            for b in range(4):
                t0, t1 = load(source, start[4 * b] + at), load(source, start[4 * b + 1] + at)
                t2, t3 = load(source, start[4 * b + 2] + at), load(source, start[4 * b + 3] + at)
                line = add_product(add_product(times(w0, t0), w1, t1), w2, t2)
                slope = add_product(add_product(times(d0, t0), d1, t1), d2, t2)
                line, slope = add_product(line, w3, t3), add_product(slope, d3, t3)
                weight = spread(stamps, weights[1, b])
                value = add_product(value, weight, line)
                by_x = add_product(by_x, weight, slope)
                by_y = add_product(by_y, spread(stamps, -s * weights[3, b]), line)
            if c + LANES >= width:
                value, by_x, by_y = times(inside, value), times(inside, by_x), times(inside, by_y)
            store(stamps, to, value)
            store(stamps, to + size, by_x)
            store(stamps, to + 2 * size, by_y)
