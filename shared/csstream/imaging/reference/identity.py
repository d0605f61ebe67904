"""Names of stars and of lists: object ids, the version, and what became of an older list's."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, fields, replace
from typing import Any

import astropy.units as u
import numpy as np
import numpy.typing as npt
from astropy_healpix.core import lonlat_to_healpix

from csstream.imaging.matching import match_sky
from csstream.imaging.reference.catalogue import ReferenceCatalogue, ReferenceStarTable

Float = npt.NDArray[np.float64]
Int = npt.NDArray[np.int64]

NSIDE = 2**12  # the stream's cells, HEALPix nested; a test holds both together
OBJECT_BITS = 20
LARGEST_NUMBER = (1 << 19) - 1


class TooManyStarsError(ValueError):
    """A cell of the sky has more stars than there are numbers."""


@dataclass(frozen=True, kw_only=True, eq=False)
class CrossMatch:
    """What became of each star of two lists; all arrays (n,)."""

    old_id: Int  # 0: a new star
    new_id: Int  # 0: a lost star
    separation: Float  # [arcsec]; nan where there is no pair


def cells_of(ra: Float, dec: Float) -> Int:
    """Return the sky cells (n,) of positions [deg]."""
    cell = lonlat_to_healpix(ra * u.deg, dec * u.deg, NSIDE, order="nested")
    return np.atleast_1d(np.asarray(cell, np.int64))


def numbered(
    ra: Float, dec: Float, flux: Float, previous: ReferenceCatalogue | None, radius: float
) -> tuple[Int, Int]:
    """Give every star an id: its cell, and a number within it by falling flux.

    Parameters
    ----------
    ra, dec : array, (n,) [deg]
    flux : array, (n,)
    previous : ReferenceCatalogue, optional
        Stars of it keep their ids, unless they have moved over the edge of a cell. New ones get
        numbers beyond the highest that was ever used.
    radius : float [arcsec]
        Within which a star of the previous list is the same star.

    Returns
    -------
    object_id : ndarray, (n,), int64
    used : ndarray, (m, 2), int64
        Cells, rising, and the highest number ever used in each.
    """
    cell = cells_of(ra, dec)
    object_id = np.zeros(cell.size, np.int64)
    used: dict[int, int] = {}
    if previous is not None:
        used = {int(c): int(n) for c, n in previous.used}
        stars = previous.stars
        new, old, _ = match_sky(ra, dec, stars.ra, stars.dec, radius)
        stays = stars.object_id[old] >> OBJECT_BITS == cell[new]
        object_id[new[stays]] = stars.object_id[old[stays]]
    for each in np.unique(cell):
        rows = np.flatnonzero((cell == each) & (object_id == 0))
        order = rows[np.argsort(-flux[rows], kind="stable")]
        last = used.get(int(each), 0)
        used[int(each)] = last + order.size
        if last + order.size > LARGEST_NUMBER:
            raise TooManyStarsError(
                f"cell {each} would get number {last + order.size}, the largest is "
                f"{LARGEST_NUMBER}: start afresh, without a previous list"
            )
        object_id[order] = (int(each) << OBJECT_BITS) + last + 1 + np.arange(order.size)
    return object_id, np.array(sorted(used.items()), np.int64).reshape(-1, 2)


def sealed(catalogue: ReferenceCatalogue) -> ReferenceCatalogue:
    """Return the catalogue with the version that its content has.

    One that names no family is the first of its own.
    """
    version = version_of(replace(catalogue, version=""))
    return replace(catalogue, version=version, family=catalogue.family or version)


def version_of(catalogue: ReferenceCatalogue) -> str:
    """Return the hash of a list's content: 16 hexadecimal digits of SHA-256."""
    c = catalogue
    facts: tuple[Any, ...] = (c.instrument, c.band)
    facts += (float(c.zero_point), float(c.fwhm), int(c.frames))
    if c.family not in ("", c.version):  # a rebuild; the first of a family is named by this hash
        facts = (*facts, c.family)
    digest = hashlib.sha256("|".join(map(repr, facts)).encode())
    digest.update(plane_header(c.wcs).encode())
    for entry in fields(ReferenceStarTable):
        column = np.ascontiguousarray(getattr(c.stars, entry.name))
        digest.update(column.astype(column.dtype.newbyteorder("<")).tobytes())
    digest.update(c.used.astype("<i8").tobytes())
    return digest.hexdigest()[:16]


def plane_header(wcs: Any) -> str:
    """Return the reference plane as FITS header cards, each 80 characters."""
    return str(wcs.to_header().tostring(endcard=False, padding=False))


def cross_match(old: ReferenceCatalogue, new: ReferenceCatalogue, radius: float) -> CrossMatch:
    """Pair two lists: first by id, then by position within ``radius`` [arcsec].

    Rows: pairs and new stars in the order of the new list, then lost ones in the old one's.
    """
    one, two = old.stars, new.stars
    first, second, apart = match_sky(one.ra, one.dec, two.ra, two.dec, radius)
    old_id, separation = np.zeros(len(two), np.int64), np.full(len(two), np.nan)
    old_id[second], separation[second] = one.object_id[first], apart
    lost = np.setdiff1d(np.arange(len(one)), first)
    return CrossMatch(
        old_id=np.concatenate([old_id, one.object_id[lost]]),
        new_id=np.concatenate([two.object_id, np.zeros(lost.size, np.int64)]),
        separation=np.concatenate([separation, np.full(lost.size, np.nan)]),
    )
