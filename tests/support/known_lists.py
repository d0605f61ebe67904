"""Reference catalogues made of known stars."""

import numpy as np
from astropy.wcs import WCS

from csstream.imaging.reference.catalogue import ReferenceCatalogue, ReferenceStarTable

ZERO_POINT = 25.0
SCALE = 0.1 / 3600.0  # [deg/pixel]


def tan_wcs(crpix=(81.0, 81.0)):
    wcs = WCS(naxis=2)
    wcs.wcs.ctype = ["RA---TAN", "DEC--TAN"]
    wcs.wcs.crval = [30.0, -20.0]
    wcs.wcs.crpix = crpix
    wcs.wcs.cdelt = [-SCALE, SCALE]
    wcs.wcs.radesys = "ICRS"
    wcs.wcs.set()
    return wcs


def listed(x, y, flux, *, wcs=None, calibrator=None):
    """A catalogue of stars at pixels of ``wcs`` with fluxes in electron/s, by falling flux."""
    wcs = tan_wcs() if wcs is None else wcs
    order = np.argsort(-np.asarray(flux, np.float64), kind="stable")
    x, y, flux = (np.asarray(v, np.float64)[order] for v in (x, y, flux))
    n = x.size
    ra, dec = wcs.pixel_to_world_values(x, y)
    stars = ReferenceStarTable(
        object_id=order + 1,
        ra=np.asarray(ra),
        dec=np.asarray(dec),
        x=x,
        y=y,
        position_err=np.full(n, 0.003),
        flux=flux,
        flux_err=0.002 * flux,
        calibrator=np.ones(n, bool) if calibrator is None else np.asarray(calibrator)[order],
        neighbour_id=np.zeros(n, np.int64),
        neighbour_share=np.zeros(n),
        n_frames=np.full(n, 20, np.int32),
        flags=np.zeros(n, np.int32),
    )
    return ReferenceCatalogue(
        version="test", instrument="simulated", band="i", zero_point=ZERO_POINT, fwhm=2.0, wcs=wcs,
        stars=stars,
    )  # fmt: skip
