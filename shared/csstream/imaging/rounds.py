"""The joint fit in rounds: fit, adjust the PSF, look for what was hidden, and fit again.

The candidates' positions hold the first round together; what the fit has found out by itself is
worth more than they are, so each further round starts from its predecessor and is held less.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from csstream.imaging.finding.candidates import Candidates
from csstream.imaging.fit.joint_fit import FitResult, FitSettings, joint_fit
from csstream.imaging.fit.residual_search import search_residual
from csstream.imaging.frames.background import noise_scale
from csstream.imaging.frames.frame import Frame, Image
from csstream.imaging.measure_settings import MeasureSettings
from csstream.imaging.psf_fit.estimate import PsfEstimate, adjust_psf, psf_change
from csstream.imaging.psf_fit.wings import with_wings

WELL_KNOWN = 0.012  # relative error of a PSF
SETTLED = 0.01  # relative change of the PSF's peak below which the fit made with it stands
MOST_REFITS = 3
REFIT_ITERATIONS = 3
LEAST_SHARE = 0.05  # of a star's information that must lie in usable pixels
WINGS_SNR = 50.0  # a star is real without its core when its wings alone are this significant


@dataclass(frozen=True, eq=False)
class Fitted:
    """The last round: the PSF, the stars' probabilities (n,) and their fit, in one order."""

    estimate: PsfEstimate
    probability: npt.NDArray[np.float64]
    fit: FitResult


def fit_in_rounds(
    frame: Frame,
    level: Image,
    estimate: PsfEstimate,
    found: Candidates,
    *,
    position_sigma: float,
    min_snr: float,
    settings: MeasureSettings,
) -> Fitted:
    """Measure the candidates, and what their fit uncovers.

    Parameters
    ----------
    frame : Frame
        Cosmic rays masked.
    level : ndarray, (ny, nx), float32 [electron]
        First estimate of the sky.
    position_sigma : float [pixel]
        How far the candidates lie from the truth.
    min_snr : float
        Stars whose fitted flux is less significant are dropped between rounds.
    """
    stars = found
    scale: Image | None = None
    last, wings = len(settings.rounds) - 1, True
    for number, (iterations, loosening) in enumerate(settings.rounds):
        options = FitSettings(
            iterations=iterations,
            position_prior=position_sigma * loosening,
            psf_error=max(estimate.error, settings.least_psf_error),
            background_mesh=settings.background_mesh,
            threads=settings.threads,
        )
        fit = joint_fit(
            frame.image, frame.mask, level, estimate.psf, stars.x, stars.y, stars.flux,
            read_noise=frame.read_noise, settings=options, noise_scale=scale,
        )  # fmt: skip
        if number == last:
            break
        estimate, fit = _settled(estimate, fit, frame, options, scale)
        level = fit.background
        scale = noise_scale(
            fit.residual * np.sqrt(fit.weight), frame.mask, settings.background_mesh
        )
        stars = _looked_again(fit, stars, estimate, scale, frame, min_snr, settings)
        if wings:
            changed = with_wings(estimate.psf, fit, frame)
            wings = changed is not estimate.psf  # where nothing was found, nothing will be
            estimate = replace(estimate, psf=changed)
    return Fitted(estimate, stars.probability, fit)


def _settled(
    estimate: PsfEstimate,
    fit: FitResult,
    frame: Frame,
    options: FitSettings,
    scale: Image | None,
) -> tuple[PsfEstimate, FitResult]:
    """Adjust the PSF, and fit again while that changes it much.

    What is looked for next is small: with a wrong PSF it would be found around every bright
    star. A PSF that is as it was assumed costs no further fit.
    """
    for _ in range(MOST_REFITS):
        before, estimate = estimate.psf, adjust_psf(estimate, fit, frame)
        if psf_change(before, estimate.psf, frame.shape) < SETTLED:
            break
        options = replace(options, iterations=REFIT_ITERATIONS)
        fit = joint_fit(
            frame.image, frame.mask, fit.background, estimate.psf, fit.x, fit.y, fit.flux,
            read_noise=frame.read_noise, settings=options, noise_scale=scale,
        )  # fmt: skip
    return estimate, fit


def is_real(
    fit: FitResult,
    psf_error: float,
    shape: tuple[int, int],
    min_snr: float,
    settings: MeasureSettings,
) -> npt.NDArray[np.bool_]:
    """Return which stars exceed their error and the error of the light that they stand on, (n,).

    Stars whose position has left the frame, or that have no usable pixels, are not real either.
    """
    ny, nx = shape
    disturbance = max(settings.wing_error, 2.0 * psf_error) * np.maximum(fit.contamination, 0.0)
    with np.errstate(invalid="ignore"):
        significant = fit.flux > min_snr * np.hypot(fit.flux_err, disturbance)
        seen = (fit.share > LEAST_SHARE) | (fit.flux > WINGS_SNR * fit.flux_err)
    inside = (fit.x > -0.5) & (fit.x < nx - 0.5) & (fit.y > -0.5) & (fit.y < ny - 0.5)
    return significant & inside & seen


def _looked_again(
    fit: FitResult,
    stars: Candidates,
    estimate: PsfEstimate,
    scale: Image,
    frame: Frame,
    min_snr: float,
    settings: MeasureSettings,
) -> Candidates:
    """Return the real stars where the fit has put them, and new ones from its residual."""
    kept = is_real(fit, estimate.error, frame.shape, min_snr, settings)
    stars = replace(stars, x=fit.x, y=fit.y, flux=fit.flux).select(kept)
    if settings.second_look_snr <= 0.0:
        return stars
    known = estimate.error <= WELL_KNOWN
    closest = settings.second_look_closest if known else settings.second_look_far
    fresh = search_residual(
        fit.residual,
        fit.weight / scale**2,
        estimate.psf.central,
        (stars.x, stars.y),
        threshold=settings.second_look_snr,
        closest=closest * estimate.psf.fwhm,
    )
    return stars.joined(fresh)
