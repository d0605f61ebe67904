"""What a frame shows beyond the list: peaks of the residual, fitted to the residual alone.

The listed stars' fluxes stay as they are whether something is found or not; what is real comes
back in other frames and becomes an object by and by.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from csstream.imaging.fit.joint_fit import FitResult
from csstream.imaging.fit.residual_search import search_residual
from csstream.imaging.fit.single_stars import fit_one_by_one
from csstream.imaging.frames.frame import Frame
from csstream.imaging.matching import merge_close
from csstream.imaging.measure_settings import MeasureSettings
from csstream.imaging.psf_fit.estimate import PsfEstimate
from csstream.imaging.rounds import is_real

PRIOR = 0.3  # [pixel] of a peak's centre


def find_extras(
    frame: Frame,
    fit: FitResult,
    estimate: PsfEstimate,
    settings: MeasureSettings,
    excess: float = 1.0,
) -> FitResult:
    """Return the fit of what stands out of the residual of the list's fit.

    Peaks within one FWHM of a listed star, or of a brighter peak, are not looked at. ``excess`` is
    the factor by which the frame's noise exceeds its photons'.
    """
    psf = estimate.psf.central
    found = search_residual(
        fit.residual,
        fit.weight,
        psf,
        (fit.x, fit.y),
        threshold=excess * settings.extras_snr if settings.extras_snr > 0.0 else np.inf,
        closest=settings.second_look_far * psf.fwhm,
    )
    found = found.select(merge_close(found.x, found.y, found.flux, psf.fwhm))
    extras = fit_one_by_one(fit, frame.image, psf, found.x, found.y, found.flux, PRIOR)
    extras = replace(extras, flux_err=excess * extras.flux_err)
    real = is_real(extras, estimate.error, frame.shape, settings.extras_snr, settings)
    return extras.select(real)
