"""What a frame shows beyond the list: peaks of the residual, fitted to the residual alone.

The listed stars' fluxes stay as they are whether something is found or not; what is real comes
back in other frames and becomes an object by and by.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from csstream.imaging.fit.joint_fit import FitResult, FitSettings, joint_fit
from csstream.imaging.fit.residual_search import search_residual
from csstream.imaging.fit.rounds import is_real
from csstream.imaging.frames.frame import Frame
from csstream.imaging.measure_settings import MeasureSettings
from csstream.imaging.psf.estimate import PsfEstimate

Float = npt.NDArray[np.float64]

PRIOR = 0.2  # [pixel] of a peak's centre
ITERATIONS = 3


def find_extras(
    frame: Frame, fit: FitResult, estimate: PsfEstimate, settings: MeasureSettings
) -> FitResult:
    """Return the fit of what stands out of the residual of the list's fit."""
    found = search_residual(
        fit.residual,
        fit.weight,
        estimate.psf.central,
        (fit.x, fit.y),
        threshold=settings.extras_snr if settings.extras_snr > 0.0 else np.inf,
        closest=settings.second_look_far * estimate.psf.fwhm,
    )
    options = FitSettings(
        iterations=ITERATIONS,
        position_prior=PRIOR,
        psf_error=max(estimate.error, settings.least_psf_error),
        background_mesh=0,
        threads=settings.threads,
    )
    light = fit.residual + fit.background
    extras = joint_fit(
        light, frame.mask, fit.background, estimate.psf, found.x, found.y, found.flux,
        read_noise=frame.read_noise, settings=options, noise_scale=_noise_of_stars(frame, fit),
    )  # fmt: skip
    real = is_real(extras, estimate.error, frame.shape, settings.extras_snr, settings)
    return extras.select(real)


def _noise_of_stars(frame: Frame, fit: FitResult) -> npt.NDArray[np.float32]:
    """The noise of each pixel over that of sky and read-out; one where masked."""
    empty = np.maximum(fit.background, 0.0) + max(frame.read_noise, 0.1) ** 2
    ratio = np.where(fit.weight > 0.0, 1.0 / np.maximum(fit.weight * empty, 1e-30), 1.0)
    return np.sqrt(np.maximum(ratio, 1.0)).astype(np.float32)
