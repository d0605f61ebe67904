"""What the stars of a reference catalogue must be before they are believed."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from csstream.imaging.reference.catalogue import COLUMNS, ReferenceStarTable
from csstream.imaging.reference.identity import LARGEST_NUMBER, OBJECT_BITS, cells_of

MAX_PIXEL = 1e6  # of the plane
MAX_FLUX = 1e12  # [electron/s]
POSITIVE = ("position_err", "flux", "flux_err")


class CatalogueError(ValueError):
    """A reference catalogue cannot be used, and reading it again will not help.

    Parameters
    ----------
    reason : str
        One word for machines; services pass it on.
    text : str
        What was wrong with which file.
    """

    def __init__(self, reason: str, text: str) -> None:
        super().__init__(text)
        self.reason = reason


def check_stars(stars: ReferenceStarTable, path: Path) -> None:
    """Raise CatalogueError ``bad_value`` where a value cannot be, naming column and row."""
    for name, (kind, _, _) in COLUMNS.items():
        if kind is np.float64:
            _check(name, np.isfinite(getattr(stars, name)), "is not finite", path)
    for name in POSITIVE:
        _check(name, getattr(stars, name) > 0.0, "is not positive", path)
    for name in ("x", "y"):
        _check(name, np.abs(getattr(stars, name)) < MAX_PIXEL, "lies far off the plane", path)
    _check("flux", stars.flux < MAX_FLUX, "is absurd", path)
    _check("neighbour_share", stars.neighbour_share >= 0.0, "is negative", path)
    _check("dec", np.abs(stars.dec) <= 90.0, "is beyond the pole", path)
    _check("ra", (stars.ra >= 0.0) & (stars.ra <= 360.0), "is not in 0..360", path)
    number = stars.object_id & ((1 << OBJECT_BITS) - 1)
    _check("object_id", (number > 0) & (number <= LARGEST_NUMBER), "has a bad number", path)
    own = cells_of(stars.ra, stars.dec) if len(stars) else stars.object_id
    _check("object_id", stars.object_id >> OBJECT_BITS == own, "is of another sky cell", path)
    _, first = np.unique(stars.object_id, return_index=True)
    once = np.zeros(len(stars), np.bool_)
    once[first] = True
    _check("object_id", once, "is there twice", path)
    known = (stars.neighbour_id == 0) | np.isin(stars.neighbour_id, stars.object_id)
    _check("neighbour_id", known, "is not in the list", path)


def _check(name: str, good: np.ndarray, what: str, path: Path) -> None:
    if not good.all():
        row = int(np.argmin(good))
        raise CatalogueError("bad_value", f"{path}: {name} of row {row} {what}")
