"""Which stars of a joint fit overlap, and the tiles that they are treated in."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from numba import njit

from csstream.imaging.fit.stamp_kernels import Places, stamp_size

Float = npt.NDArray[np.float64]
Int = npt.NDArray[np.int64]
Short = npt.NDArray[np.int32]

CELL = 8  # [pixel] of the grids that neighbours are looked for in


class Pairs(NamedTuple):
    """Neighbours of each star, those whose stamps overlap, in rising order.

    Those of star a are ``other[start[a]:start[a + 1]]``; ``twin`` is where the same pair stands
    in its neighbour's list.
    """

    start: Int  # (n + 1,)
    other: Short  # (pairs, both directions)
    twin: Short


@njit(cache=True, nogil=True)
def sort_by_cell(x: Int, y: Int, cell: int) -> tuple[Int, Int]:
    """Return the order of stars by rows of cells, then cells, then as given; and their cells."""
    columns = (x.max() - x.min()) // cell + 1
    home = ((y - y.min()) // cell) * columns + (x - x.min()) // cell
    order = np.argsort(home, kind="mergesort")
    return order, home[order]


class _Grid(NamedTuple):
    """Some of the stars, by cells of the plane."""

    cells: Int  # first star of each cell in ``order``; (rows × columns + 1,)
    order: Int
    low_x: int  # corner of the first cell
    low_y: int
    rows: int
    columns: int
    widest: int  # of their half-widths


@njit(cache=True, nogil=True)
def find_pairs(places: Places) -> Pairs:
    """Find all pairs of stars whose stamps overlap; stars sorted by cells of any size."""
    n = places.x.size
    start = np.zeros(n + 1, np.int64)
    if n == 0:
        return Pairs(start, np.empty(0, np.int32), np.empty(0, np.int32))
    # The few that are wider than most would make everybody look far.
    least = places.half.min()
    grids = (_grid(places, least, least), _grid(places, least + 1, places.half.max()))
    none = np.empty(0, np.int32)
    for k in range(n):
        start[k + 1] = start[k] + _neighbours(places, grids, k, none)
    other, twin = np.empty(start[n], np.int32), np.empty(start[n], np.int32)
    for k in range(n):
        mine = other[start[k] : start[k + 1]]
        _neighbours(places, grids, k, mine)
        mine.sort()
    _find_twins(start, other, twin)
    return Pairs(start, other, twin)


@njit(cache=True, nogil=True)
def _grid(places: Places, least: int, most: int) -> _Grid:
    """Sort the stars with half-widths from ``least`` to ``most`` into cells."""
    chosen = np.flatnonzero((places.half >= least) & (places.half <= most))
    if chosen.size == 0:
        return _Grid(np.zeros(2, np.int64), chosen, 0, 0, 1, 1, 0)
    x, y = places.x[chosen], places.y[chosen]
    low_x, low_y = x.min(), y.min()
    rows, columns = (y.max() - low_y) // CELL + 1, (x.max() - low_x) // CELL + 1
    home = (y - low_y) // CELL * columns + (x - low_x) // CELL
    cells = np.zeros(rows * columns + 1, np.int64)
    for c in home:
        cells[c + 1] += 1
    order = chosen[np.argsort(home, kind="mergesort")]
    return _Grid(np.cumsum(cells), order, low_x, low_y, rows, columns, most)


@njit(cache=True, nogil=True)
def _neighbours(places: Any, grids: Any, k: int, found: Any) -> int:
    """Count the neighbours of star k; write them where there is room."""
    count = 0
    for g in grids:
        reach = places.half[k] + g.widest
        left, right = places.x[k] - reach - g.low_x, places.x[k] + reach - g.low_x
        low, high = places.y[k] - reach - g.low_y, places.y[k] + reach - g.low_y
        first, last = max(left // CELL, 0), min(right // CELL, g.columns - 1)
        for r in range(max(low // CELL, 0), min(high // CELL, g.rows - 1) + 1):
            if first > last:
                break
            for t in range(g.cells[r * g.columns + first], g.cells[r * g.columns + last + 1]):
                b = g.order[t]
                near = places.half[k] + places.half[b]
                if b == k or abs(places.x[k] - places.x[b]) > near:
                    continue
                if abs(places.y[k] - places.y[b]) > near:
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


class Tiles(NamedTuple):
    """Stars that are treated together, so that their stamps stay in the processor's cache.

    Tile t owns the stars ``[own[t], own[t + 1])`` and needs the stamps of the guests
    ``guests[start[t]:start[t + 1]]``, too: later stars that overlap with its own. ``place`` tells
    for each pair with a later star where that star's stamp lies in the tile's scratch space.
    """

    own: Int
    start: Int
    guests: Short
    place: Int  # (pairs,)
    room: int  # numbers in the scratch space of the fullest tile


@njit(cache=True, nogil=True)
def plan_tiles(own: Int, places: Places, pairs: Pairs) -> Tiles:
    """Find each tile's guests, and lay out its scratch space: its own stars', then theirs."""
    tiles, n = own.size - 1, places.x.size
    start = np.zeros(tiles + 1, np.int64)
    guests = np.empty(pairs.other.size, np.int32)
    place, offset = np.full(pairs.other.size, -1, np.int64), np.full(n, -1, np.int64)
    room, count = 0, 0
    for t in range(tiles):
        used = 0
        for k in range(own[t], own[t + 1]):
            offset[k] = used
            used += stamp_size(places.half[k])
        for k in range(own[t], own[t + 1]):
            for q in range(pairs.start[k], pairs.start[k + 1]):
                b = pairs.other[q]
                if b < k:
                    continue
                if offset[b] < 0:
                    guests[count], offset[b] = b, used
                    count += 1
                    used += stamp_size(places.half[b])
                place[q] = offset[b]
        for q in range(start[t], count):
            offset[guests[q]] = -1
        start[t + 1], room = count, max(room, used)
    return Tiles(own, start, guests[:count].copy(), place, room)
