"""One-to-one matching of two lists by position."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from numba import njit
from scipy.spatial import cKDTree

Float = npt.NDArray[np.float64]
Int = npt.NDArray[np.int64]


def match_pixels(
    x1: npt.ArrayLike, y1: npt.ArrayLike, x2: npt.ArrayLike, y2: npt.ArrayLike, radius: float
) -> tuple[Int, Int, Float]:
    """Pair two lists in the plane, each entry at most once, closest pairs first.

    Parameters
    ----------
    x1, y1 : array, (n,) [pixel]
    x2, y2 : array, (m,) [pixel]
    radius : float [pixel]
        Largest distance of a pair, inclusive.

    Returns
    -------
    first, second : ndarray, (k,), int64
        Indices of the pairs, ordered by ``first``.
    distance : ndarray, (k,) [pixel]

    Notes
    -----
    Entries that are not finite match nothing. Swapping the lists swaps the pairs.
    """
    return _match(_points(x1, y1), _points(x2, y2), radius)


def match_sky(
    ra1: npt.ArrayLike,
    dec1: npt.ArrayLike,
    ra2: npt.ArrayLike,
    dec2: npt.ArrayLike,
    radius_arcsec: float,
) -> tuple[Int, Int, Float]:
    """Pair two lists on the sky [deg]; as :func:`match_pixels`, with distances in arcsec."""
    chord = 2.0 * np.sin(0.5 * np.radians(radius_arcsec / 3600.0))
    first, second, length = _match(unit_vectors(ra1, dec1), unit_vectors(ra2, dec2), chord)
    angle = 2.0 * np.arcsin(np.minimum(0.5 * length, 1.0))
    return first, second, np.degrees(angle) * 3600.0


def unit_vectors(ra: npt.ArrayLike, dec: npt.ArrayLike) -> Float:
    """Return (n, 3) unit vectors of positions in degrees."""
    a, d = np.radians(np.atleast_1d(ra)), np.radians(np.atleast_1d(dec))
    return np.stack([np.cos(d) * np.cos(a), np.cos(d) * np.sin(a), np.sin(d)], axis=1)


def _points(x: npt.ArrayLike, y: npt.ArrayLike) -> Float:
    return np.stack([np.atleast_1d(x), np.atleast_1d(y)], axis=1).astype(np.float64)


def _match(one: Float, two: Float, radius: float) -> tuple[Int, Int, Float]:
    good1 = np.flatnonzero(np.isfinite(one).all(axis=1))
    good2 = np.flatnonzero(np.isfinite(two).all(axis=1))
    if good1.size == 0 or good2.size == 0:
        none = np.empty(0, np.int64)
        return none, none.copy(), np.empty(0)
    near = cKDTree(one[good1]).sparse_distance_matrix(
        cKDTree(two[good2]), np.nextafter(radius, np.inf), output_type="ndarray"
    )
    first, second, distance = good1[near["i"]], good2[near["j"]], near["v"]
    # Ties are broken by place in the lists, alike for both, so that nothing depends on the tree.
    order = np.lexsort((np.maximum(first, second), first + second, distance))
    kept = _greedy(first[order], second[order], len(one), len(two))
    chosen = order[kept]
    chosen = chosen[np.argsort(first[chosen], kind="stable")]
    return first[chosen], second[chosen], distance[chosen]


@njit(cache=True, nogil=True)
def _greedy(first: Int, second: Int, n: int, m: int) -> npt.NDArray[np.bool_]:
    """Keep a pair if neither of its entries is in a pair kept before."""
    taken1, taken2 = np.zeros(n, np.bool_), np.zeros(m, np.bool_)
    kept = np.zeros(first.size, np.bool_)
    for k in range(first.size):
        if not (taken1[first[k]] or taken2[second[k]]):
            taken1[first[k]] = True
            taken2[second[k]] = True
            kept[k] = True
    return kept


@njit(cache=True, nogil=True)
def has_neighbour(x: Float, y: Float, radius: float) -> npt.NDArray[np.bool_]:
    """Tell which stars (n,) have another one nearer than ``radius``; those nowhere have none."""
    out = np.zeros(x.size, np.bool_)
    somewhere = np.isfinite(x) & np.isfinite(y)
    if np.sum(somewhere) > 1:
        out[somewhere] = _has_neighbour(x[somewhere], y[somewhere], radius)
    return out


@njit(cache=True, nogil=True)
def _has_neighbour(x: Float, y: Float, radius: float) -> npt.NDArray[np.bool_]:
    n = x.size
    out = np.zeros(n, np.bool_)
    low_x, low_y = x.min(), y.min()
    # Cells of the radius, or of a few stars where those would be too many.
    size = max(radius, np.sqrt((x.max() - low_x) * (y.max() - low_y) / n))
    columns, rows = int((x.max() - low_x) / size) + 1, int((y.max() - low_y) / size) + 1
    home = np.empty(n, np.int64)
    start = np.zeros(rows * columns + 1, np.int64)
    for k in range(n):
        home[k] = int((y[k] - low_y) / size) * columns + int((x[k] - low_x) / size)
        start[home[k] + 1] += 1
    start = np.cumsum(start)
    order = np.argsort(home, kind="mergesort")
    for k in range(n):
        row, column = home[k] // columns, home[k] % columns
        for r in range(max(row - 1, 0), min(row + 2, rows)):
            first = start[r * columns + max(column - 1, 0)]
            last = start[r * columns + min(column + 1, columns - 1) + 1]
            for t in range(first, last):
                b = order[t]
                near = (x[b] - x[k]) ** 2 + (y[b] - y[k]) ** 2 < radius * radius
                if near and b != k:
                    out[k] = True
    return out


def merge_close(x: Float, y: Float, flux: Float, radius: float) -> npt.NDArray[np.bool_]:
    """Return which stars to keep so that no two lie within ``radius`` [pixel].

    Brighter stars win; the fainter of a pair goes. (n,) bool.
    """
    keep = np.ones(x.size, np.bool_)
    if x.size < 2:
        return keep
    pairs = cKDTree(np.stack([x, y], axis=1)).query_pairs(radius, output_type="ndarray")
    rank = np.empty(x.size, np.int64)
    rank[np.argsort(-flux, kind="stable")] = np.arange(x.size)
    better = np.where(rank[pairs[:, 0]] < rank[pairs[:, 1]], pairs[:, 0], pairs[:, 1])
    worse = pairs[:, 0] + pairs[:, 1] - better
    order = np.argsort(rank[better], kind="stable")
    for b, w in zip(better[order], worse[order], strict=True):
        if keep[b]:
            keep[w] = False
    return keep
