"""The list gets its names, its calibrators, its neighbours, and its version."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from csstream.imaging.frames.flags import Flag
from csstream.imaging.psf.pixel_psf import PixelPsf
from csstream.imaging.reference.catalogue import ReferenceCatalogue, ReferenceStarTable
from csstream.imaging.reference.identity import numbered, sealed
from csstream.imaging.reference.listing import Listed
from csstream.imaging.reference.neighbours import strongest_neighbour
from csstream.imaging.sky import sky_positions

Float = npt.NDArray[np.float64]
Bool = npt.NDArray[np.bool_]
Int = npt.NDArray[np.int64]

SAME_STAR_FWHM = 0.5  # [FWHM] within which a star of an older list is the same
CALIBRATOR_SNR = (50.0, 20.0)  # in one frame; the lower one where there are too few
ENOUGH_CALIBRATORS = 20
CLEAN_SHARE = 0.05  # largest share of a neighbour's light in a calibrator's
STEADY_CHI2 = 3.0  # reduced, over the frames; or this often the bright stars' median
DISQUALIFIED = int(Flag.SATURATED | Flag.MASKED | Flag.POOR_FIT)


def named(
    listed: Listed,
    facts: ReferenceCatalogue,
    psf: PixelPsf,
    previous: ReferenceCatalogue | None,
) -> ReferenceCatalogue:
    """Return ``facts`` with the listed stars, named and in order of falling flux, as its list.

    Raises ValueError where ``previous`` is a list of another band.
    """
    if previous is not None and previous.band != facts.band:
        raise ValueError(
            f"the previous list is of band {previous.band!r}, the frames of {facts.band!r}"
        )
    plane = facts.wcs
    ra, dec = sky_positions(plane, listed.x, listed.y)
    radius = SAME_STAR_FWHM * psf.fwhm * pixel_arcsec(plane)
    object_id, used = numbered(ra, dec, listed.flux, previous, radius)
    neighbour, share = strongest_neighbour(listed.x, listed.y, listed.flux, psf)
    stars = ReferenceStarTable(
        object_id=object_id,
        ra=ra,
        dec=dec,
        x=listed.x,
        y=listed.y,
        position_err=listed.position_err,
        flux=listed.flux,
        flux_err=listed.flux_err,
        calibrator=calibrators(listed, share, facts.frames),
        neighbour_id=np.where(neighbour >= 0, object_id[neighbour], 0),
        neighbour_share=share,
        n_frames=listed.n_frames,
        flags=listed.flags,
    )
    family = "" if previous is None else previous.family
    return sealed(replace(facts, stars=stars, used=used, family=family))


def pixel_arcsec(wcs: Any) -> float:
    """Return the side of a pixel [arcsec]."""
    return math.sqrt(abs(float(np.linalg.det(wcs.pixel_scale_matrix)))) * 3600.0


def calibrators(listed: Listed, share: Float, frames: int) -> Bool:
    """Tell which stars tie a frame's zero point: bright, clean, steady, seen in every frame.

    Parameters
    ----------
    share : array, (n,)
        Of the strongest neighbour's light in a star's flux.
    frames : int
        That the list was made of; of a single one nothing can be said about steadiness.
    """
    clean = (share < CLEAN_SHARE) & (listed.flags & DISQUALIFIED == 0)
    snr = listed.flux / np.maximum(listed.single_err, 1e-30)
    if frames > 1:
        clean &= (listed.n_frames > 0.5 * frames) & np.isfinite(listed.chi2)
        # In changing seeing even constant stars scatter more than their errors say.
        usual = listed.chi2[clean & (snr > CALIBRATOR_SNR[-1])]
        limit = STEADY_CHI2 * max(1.0, float(np.median(usual)) if usual.size else 1.0)
        clean[clean] = listed.chi2[clean] < limit
    chosen = clean
    for least in CALIBRATOR_SNR:
        chosen = clean & (snr > least)
        if np.count_nonzero(chosen) >= ENOUGH_CALIBRATORS:
            break
    return np.asarray(chosen)
