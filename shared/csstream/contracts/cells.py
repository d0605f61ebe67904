"""The sky in cells: HEALPix, nested, order 12 (about 51 arcsec), ICRS degrees.

A cell's history lives in one partition, so the partition is computed, never hashed.
"""

from __future__ import annotations

from typing import Final, TypeVar

import astropy.units as u
import numpy as np
import numpy.typing as npt
from astropy_healpix.core import boundaries_lonlat, healpix_to_lonlat, lonlat_to_healpix, neighbours

ORDER: Final = 12
NSIDE: Final = 2**ORDER
N_CELLS: Final = 12 * NSIDE**2
OBJECT_BITS: Final = 20  # an object's id is its cell << 20 | its number within the cell
MAX_MARGIN_ARCSEC: Final = 15.0  # beyond it, cells that do not touch would have to be looked at

_ARCSEC: Final = np.deg2rad(1.0 / 3600.0)
_EDGE_PAD: Final = 0.005 * _ARCSEC  # edges bend by less than this between two points of them
_BEND: Final = 0.0022 * _ARCSEC  # whole edges bend by less than this / cos(dec)
_MIN_HEIGHT: Final = 0.65 / NSIDE  # [rad] between opposite edges of the most oblique cell

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
IntOrInts = TypeVar("IntOrInts", int, Ints)


def cells_of(ra: npt.ArrayLike, dec: npt.ArrayLike) -> Ints:
    """Cells (n,) of positions ``ra``, ``dec`` (n,) [deg]. ValueError where one is not finite."""
    return _cells_and_offsets(ra, dec)[0]


def centre_of(cell: int) -> tuple[float, float]:
    """Centre (ra, dec) of a cell [deg]; no place in it is farther away than 0.75 arcmin."""
    lon, lat = healpix_to_lonlat(np.array([cell]), NSIDE, order="nested")
    return float(lon.to_value(u.deg)[0]), float(lat.to_value(u.deg)[0])


def partition_of(cell: IntOrInts, n_partitions: int) -> IntOrInts:
    """Partition of a cell, or of each of an array of cells: ``cell % n_partitions``."""
    if n_partitions < 1:
        raise ValueError(f"a topic has at least one partition, not {n_partitions}")
    return cell % n_partitions


def cells_with_margin(
    ra: npt.ArrayLike, dec: npt.ArrayLike, margin_arcsec: float
) -> tuple[Ints, Ints]:
    """Every source in its own cell and in each other cell that it lies within the margin of.

    Returns ``(source_index, cell)``, both (k,), ordered by cell and then by source. A source
    within ``margin_arcsec`` of a cell is never left out; one up to 0.005 arcsec beyond the margin
    may be included. ValueError for a margin that is negative or above ``MAX_MARGIN_ARCSEC``.
    """
    if not 0.0 <= margin_arcsec <= MAX_MARGIN_ARCSEC:
        raise ValueError(f"margin {margin_arcsec} arcsec is not in [0, {MAX_MARGIN_ARCSEC}]")
    own, edge_distance = _cells_and_offsets(ra, dec)
    margin = margin_arcsec * _ARCSEC
    near = np.flatnonzero(edge_distance * _MIN_HEIGHT <= margin)
    source, cell = _beyond_own(np.asarray(ra)[near], np.asarray(dec)[near], own[near], margin)
    sources = np.concatenate([np.arange(own.size, dtype=np.int64), near[source]])
    cells = np.concatenate([own, cell])
    order = np.lexsort((sources, cells))
    return sources[order], cells[order]


def _cells_and_offsets(ra: npt.ArrayLike, dec: npt.ArrayLike) -> tuple[Ints, Floats]:
    """Cells, and the least distance to an edge of the cell as a fraction of its size."""
    ra, dec = np.atleast_1d(np.asarray(ra, float)), np.atleast_1d(np.asarray(dec, float))
    if not (np.all(np.isfinite(ra)) and np.all(np.abs(dec) <= 90.0)):
        raise ValueError("positions must be finite, with dec in [-90, 90] deg")
    cell, dx, dy = lonlat_to_healpix(
        ra * u.deg, dec * u.deg, NSIDE, return_offsets=True, order="nested"
    )
    edge = np.minimum(np.minimum(dx, 1.0 - dx), np.minimum(dy, 1.0 - dy))
    return np.asarray(cell, np.int64), edge


def _beyond_own(ra: Floats, dec: Floats, own: Ints, margin: float) -> tuple[Ints, Ints]:
    """Pairs (source, neighbouring cell) that are within ``margin`` [rad] of each other."""
    cells, cell_index = np.unique(own, return_inverse=True)
    with np.errstate(invalid="ignore"):
        around = neighbours(cells, NSIDE, order="nested").T[cell_index]  # (n, 8)
    source, column = np.nonzero(around >= 0)  # cells at the twelve faces' corners have seven
    beside = around[source, column]
    unique, beside_index = np.unique(beside, return_inverse=True)
    outlines = _outlines(unique, _points_per_edge(dec))
    position = _unit_vectors(ra, dec)
    close = np.zeros(source.size, bool)
    for first in range(0, source.size, 1 << 17):  # bounds the memory taken
        part = slice(first, first + (1 << 17))
        distance = _distance(position[source[part]], outlines[beside_index[part]])
        close[part] = distance <= margin + _EDGE_PAD
    return source[close].astype(np.int64), beside[close].astype(np.int64)


def _points_per_edge(dec: Floats) -> int:
    """How many straight pieces follow the bend of an edge; many only close to the poles."""
    cos_dec = np.cos(np.deg2rad(np.abs(dec).max(initial=0.0))) + 0.5 / NSIDE
    return int(np.ceil(np.sqrt(_BEND / cos_dec / _EDGE_PAD)))


def _outlines(cells: Ints, points: int) -> Floats:
    """Unit vectors (n, 4 * points, 3) around each cell."""
    lon, lat = boundaries_lonlat(cells, points, NSIDE, order="nested")
    return _unit_vectors(lon.to_value(u.deg), lat.to_value(u.deg))


def _unit_vectors(ra: Floats, dec: Floats) -> Floats:
    lon, lat = np.deg2rad(ra), np.deg2rad(dec)
    cos_lat = np.cos(lat)
    return np.stack([cos_lat * np.cos(lon), cos_lat * np.sin(lon), np.sin(lat)], axis=-1)


def _distance(position: Floats, outlines: Floats) -> Floats:
    """Distance [rad] of positions (n, 3) to the edges of polygons (n, k, 3)."""
    start = outlines - position[:, None, :]  # small differences: chords equal angles here
    edge = np.roll(outlines, -1, axis=1) - outlines
    along = -np.einsum("nki,nki->nk", start, edge) / np.einsum("nki,nki->nk", edge, edge)
    nearest = start + np.clip(along, 0.0, 1.0)[:, :, None] * edge
    squared: Floats = np.einsum("nki,nki->nk", nearest, nearest).min(axis=1)
    return np.sqrt(squared)
