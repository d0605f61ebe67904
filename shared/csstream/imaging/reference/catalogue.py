"""The reference catalogue: one fixed, deep, merged list of a field's stars.

The list is the same in all frames, so nobody's flux jumps when a neighbour is missed.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import Any

import numpy as np
import numpy.typing as npt

Float = npt.NDArray[np.float64]
Bool = npt.NDArray[np.bool_]


@dataclass(frozen=True, kw_only=True, eq=False)
class ReferenceStarTable:
    """The stars, by falling flux; all arrays (n,).

    ``x`` and ``y`` are pixels of the reference plane (``ReferenceCatalogue.wcs``), 0-based with
    centres at integers. Stars beyond the edge of any one frame are listed too.
    """

    object_id: npt.NDArray[np.int64]  # cell << 20 | number, number from 1, below 1 << 19
    ra: Float  # [deg] ICRS
    dec: Float  # [deg] ICRS
    x: Float  # [pixel]
    y: Float  # [pixel]
    position_err: Float  # [pixel] of the averaged position, per axis
    flux: Float  # [electron/s] at the catalogue's zero point
    flux_err: Float  # [electron/s]
    calibrator: Bool  # ties the zero point: bright, clean, steady
    neighbour_id: npt.NDArray[np.int64]  # the star whose light disturbs this one most; 0: none
    neighbour_share: Float  # that star's light under this one's profile, over this one's flux
    n_frames: npt.NDArray[np.int32]  # frames that it was found in; 0: on the stack alone
    flags: npt.NDArray[np.int32]  # csstream.imaging.frames.flags

    def __post_init__(self) -> None:
        lengths = {entry.name: len(getattr(self, entry.name)) for entry in fields(self)}
        if len(set(lengths.values())) > 1:
            raise ValueError(f"columns of ReferenceStarTable differ in length: {lengths}")

    def __len__(self) -> int:
        return len(self.object_id)

    def select(self, rows: Bool | npt.NDArray[np.int64]) -> ReferenceStarTable:
        """Return the rows chosen by a mask or by indices."""
        return ReferenceStarTable(**{e.name: getattr(self, e.name)[rows] for e in fields(self)})


COLUMNS: dict[str, tuple[type, str, str]] = {
    "object_id": (np.int64, "", "sky cell << 20 | number within the cell"),
    "ra": (np.float64, "deg", "right ascension, ICRS"),
    "dec": (np.float64, "deg", "declination, ICRS"),
    "x": (np.float64, "pix", "on the reference plane, 0-based, pixel centres at integers"),
    "y": (np.float64, "pix", "on the reference plane, 0-based, pixel centres at integers"),
    "position_err": (np.float64, "pix", "error of x and of y"),
    "flux": (np.float64, "electron / s", "at the catalogue's zero point"),
    "flux_err": (np.float64, "electron / s", ""),
    "calibrator": (np.bool_, "", "ties the zero point of each frame"),
    "neighbour_id": (np.int64, "", "star whose light disturbs this one most; 0: none"),
    "neighbour_share": (np.float64, "", "its light under this star's profile, over this flux"),
    "n_frames": (np.int32, "", "frames that it was found in; 0: on the stack alone"),
    "flags": (np.int32, "", "bits of csstream.imaging.frames.flags"),
}
"""Type, unit and meaning of every column, in the order of a file."""

NO_STARS = ReferenceStarTable(**{name: np.empty(0, kind[0]) for name, kind in COLUMNS.items()})


@dataclass(frozen=True, kw_only=True, eq=False)
class ReferenceCatalogue:
    """A field's stars in one band, and the plane that they are placed on."""

    version: str  # hash of the content: the same stars give the same version
    instrument: str
    band: str
    zero_point: float  # [mag] AB of one electron per second
    fwhm: float  # [pixel] of the frames that it was made of, median
    wcs: Any  # astropy WCS of the reference plane, TAN
    stars: ReferenceStarTable
    used: npt.NDArray[np.int64] = field(default_factory=lambda: np.zeros((0, 2), np.int64))
    """(m, 2): sky cells, and the highest number that a star of each ever had."""
    frames: int = 0  # that it was made of
    family: str = ""  # version of the first list of which this is a rebuild: ids mean the same
