"""A reference catalogue from known stars: what a campaign would list that had found them all."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.spatial import cKDTree

from csstream.imaging.matching import merge_close
from csstream.imaging.reference.catalogue import ReferenceCatalogue, ReferenceStarTable
from csstream.imaging.sky import sky_positions
from csstream.instruments.instrument import Instrument
from csstream.simulation.catalogue import StarCatalogue

Float = npt.NDArray[np.float64]

MERGED = 0.4  # [pixel] closer pairs are one star
CALIBRATORS = (18.2, 22.0)  # [mag]


def known_catalogue(
    stars: StarCatalogue,
    instrument: Instrument,
    wcs: Any,
    *,
    limit: float = 26.0,
    fwhm: float = 2.0,
    errors: tuple[Float, Float] | None = None,
    rng: np.random.Generator | None = None,
) -> ReferenceCatalogue:
    """Return the catalogue of all stars brighter than ``limit``, close pairs merged.

    Parameters
    ----------
    stars : StarCatalogue
        In pixels of the plane of ``wcs``.
    errors : (relative flux error, position error [pixel]), (n,) each, optional
        Of the stars; drawn with ``rng``. Without them the list is exact.
    """
    x, y, rate, number = _merged(stars, instrument, limit)
    none = np.zeros(number.size)
    by_flux, by_place = (none, none) if errors is None else (e[number] for e in errors)
    draws = np.zeros((3, x.size)) if rng is None else rng.standard_normal((3, x.size))
    x, y = x + by_place * draws[0], y + by_place * draws[1]
    flux = rate * (1.0 + by_flux * draws[2])
    order = np.argsort(-flux, kind="stable")
    ra, dec = sky_positions(wcs, x, y)
    zero_point = instrument.photometry.zero_point
    mag = zero_point - 2.5 * np.log10(rate)
    table = ReferenceStarTable(
        object_id=number + 1,
        ra=ra,
        dec=dec,
        x=x,
        y=y,
        position_err=by_place,
        flux=flux,
        flux_err=by_flux * rate,
        calibrator=(mag > CALIBRATORS[0]) & (mag < CALIBRATORS[1]),
        neighbour_id=np.zeros(x.size, np.int64),
        neighbour_share=none,
        n_frames=np.ones(x.size, np.int32),
        flags=np.zeros(x.size, np.int32),
    )
    return ReferenceCatalogue(
        version="known",
        instrument=instrument.name,
        band=instrument.band,
        zero_point=zero_point,
        fwhm=fwhm,
        wcs=wcs,
        stars=table.select(order),
    )


def _merged(
    stars: StarCatalogue, instrument: Instrument, limit: float
) -> tuple[Float, Float, Float, npt.NDArray[np.int64]]:
    """Places, electron/s and rows of the stars, the light of close pairs added up."""
    rows = np.flatnonzero(stars.mag < limit)
    x, y = stars.x[rows], stars.y[rows]
    rate = 10.0 ** (-0.4 * (stars.mag[rows] - instrument.photometry.zero_point))
    keep = merge_close(x, y, rate, MERGED)
    _, home = cKDTree(np.column_stack([x, y])[keep]).query(np.column_stack([x, y]))
    home = np.where(keep, np.cumsum(keep) - 1, home)
    total, sum_x, sum_y = (np.bincount(home, rate * v) for v in (np.ones(x.size), x, y))
    return sum_x / total, sum_y / total, total.astype(np.float64), rows[keep]
