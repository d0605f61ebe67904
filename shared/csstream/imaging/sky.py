"""Pixels to ICRS positions, for any celestial WCS."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

Float = npt.NDArray[np.float64]


def sky_positions(wcs: Any, x: npt.ArrayLike, y: npt.ArrayLike) -> tuple[Float, Float]:
    """Return ICRS (ra, dec) [deg] of 0-based pixels; Galactic and FK5 frames are converted.

    ``wcs`` None gives nan: the position is not known.
    """
    xs, ys = np.atleast_1d(np.asarray(x, np.float64)), np.atleast_1d(np.asarray(y, np.float64))
    if wcs is None or xs.size == 0:
        return np.full(xs.shape, np.nan), np.full(xs.shape, np.nan)
    if _plain(wcs):
        ra, dec = wcs.pixel_to_world_values(xs, ys)
        return np.asarray(ra, np.float64), np.asarray(dec, np.float64)
    position = wcs.pixel_to_world(xs, ys).icrs
    return np.asarray(position.ra.deg), np.asarray(position.dec.deg)


def pixel_positions(wcs: Any, ra: npt.ArrayLike, dec: npt.ArrayLike) -> tuple[Float, Float]:
    """Return 0-based pixels (x, y) of ICRS positions [deg]; nan where there is none."""
    from astropy.coordinates import SkyCoord

    if _plain(wcs):
        x, y = wcs.world_to_pixel_values(np.atleast_1d(ra), np.atleast_1d(dec))
        return np.asarray(x, np.float64), np.asarray(y, np.float64)
    x, y = wcs.world_to_pixel(SkyCoord(ra, dec, unit="deg", frame="icrs"))
    return np.atleast_1d(x).astype(np.float64), np.atleast_1d(y).astype(np.float64)


def _plain(wcs: Any) -> bool:
    """Tell whether a WCS's own values are ICRS right ascension and declination, in this order."""
    kinds = [str(kind)[:4] for kind in wcs.wcs.ctype]
    return wcs.wcs.radesys == "ICRS" and kinds == ["RA--", "DEC-"]
