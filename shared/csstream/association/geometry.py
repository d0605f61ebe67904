"""Sky positions as flat coordinates about the centre of a cell."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from astropy import units as u
from astropy_healpix import HEALPix

from csstream.contracts import cells

Array = npt.NDArray[Any]
ARCSEC_PER_DEGREE = 3600.0
ARCSEC_PER_RADIAN = float(np.degrees(1.0)) * ARCSEC_PER_DEGREE


class TangentPlane:
    """Gnomonic projection about the centre of one cell, in arcseconds.

    Two neighbouring cells have different planes; over a cell and its margin (a minute of arc)
    a distance differs between them by less than one part in ten million.
    """

    def __init__(self, cell: int) -> None:
        self.ra0, self.dec0 = cell_centre(cell)

    def project(self, ra: Array, dec: Array) -> tuple[Array, Array]:
        """Return xi, eta [arcsec] of positions ra, dec [deg], all float64 (n,)."""
        a = np.radians(np.asarray(ra, float) - np.degrees(self.ra0))
        d = np.radians(np.asarray(dec, float))
        cosc = np.sin(self.dec0) * np.sin(d) + np.cos(self.dec0) * np.cos(d) * np.cos(a)
        xi = np.cos(d) * np.sin(a) / cosc
        eta = (np.cos(self.dec0) * np.sin(d) - np.sin(self.dec0) * np.cos(d) * np.cos(a)) / cosc
        return xi * ARCSEC_PER_RADIAN, eta * ARCSEC_PER_RADIAN

    def unproject(self, xi: Array, eta: Array) -> tuple[Array, Array]:
        """Return ra in [0, 360), dec [deg] of xi, eta [arcsec]."""
        x = np.asarray(xi, float) / ARCSEC_PER_RADIAN
        y = np.asarray(eta, float) / ARCSEC_PER_RADIAN
        flat = np.cos(self.dec0) - y * np.sin(self.dec0)
        ra = self.ra0 + np.arctan2(x, flat)
        dec = np.arctan2(np.sin(self.dec0) + y * np.cos(self.dec0), np.hypot(flat, x))
        return np.mod(np.degrees(ra), 360.0), np.degrees(dec)


def cell_centre(cell: int) -> tuple[float, float]:
    """Return ra, dec [radian] of the centre of a cell."""
    lon, lat = HEALPix(nside=2**cells.ORDER, order="nested").healpix_to_lonlat(cell)
    return float(lon.to_value(u.rad)), float(lat.to_value(u.rad))
