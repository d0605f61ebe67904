"""From the reference plane to a frame's pixels."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from csstream.imaging.frames.frame import Frame
from csstream.imaging.reference.catalogue import ReferenceCatalogue, ReferenceStarTable
from csstream.imaging.registration import Affine, register, wcs_from_registration
from csstream.imaging.sky import pixel_positions

Float = npt.NDArray[np.float64]

MOST_STARS = 2000  # of the list, the brightest, whose pattern is looked for


def frame_wcs(
    frame: Frame, reference: ReferenceCatalogue, peaks: tuple[Float, Float, Float]
) -> tuple[Any, Affine | None]:
    """Return the frame's WCS, or one from the pattern of its bright stars ``peaks``.

    Raises
    ------
    FrameError
        ``not_registered``: there is no WCS, and the pattern is not found in the list.
    """
    if frame.wcs is not None:
        return frame.wcs, None
    stars = reference.stars
    brightest = np.argsort(-stars.flux, kind="stable")[:MOST_STARS]
    listed = (stars.x[brightest], stars.y[brightest], stars.flux[brightest])
    affine = register(*peaks, *listed)
    return wcs_from_registration(affine, reference.wcs, frame.shape), affine


def predicted(wcs: Any, stars: ReferenceStarTable) -> tuple[Float, Float]:
    """Return where a frame's WCS puts the stars, (n,) each [pixel]; nan where it cannot."""
    return pixel_positions(wcs, stars.ra, stars.dec)
