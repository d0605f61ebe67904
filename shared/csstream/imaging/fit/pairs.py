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
