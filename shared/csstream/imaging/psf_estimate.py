"""The PSF of a frame from its own stars: a fitted Moffat profile, then an empirical table.

The table is the Moffat profile plus a correction averaged from the joint fit's residuals around
bright stars, neighbours already subtracted (after Anderson & King 2000, PASP 112, 1360). Beyond
the core, where single stars say nothing, the Moffat wings stay.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
from scipy.ndimage import gaussian_filter

from csstream.imaging.background import Background, estimate_background
from csstream.imaging.classical import extract
from csstream.imaging.cosmic_rays import fill_masked, find_cosmic_rays
from csstream.imaging.field_psf import FieldPsf
from csstream.imaging.frame import Frame, Image, Mask
from csstream.imaging.joint_fit import FitResult, FitSettings, joint_fit
from csstream.imaging.moffat_fits import fit_moffats, typical_shape
from csstream.imaging.psf import PixelPsf, moffat_psf

Float = npt.NDArray[np.float64]

MAX_SIDE = 2048  # [pixel] a larger frame's PSF comes from its middle
MAX_STARS = 100
LEAST_STARS = 5
LEAST_TO_ADJUST = 20
LINEAR_SHARE = 0.8  # of saturation: brighter pixels are not trusted for the PSF
UNKNOWN_ERROR = 0.05  # relative error of a PSF that no star has corrected
DETECTION = 5.0  # [sigma]
ROUNDS = 5
SETTLED = 0.005  # relative correction below which the rounds end
SMOOTHING = 0.2  # [pixel] sigma of the correction's smoothing, at least
SMOOTHING_FWHM = 0.12  # [FWHM]
CLIP_PROFILE = 0.05  # relative error of the profile below which nothing is clipped


@dataclass(frozen=True, eq=False)
class PsfEstimate:
    """A frame's PSF and how it was made."""

    psf: FieldPsf
    method: str  # extension, empirical, moffat or nominal
    stars: int
    error: float  # relative error of the PSF's values in the core


def estimate_psf(frame: Frame, nominal: PixelPsf | None) -> PsfEstimate | None:
    """Return the PSF of a frame from its bright stars.

    Too few bright stars: the nominal PSF, or None where there is none either.
    """
    part = _middle(frame)
    image, mask = part
    background = estimate_background(image, mask)
    found = _bright(fill_masked(image, mask, background.level), background, frame)
    shapes = fit_moffats(
        image - background.level, mask, found, LINEAR_SHARE * frame.saturation, background.rms
    )
    if shapes.shape[0] < LEAST_STARS:
        return (
            None
            if nominal is None
            else PsfEstimate(FieldPsf.constant(nominal), "nominal", shapes.shape[0], UNKNOWN_ERROR)
        )
    fwhm, beta = typical_shape(shapes)
    psf = moffat_psf(fwhm, beta, _oversampling(fwhm), _half_width(fwhm))
    hits, clean = find_cosmic_rays(
        image, mask, background.level, psf, frame.read_noise, background.rms, UNKNOWN_ERROR
    )
    mask = mask | hits
    found = _bright(fill_masked(clean, mask & ~hits, background.level), background, frame)
    return _empirical(clean, mask, background, found, psf, frame)


def adjust_psf(estimate: PsfEstimate, fit: FitResult, frame: Frame) -> PsfEstimate:
    """Correct a PSF by the residuals of a joint fit made with it.

    Takes up what a given PSF does not know: this frame's width and shape. Without enough bright
    stars the estimate is returned as it is.
    """
    psf = estimate.psf.central
    chosen = _psf_stars(fit, frame.image, psf, frame)
    if chosen.size < LEAST_TO_ADJUST:
        return estimate
    correction, error = _mean_residual(fit, frame.mask, chosen, psf)
    corrected = PixelPsf(estimate.psf.terms[0].samples + correction, psf.oversampling)
    terms = (_whole(corrected), *estimate.psf.terms[1:])
    return PsfEstimate(replace(estimate.psf, terms=terms), estimate.method, chosen.size, error)


def _middle(frame: Frame) -> tuple[Image, Mask]:
    ny, nx = frame.shape
    j, i = max((ny - MAX_SIDE) // 2, 0), max((nx - MAX_SIDE) // 2, 0)
    part = slice(j, j + MAX_SIDE), slice(i, i + MAX_SIDE)
    return np.ascontiguousarray(frame.image[part]), np.ascontiguousarray(frame.mask[part])


def _bright(image: Image, background: Background, frame: Frame) -> npt.NDArray[np.void]:
    found = extract(image - background.level, background.noise, DETECTION, 5)
    return found[np.argsort(-found["flux"], kind="stable")]


def _oversampling(fwhm: float) -> int:
    return 4 if fwhm < 4.0 else 2


def _half_width(fwhm: float) -> int:
    return int(np.clip(np.ceil(14.0 * fwhm), 24, 96))


def _empirical(
    image: Image,
    mask: Mask,
    background: Background,
    found: npt.NDArray[np.void],
    psf: PixelPsf,
    frame: Frame,
) -> PsfEstimate:
    settings = FitSettings(iterations=4, position_prior=0.5, psf_error=0.03)
    x, y, flux = (np.asarray(found[name], np.float64) for name in ("x", "y", "flux"))
    used, error = 0, UNKNOWN_ERROR
    method = "moffat"
    for _ in range(ROUNDS):
        fit = joint_fit(
            image, mask, background.level, psf, x, y, flux,
            read_noise=frame.read_noise, settings=settings,
        )  # fmt: skip
        chosen = _psf_stars(fit, image, psf, frame)
        if chosen.size < LEAST_STARS:
            break
        correction, error = _mean_residual(fit, mask, chosen, psf)
        used, method = chosen.size, "empirical"
        psf = _whole(PixelPsf(psf.samples + correction, psf.oversampling))
        x, y, flux = fit.x, fit.y, np.maximum(fit.flux, 1.0)
        if error < SETTLED:
            break
    return PsfEstimate(FieldPsf.constant(psf), method, used, error)


def _psf_stars(fit: FitResult, image: Image, psf: PixelPsf, frame: Frame) -> npt.NDArray[np.int64]:
    """Indices of the stars that shape the PSF: bright, whole, linear, little disturbed."""
    ny, nx = image.shape
    margin = 2.0 * psf.fwhm
    inside = (fit.x > margin) & (fit.y > margin) & (fit.x < nx - margin) & (fit.y < ny - margin)
    i = np.clip(np.rint(fit.x).astype(np.int64), 0, nx - 1)
    j = np.clip(np.rint(fit.y).astype(np.int64), 0, ny - 1)
    snr = np.where(np.isfinite(fit.flux_err), fit.flux / fit.flux_err, 0.0)
    good = inside & (snr > 30.0) & (fit.share > 0.98) & (fit.contamination < 0.3 * fit.flux)
    good &= image[j, i] < LINEAR_SHARE * frame.saturation
    order = np.flatnonzero(good)
    return order[np.argsort(-fit.flux[order], kind="stable")][:MAX_STARS]


def _mean_residual(
    fit: FitResult, mask: Mask, chosen: npt.NDArray[np.int64], psf: PixelPsf
) -> tuple[Float, float]:
    """Average the scaled residuals onto the PSF's grid; also their typical size in the core.

    Returns the correction (k, k), smoothed and, from 2.2 to 3 FWHM, faded out.
    """
    step, fwhm = psf.oversampling, psf.fwhm
    half = int(np.ceil(3.0 * fwhm))
    dx, dy, value, weight, noise = _residual_samples(fit, mask, chosen, half)
    centre = (psf.samples.shape[0] - 1) // 2
    side = psf.samples.shape[0]
    at = (np.rint(dy * step).astype(np.int64) + centre) * side
    at += np.rint(dx * step).astype(np.int64) + centre
    keep = np.ones(value.size, bool)
    # Errors of position and shape grow with the profile: clip in units of both.
    size = np.hypot(noise, CLIP_PROFILE * psf.evaluate(dx, dy))
    sigma = step * max(SMOOTHING, SMOOTHING_FWHM * fwhm)
    for _ in range(2):
        weights = np.bincount(at[keep], weight[keep], side * side)
        sums = np.bincount(at[keep], weight[keep] * value[keep], side * side)
        smooth_weights = gaussian_filter(weights.reshape(side, side), sigma)
        smooth_sums = gaussian_filter(sums.reshape(side, side), sigma)
        filled = smooth_weights > 1e-3 * smooth_weights.max()
        mean = np.where(filled, smooth_sums / np.where(filled, smooth_weights, 1.0), 0.0)
        pull = np.abs(value - mean.ravel()[at]) / size
        keep = pull < 4.0 * max(1.4826 * float(np.median(pull)), 1e-12)
    radius = np.hypot(*np.mgrid[-centre : centre + 1, -centre : centre + 1]) / step
    fade = np.clip((3.0 * fwhm - radius) / (0.8 * fwhm), 0.0, 1.0)
    core = radius < 0.5 * fwhm
    peak = float(psf.evaluate(0.0, 0.0))
    return mean * fade, float(
        np.clip(np.sqrt(np.mean(mean[core] ** 2)) / peak, 0.003, UNKNOWN_ERROR)
    )


def _residual_samples(
    fit: FitResult, mask: Mask, chosen: npt.NDArray[np.int64], half: int
) -> tuple[Float, Float, Float, Float, Float]:
    """Offsets from the star [pixel], residual over flux, weight, noise over flux; all pixels."""
    ny, nx = mask.shape
    j, i = np.mgrid[-half : half + 1, -half : half + 1]
    column = np.rint(fit.x[chosen]).astype(np.int64)[:, None, None] + i
    row = np.rint(fit.y[chosen]).astype(np.int64)[:, None, None] + j
    inside = (column >= 0) & (column < nx) & (row >= 0) & (row < ny)
    column, row = np.clip(column, 0, nx - 1), np.clip(row, 0, ny - 1)
    inside &= ~mask[row, column] & (fit.weight[row, column] > 0.0)
    flux = fit.flux[chosen][:, None, None]
    dx = column - fit.x[chosen][:, None, None]
    dy = row - fit.y[chosen][:, None, None]
    value = fit.residual[row, column] / flux
    # Equal weight for stars far above the sky's noise: the PSF's error, not photons, matters.
    weight = np.broadcast_to(flux / (flux + np.median(flux)), value.shape)
    noise = 1.0 / (flux * np.sqrt(np.where(inside, fit.weight[row, column], 1.0)))
    columns = (dx, dy, value, weight, noise)
    first, second, third, fourth, fifth = (c[inside].astype(np.float64) for c in columns)
    return first, second, third, fourth, fifth


def _whole(psf: PixelPsf) -> PixelPsf:
    """See that a star gives the same light wherever it falls on a pixel.

    Samples a whole pixel apart are one star's pixels: each such set sums to one. Without that,
    stars at one sub-pixel phase would get another flux scale than those at the next.
    """
    samples = psf.samples.copy()
    step = psf.oversampling
    for j in range(step):
        for i in range(step):
            samples[j::step, i::step] /= samples[j::step, i::step].sum()
    return PixelPsf(samples, step)
