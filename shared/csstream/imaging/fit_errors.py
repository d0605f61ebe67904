"""Standard errors of the joint fit: local inverses of the normal matrix.

The inverse of the whole matrix is too large. A star's errors come from the inverse over itself
and its nearest neighbours, so what blending costs is in them.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt
from numba import njit

Float = npt.NDArray[np.float64]
Single = npt.NDArray[np.float32]
Int = npt.NDArray[np.int64]


@njit(cache=True, nogil=True)
def neighbour_lists(n: int, first: Int, second: Int) -> tuple[Int, Int]:
    """Return CSR (start, pair) of the pairs of each star, in the order of the pairs."""
    start = np.zeros(n + 1, np.int64)
    for q in range(first.size):
        start[first[q] + 1] += 1
        start[second[q] + 1] += 1
    start = np.cumsum(start)
    fill = start[:-1].copy()
    pair = np.empty(2 * first.size, np.int64)
    for q in range(first.size):
        for k in (first[q], second[q]):
            pair[fill[k]] = q
            fill[k] += 1
    return start, pair


@njit(cache=True, nogil=True)
def local_errors(
    diagonal: Float,
    blocks: Single,
    first: Int,
    second: Int,
    start: Int,
    pair: Int,
    x: Float,
    y: Float,
    radius: float,
    most: int,
    errors: Float,
    ridge: float = 1e-7,
) -> None:
    """Write (n, 3) standard errors: the inverse over a star and its neighbours in ``radius``.

    A fourth column gets the flux error with the star's own position known.

    At most the ``most`` nearest neighbours are taken; a local matrix that is not positive
    definite gives nan. ``ridge``, relative to the diagonal, is what rounding asks for: single
    precision unless said.
    """
    n = x.size
    members = np.empty(most + 1, np.int64)
    distance = np.empty(most + 1)
    slot = np.full(n, -1, np.int64)
    for k in range(n):
        members[0], distance[0], count = k, 0.0, 1
        for t in range(start[k], start[k + 1]):
            other = second[pair[t]] if first[pair[t]] == k else first[pair[t]]
            d = math.hypot(x[other] - x[k], y[other] - y[k])
            if d > radius:
                continue
            at = count
            if count == most + 1:
                if d >= distance[most]:
                    continue
                at = most
            else:
                count += 1
            while at > 1 and distance[at - 1] > d:
                members[at], distance[at] = members[at - 1], distance[at - 1]
                at -= 1
            members[at], distance[at] = other, d
        matrix = np.zeros((3 * count, 3 * count))
        for m in range(count):
            slot[members[m]] = m
            matrix[3 * m : 3 * m + 3, 3 * m : 3 * m + 3] = diagonal[members[m]]
        for m in range(count):
            for t in range(start[members[m]], start[members[m] + 1]):
                q = pair[t]
                if first[q] == members[m] and slot[second[q]] >= 0:
                    o = slot[second[q]]
                    for r in range(3):
                        for c in range(3):
                            matrix[3 * m + r, 3 * o + c] = blocks[q, r, c]
                            matrix[3 * o + c, 3 * m + r] = blocks[q, r, c]
        for m in range(count):
            slot[members[m]] = -1
        _corner_errors(matrix, ridge, errors[k])


@njit(cache=True, nogil=True)
def _corner_errors(matrix: Any, ridge: float, out: Any) -> None:
    """Square roots of the first three diagonal elements of the inverse, by Cholesky.

    Where ``out`` has a fourth place, it gets the first parameter's error with the next two known.
    """
    n = matrix.shape[0]
    scale = np.empty(n)
    for i in range(n):
        if not matrix[i, i] > 0.0:
            scale[i] = 0.0
            if i < 3:
                out[:] = np.nan
                return
            matrix[i, i] = 1.0
        else:
            scale[i] = 1.0 / math.sqrt(matrix[i, i])
    for i in range(n):
        for j in range(n):
            if i != j:
                matrix[i, j] *= scale[i] * scale[j]
        matrix[i, i] = 1.0 + ridge
    for j in range(n):
        for k in range(j):
            matrix[j, j] -= matrix[j, k] * matrix[j, k]
        if not matrix[j, j] > 0.0:
            out[:] = np.nan
            return
        matrix[j, j] = math.sqrt(matrix[j, j])
        for i in range(j + 1, n):
            for k in range(j):
                matrix[i, j] -= matrix[i, k] * matrix[j, k]
            matrix[i, j] /= matrix[j, j]
    columns = np.zeros((3, n))
    for p in range(3):
        total = 0.0
        for i in range(p, n):
            value = 1.0 if i == p else 0.0
            for k in range(p, i):
                value -= matrix[i, k] * columns[p, k]
            columns[p, i] = value / matrix[i, i]
            total += columns[p, i] * columns[p, i]
        out[p] = math.sqrt(total) * scale[p]
    if out.size > 3:
        out[3] = _error_in_place(columns) * scale[0]


@njit(cache=True, nogil=True)
def _error_in_place(columns: Any) -> float:
    """Error of the first parameter with the next two known, from columns of a triangular inverse.

    The covariance of the three is the Gram matrix of the columns (3, n).
    """
    a, b, c = columns[0], columns[1], columns[2]
    bb, bc, cc, ab, ac = (b * b).sum(), (b * c).sum(), (c * c).sum(), (a * b).sum(), (a * c).sum()
    known = (ab * ab * cc - 2.0 * ab * ac * bc + ac * ac * bb) / (bb * cc - bc * bc)
    return math.sqrt(max((a * a).sum() - known, 0.0))


@njit(cache=True, nogil=True)
def isolated_information(
    empty: Float,
    usable: npt.NDArray[np.bool_],
    flux: Float,
    anchor_x: Int,
    anchor_y: Int,
    half: Int,
    offset: Int,
    stamps: Float,
    diagonal: Float,
) -> None:
    """Write each star's own block (n, 3, 3) as if it stood alone on the variance ``empty``."""
    ny, nx = empty.shape
    row = np.empty(3)
    for k in range(flux.size):
        h, f = half[k], flux[k]
        block = diagonal[k]
        block[:] = 0.0
        for j in range(max(anchor_y[k] - h, 0), min(anchor_y[k] + h + 1, ny)):
            base = offset[k] + (j - anchor_y[k] + h) * (2 * h + 1) - anchor_x[k] + h
            for i in range(max(anchor_x[k] - h, 0), min(anchor_x[k] + h + 1, nx)):
                if not usable[j, i]:
                    continue
                row[0] = stamps[0, base + i]
                row[1], row[2] = f * stamps[1, base + i], f * stamps[2, base + i]
                w = 1.0 / (empty[j, i] + max(f * row[0], 0.0))
                for r in range(3):
                    for c in range(3):
                        block[r, c] += w * row[r] * row[c]
