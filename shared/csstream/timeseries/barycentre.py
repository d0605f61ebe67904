"""Times at the barycentre of the solar system: BJD (TDB) from MJD (TAI).

The observer is put at the centre of the Earth: an orbit or an observatory within 7000 km of it is
off by at most 0.024 s. Bending and delay of light by the Sun (below 0.2 ms) are left out. All
tables are inside erfa, so nothing is fetched and no time scale of the turning Earth is needed.
"""

from __future__ import annotations

import warnings
from typing import Any, Final

import erfa
import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]

MJD_ZERO: Final = 2_400_000.5  # [day] JD of MJD 0
DAY: Final = 86_400.0  # [s]
TT_MINUS_TAI: Final = 32.184  # [s]
LIGHT_DAY_AU: Final = 173.144_632_684_669_3  # [au] that light travels in a day


def bjd_tdb(mjd_tai: Array, ra: float, dec: float) -> Array:
    """Return when light that arrives at the Earth passes the barycentre's plane.

    Parameters
    ----------
    mjd_tai : ndarray, (m,), float64 [day], MJD in TAI
    ra, dec : float [deg], ICRS, direction of the star

    Returns
    -------
    ndarray, (m,), float64 [day]
        BJD in TDB, to its last digit of 40 microseconds. For a star within 0.5 arcmin of the
        direction it is off by at most 0.08 s.

    Notes
    -----
    Earth's place: Bretagnon's VSOP2000 as in erfa ``epv00``. TDB: Fairhead & Bretagnon (1990,
    A&A 229, 240) as in erfa ``dtdb`` for the geocentre.
    """
    times = np.asarray(mjd_tai, np.float64)
    tt = times + TT_MINUS_TAI / DAY
    seconds = np.asarray(erfa.dtdb(MJD_ZERO, tt, tt % 1.0, 0.0, 0.0, 0.0))
    tdb = tt + seconds / DAY
    with warnings.catch_warnings(), np.errstate(invalid="ignore"):
        warnings.simplefilter("ignore", erfa.ErfaWarning)  # before 1900 and after 2100: 20 km off
        barycentric = erfa.epv00(MJD_ZERO, tdb)[1]
    along = np.asarray(barycentric["p"]) @ _direction(ra, dec)  # [au]
    return np.asarray(MJD_ZERO + (tdb + along / LIGHT_DAY_AU), np.float64)


def _direction(ra: float, dec: float) -> Array:
    longitude, latitude = np.radians(ra), np.radians(dec)
    return np.array(
        [
            np.cos(latitude) * np.cos(longitude),
            np.cos(latitude) * np.sin(longitude),
            np.sin(latitude),
        ]
    )
