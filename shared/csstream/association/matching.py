"""Which star is it? One-to-one matching of the sources of a frame to known objects.

A source belongs to the nearest object within the match radius; a source has one object at most
and an object one source per frame. Conflicts are settled pair by pair in order of distance
(greedy, ties by source and then object): in a crowded field this loses fewer sources than mutual
nearest neighbours would, and the outcome does not depend on the grid.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from numba import njit

Array = npt.NDArray[Any]

NO_SLOT = -1
MIN_ERR, MAX_ERR = 0.005, 2.0  # [pixel] bounds of a believable position error
_MAX_BUCKETS = 4096  # along one side of the grid


def match(
    xi: Array, eta: Array, object_xi: Array, object_eta: Array, usable: Array, radius: float
) -> Array:
    """Return the slot of each source's object, int32 (n,); -1: none.

    Parameters
    ----------
    xi, eta : float64 (n,) [arcsec], source positions, finite
    object_xi, object_eta : float64 (m,) [arcsec], object positions
    usable : bool (m,), objects that may be matched
    radius : [arcsec] largest distance of a match, above 0
    """
    slots = np.full(len(xi), NO_SLOT, np.int32)
    index = np.flatnonzero(usable).astype(np.int32)
    if len(xi) == 0 or len(index) == 0:
        return slots
    x, y = object_xi[index], object_eta[index]
    grid = _grid(x, y, radius)
    start, order = _bucket(x, y, *grid)
    source, target, distance = _pairs(xi, eta, x, y, start, order, radius, *grid)
    ranked = np.argsort(distance, kind="stable")
    _assign(source[ranked], target[ranked], index, slots)
    return slots


def position_weights(x_err: Array, y_err: Array) -> Array:
    """Return inverse variances [1/pixel^2], float64 (n,), of positions with these errors [pixel].

    Errors that are not believable are cut; what is no number counts as the largest.
    """
    err = np.hypot(np.asarray(x_err, float), np.asarray(y_err, float)) / np.sqrt(2.0)
    err = np.where(np.isfinite(err), err, MAX_ERR)
    weights: Array = 1.0 / np.clip(err, MIN_ERR, MAX_ERR) ** 2
    return weights


def _grid(x: Array, y: Array, radius: float) -> tuple[float, float, float, int, int]:
    """Return x0, y0, step, nx, ny: about one object a bucket, none smaller than the radius."""
    x0, y0 = float(x.min()), float(y.min())
    width, height = float(x.max()) - x0, float(y.max()) - y0
    crowding = (width * height / len(x)) ** 0.5
    step = max(radius, crowding, max(width, height) / _MAX_BUCKETS)
    return x0, y0, step, int(width / step) + 1, int(height / step) + 1


@njit(cache=True, nogil=True)
def _bucket(
    x: Array, y: Array, x0: float, y0: float, step: float, nx: int, ny: int
) -> tuple[Array, Array]:
    """Return the start of each bucket, int32 (nx * ny + 1,), and the objects in bucket order."""
    start = np.zeros(nx * ny + 1, np.int32)
    where = np.empty(len(x), np.int32)
    for i in range(len(x)):
        where[i] = int((y[i] - y0) / step) * nx + int((x[i] - x0) / step)
        start[where[i] + 1] += 1
    for k in range(nx * ny):
        start[k + 1] += start[k]
    order = np.empty(len(x), np.int32)
    fill = start[:-1].copy()
    for i in range(len(x)):
        order[fill[where[i]]] = i
        fill[where[i]] += 1
    return start, order


@njit(cache=True, nogil=True)
def _pairs(
    xi: Array,
    eta: Array,
    x: Array,
    y: Array,
    start: Array,
    order: Array,
    radius: float,
    x0: float,
    y0: float,
    step: float,
    nx: int,
    ny: int,
) -> tuple[Array, Array, Array]:
    """Return source, object and squared distance of every pair within the radius."""
    source = np.empty(2 * len(xi) + 16, np.int32)
    target = np.empty(len(source), np.int32)
    distance = np.empty(len(source), np.float64)
    n = 0
    for i in range(len(xi)):
        bx, by = int(np.floor((xi[i] - x0) / step)), int(np.floor((eta[i] - y0) / step))
        for row in range(max(by - 1, 0), min(by + 2, ny)):
            for column in range(max(bx - 1, 0), min(bx + 2, nx)):
                bucket = row * nx + column
                for k in range(start[bucket], start[bucket + 1]):
                    j = order[k]
                    d = (xi[i] - x[j]) ** 2 + (eta[i] - y[j]) ** 2
                    if d > radius * radius:
                        continue
                    if n == len(source):
                        source = np.concatenate((source, np.empty_like(source)))
                        target = np.concatenate((target, np.empty_like(target)))
                        distance = np.concatenate((distance, np.empty_like(distance)))
                    source[n], target[n], distance[n] = i, j, d
                    n += 1
    return source[:n], target[:n], distance[:n]


@njit(cache=True, nogil=True)
def _assign(source: Array, target: Array, index: Array, slots: Array) -> None:
    """Give sources their objects, closest pair first."""
    taken = np.zeros(len(index), np.bool_)
    for k in range(len(source)):
        i, j = source[k], target[k]
        if slots[i] == NO_SLOT and not taken[j]:
            slots[i] = index[j]
            taken[j] = True
