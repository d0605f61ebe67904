"""The joint fit: flux and position of all stars of a frame at once, by weighted least squares.

Gauss–Newton on {flux, x, y} with an explicit block-sparse normal matrix, solved by conjugate
gradients. *Fit stamps*, over which a star feels the image, are smaller than *render stamps*, over
which it shines: truncated wings of bright stars would bias the faint. Saturated and masked pixels
have no weight. The sky is corrected from the residual along the way. The PSF may vary over the
field: every star has that of its own place.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from csstream.imaging.fit.settings import FitResult, FitSettings
from csstream.imaging.fit.state import FitState, Scene
from csstream.imaging.frames.frame import Image, Mask
from csstream.imaging.psf.field_psf import FieldPsf
from csstream.imaging.psf.pixel_psf import PixelPsf
from csstream.numerics.workers import Workers

__all__ = ["FitResult", "FitSettings", "joint_fit"]

Float = npt.NDArray[np.float64]
Reject = Callable[[Image, Image], Mask]

LEAST_CHANGE = 0.25  # of a variance, by the photons that a faded star lacks
UNSETTLED = 0.5  # [sigma] a star whose last step was longer has not converged


def joint_fit(
    image: Image,
    mask: Mask,
    background: Image,
    psf: PixelPsf | FieldPsf,
    x: npt.ArrayLike,
    y: npt.ArrayLike,
    flux: npt.ArrayLike,
    *,
    read_noise: float,
    settings: FitSettings | None = None,
    prior: tuple[Float, Float] | None = None,
    noise_scale: Image | None = None,
    reject: Reject | None = None,
) -> FitResult:
    """Fit all stars of an image at once.

    Parameters
    ----------
    image : ndarray, (ny, nx), float32 [electron]
        Sky included.
    mask : ndarray, (ny, nx), bool
        True where a pixel must not be used.
    background : ndarray, (ny, nx), float32 [electron]
        First estimate of the sky; not changed.
    psf : PixelPsf or FieldPsf
        A PSF that varies costs up to twice the time.
    x, y : array, (n,) [pixel]
        Starting positions. They may lie beyond the edge.
    flux : array, (n,) [electron]
        Starting fluxes.
    read_noise : float [electron]
    prior : pair of arrays, (n,) [pixel], optional
        Centres of the position prior, instead of the starting positions.
    noise_scale : ndarray, (ny, nx), float32, optional
        Factor on every pixel's noise, for images whose noise is not what gain and sky say.
    reject : callable, optional
        Is given residual and weight, (ny, nx), after the first iteration, and returns the pixels,
        (ny, nx) bool, that no star can have lit. They are masked for the rest of the fit: their
        weight in the result is zero.

    Notes
    -----
    The variance of a pixel is sky + stars + read_noise², from the model and not from the data.
    Errors hold the position prior as a measurement of its own. Memory is about 3.2 kB per star
    for a PSF two pixels wide, and 20 bytes per pixel. The result is the same for any number of
    threads. No star is dropped: one whose stamp does not touch the image keeps what it started
    with, shines into the image and has no errors.
    """
    s = settings or FitSettings()
    field = psf if isinstance(psf, FieldPsf) else FieldPsf.constant(psf)
    pixels = (np.ascontiguousarray(image, np.float32), np.ascontiguousarray(mask, np.bool_))
    scene = Scene(*pixels, background, read_noise, noise_scale)
    start = (np.array(x, np.float64), np.array(y, np.float64), np.array(flux, np.float64))
    with Workers(s.threads) as workers:
        state = FitState(scene, field, s, workers)
        state.place(*start, prior)
        used = _iterate(state, reject)
        return _result(state, used)


def _iterate(state: FitState, reject: Reject | None) -> int:
    """Iterate to the end; leaves the residual and, unless frozen, weights and matrix there."""
    s = state.settings
    used = 0
    state.evaluate(wings=True)
    if s.sky_first:
        state.correct_sky()
    for used in range(1, s.iterations + 1):
        if not s.frozen or used <= s.frozen:
            state.assemble()
        else:
            state.renew_gradient()
        moving = state.advance(s.cg_tolerance)
        last = used == s.iterations or (moving < s.settled and used > 2)
        state.evaluate(wings=used == 2 or last, weights=not s.frozen or used < s.frozen)
        if used == 1 and reject is not None:
            state.drop(reject(state.image_of(state.residual), state.image_of(state.weight)))
        state.correct_sky()
        if last:
            break
    if not s.frozen:
        state.assemble()
    return used


def _result(state: FitState, used: int) -> FitResult:
    """Compute errors and quality at the solution, in the order that the stars were given in."""
    errors, quality = state.errors(), state.quality()
    errors[quality[:, 3] <= 0.0] = np.nan
    if state.settings.frozen:  # the weights knew of another flux
        errors[:, 0] *= np.sqrt(np.maximum(1.0 + quality[:, 4] * state.change(), LEAST_CHANGE))
    moved = np.abs(state.step[:, 0]) > UNSETTLED * errors[:, 0]
    converged = np.zeros(state.total, bool)
    converged[state.order] = ~moved & np.isfinite(errors[:, 0])
    x, y, flux = state.solution()
    columns = [state.in_order(column) for column in (*errors.T, *quality[:, :3].T)]
    share = state.in_order(quality[:, 3], 0.0)
    flux_err, x_err, y_err, chi2, centre, contamination = columns
    return FitResult(
        x=x,
        y=y,
        flux=flux,
        x_err=x_err,
        y_err=y_err,
        flux_err=flux_err,
        chi2=chi2,
        centre=np.nan_to_num(centre),
        contamination=np.nan_to_num(contamination),
        share=share,
        converged=converged,
        background=state.background,
        residual=state.image_of(state.residual),
        weight=state.image_of(state.weight),
        iterations=used,
    )
