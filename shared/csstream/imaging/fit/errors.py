"""Standard errors and quality of the joint fit's stars.

The inverse of the whole matrix is too large. A star's errors come from the inverse over itself
and its nearest neighbours, so what blending costs is in them.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt
from numba import njit

from csstream.imaging.fit.pairs import Pairs
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

Float = npt.NDArray[np.float64]
Int = npt.NDArray[np.int64]

SINGLE = 1e-6  # relative error of sums taken in single precision


@njit(cache=True, nogil=True)
def local_errors(
    blocks: Any,
    root: Float,
    pairs: Pairs,
    x: Float,
    y: Float,
    radius: float,
    most: int,
    ridge: float,
    errors: Float,
    low: int,
    high: int,
) -> None:
    """Write (n, 3) standard errors: the inverse over a star and its neighbours in ``radius``.

    A fourth column, where there is one, gets the error of the flux with the star's own position
    known, its neighbours unknown.
    At most the ``most`` nearest neighbours are taken. ``blocks`` are whitened, ``root`` is what
    whitened them, see :mod:`csstream.imaging.fit.whitening`. ``ridge`` is added to the unit
    diagonal: what rounding asks for. Errors are nan where nothing is known.
    """
    members = np.empty(most + 1, np.int64)
    distance = np.empty(most + 1)
    matrix = np.empty((3 * most + 3, 3 * most + 3))
    for k in range(low, high):
        count = _nearest(pairs, x, y, k, radius, most, members, distance)
        _gather(blocks, pairs, members, count, ridge, matrix)
        _trailing_errors(matrix, 3 * count, root[k], errors[k])


@njit(cache=True, nogil=True)
def _nearest(
    pairs: Any, x: Any, y: Any, k: int, radius: float, most: int, members: Any, distance: Any
) -> int:
    """Write star k and its nearest neighbours, the nearest first; return how many."""
    members[0], distance[0], count = k, 0.0, 1
    for t in range(pairs.start[k], pairs.start[k + 1]):
        other = pairs.other[t]
        d = math.hypot(x[other] - x[k], y[other] - y[k])
        if d > radius or (count == most + 1 and d >= distance[most]):
            continue
        at = count
        if count == most + 1:
            at = most
        else:
            count += 1
        while at > 1 and distance[at - 1] > d:
            members[at], distance[at] = members[at - 1], distance[at - 1]
            at -= 1
        members[at], distance[at] = other, d
    return count


@njit(cache=True, nogil=True)
def _gather(blocks: Any, pairs: Any, members: Any, count: int, ridge: float, matrix: Any) -> None:
    """Write the lower triangle of the members' matrix; the first member comes last."""
    for m in range(count):
        row = 3 * (count - 1 - m)
        for o in range(m, count):
            column = 3 * (count - 1 - o)
            t = _find(pairs, members[m], members[o])
            for r in range(3):
                for c in range(3):
                    same = 1.0 + ridge if m == o and r == c else 0.0
                    matrix[row + r, column + c] = blocks[t, r, c] if t >= 0 else same


@njit(cache=True, nogil=True)
def _find(pairs: Any, a: int, b: int) -> int:
    """Return where b stands in the list of a; -1 if it does not."""
    for t in range(pairs.start[a], pairs.start[a + 1]):
        if pairs.other[t] == b:
            return t
    return -1


@njit(cache=True, nogil=True)
def _trailing_errors(matrix: Any, n: int, root: Any, out: Any) -> None:
    """Write the errors of the last three variables, by Cholesky; ``root`` brings their units."""
    out[:] = np.nan
    for j in range(n):
        pivot = matrix[j, j]
        for c in range(j):
            pivot -= matrix[j, c] * matrix[j, c]
        if not pivot > 0.0:
            return
        matrix[j, j] = math.sqrt(pivot)
        for i in range(j + 1, n):
            rest = matrix[i, j]
            for c in range(j):
                rest -= matrix[i, c] * matrix[j, c]
            matrix[i, j] = rest / matrix[j, j]
    last = matrix[n - 3 : n, n - 3 : n]
    for p in range(3):
        if root[p, p] == 0.0:
            continue
        # Column p of the last triangle's inverse times the root.
        s0 = root[0, p] / last[0, 0]
        s1 = (root[1, p] - last[1, 0] * s0) / last[1, 1]
        s2 = (root[2, p] - last[2, 0] * s0 - last[2, 1] * s1) / last[2, 2]
        out[p] = math.sqrt(s0 * s0 + s1 * s1 + s2 * s2)
    if out.size > 3 and root[0, 0] > 0.0:
        out[3] = root[0, 0] / last[0, 0]


@njit(cache=True, nogil=True)
def isolated_information(
    empty: Float,
    usable: npt.NDArray[np.bool_],
    field: Field,
    x: Float,
    y: Float,
    flux: Float,
    places: Places,
    diagonal: Float,
) -> None:
    """Write each star's own block (n, 3, 3) as if it stood alone on the variance ``empty``.

    Slopes are per unit of flux.
    """
    widest = places.half.max() if places.half.size else 0
    stamp, work = np.empty(stamp_size(widest), empty.dtype), scratch(field.table, widest)
    row = np.empty(3)
    for k in range(flux.size):
        h, f = places.half[k], flux[k]
        side, width = 2 * h + 1, compiled_row_width(h)
        fill_stamp(field, field.table, 0, x, y, places, k, work, stamp, 0)
        block = diagonal[k]
        block[:] = 0.0
        for j in range(side):
            for i in range(side):
                v, u = places.y[k] - h + j, places.x[k] - h + i
                if not usable[v, u]:
                    continue
                for m in range(3):
                    row[m] = stamp[(m * side + j) * width + i]
                w = 1.0 / (empty[v, u] + max(f * row[0], 0.0))
                for r in range(3):
                    for c in range(3):
                        block[r, c] += w * row[r] * row[c]


@njit(cache=True, nogil=True)
def star_quality(
    residual: Any,
    model: Any,
    weight: Any,
    field: Field,
    x: Float,
    y: Float,
    flux: Float,
    places: Places,
    own: Int,
    core: float,
    quality: Float,
    low: int,
    high: int,
) -> None:
    """Write (n, 5), what tells how far each star of the tiles ``[low, high)`` can be trusted.

    Columns: mean chi2 of a pixel in the core; largest positive residual at the centre [sigma];
    light of other stars that the fit had to tell apart [flux]; unmasked share of the information;
    by what share its flux's variance grows with each electron of its own [1/flux].
    ``model`` holds the stars without background; ``core`` is a radius [pixel].
    """
    widest, local = places.half.max() if places.half.size else 0, local_table(field)
    stamp, work = np.empty(stamp_size(widest), model.dtype), scratch(local, widest)
    for t in range(low, high):
        expand(field, t, local)
        for k in range(own[t], own[t + 1]):
            fill_stamp(field, local, t, x, y, places, k, work, stamp, 0)
            where = (places.x[k], places.y[k])
            quality[k, 0], quality[k, 1] = _core_chi2(residual, weight, *where, core)
            light = _light(model, weight, stamp, *where, places.half[k])
            quality[k, 2] = light[0] - flux[k] if light[1] > 0.0 else 0.0
            quality[k, 3], quality[k, 4] = light[1], light[2]


@njit(cache=True, nogil=True, fastmath={"reassoc", "contract", "nsz"})
def _light(
    model: Any, weight: Any, stamp: Any, x: int, y: int, h: int
) -> tuple[float, float, float]:
    """Return the flux of all stars through one's profile, and the usable share of the latter.

    And Σ w²P³ / Σ wP², by which the variance of a flux grows with the star's own photons.
    """
    side, width, none = 2 * h + 1, compiled_row_width(h), np.float32(0.0)
    mixed, seen, whole, norm, own = none, none, none, none, none
    for j in range(side):
        row, left = y - h + j, x - h
        profile, stars = stamp[j * width : j * width + side], model[row, left : left + side]
        inverse = weight[row, left : left + side]
        for i in range(side):
            p = profile[i]
            used = p if inverse[i] > none else none
            whole += p * p
            seen += p * used
            mixed += used * stars[i]
            told = inverse[i] * p * p
            norm += told
            own += told * inverse[i] * p
    if not seen > none:
        return 0.0, 0.0, 0.0
    return float(mixed / seen), float(seen / whole), float(own / norm)


@njit(cache=True, nogil=True)
def _core_chi2(residual: Any, weight: Any, x: int, y: int, core: float) -> tuple[float, float]:
    """Return mean chi2 within ``core``, and the largest positive pull around the centre."""
    reach = int(core)
    total, used, largest = 0.0, 0, 0.0
    for j in range(y - reach, y + reach + 1):
        for i in range(x - reach, x + reach + 1):
            r2, w = (j - y) ** 2 + (i - x) ** 2, weight[j, i]
            if r2 > core * core or w <= 0.0:
                continue
            pull2 = w * residual[j, i] ** 2
            total += pull2
            used += 1
            if r2 <= 2 and residual[j, i] > 0.0:
                largest = max(largest, pull2)
    return (total / used if used else np.nan), math.sqrt(largest)
