"""What all stars of a frame share: the PSF's width and shape, shift and distortion, the light.

All of it comes from patches around bright listed stars, cut straight from the frame: no fit of the
whole list is needed first, and the cost does not grow with the frame.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from csstream.imaging.frames.frame import Frame, Image
from csstream.imaging.psf.blur import framed
from csstream.imaging.psf.field_psf import FieldPsf
from csstream.imaging.psf_fit.estimate import PsfEstimate, enough_stars, refined
from csstream.imaging.psf_fit.patches import (
    LEAST_SNR,
    LINEAR_SHARE,
    MOST_BLENDED,
    Patches,
    cut_from_frame,
    half_width,
    spread_out,
)
from csstream.imaging.reference.alignment import Alignment, fit_alignment
from csstream.imaging.reference.catalogue import ReferenceStarTable

Float = npt.NDArray[np.float64]
Int = npt.NDArray[np.int64]

LEAST_STARS = 5
MOST_FREE = 4  # members of a patch that are fitted along: the others' places are known
CORE = 2  # [pixel] around a star that must be usable
DARKEST = 0.02  # of the list's light: less is no transparency but a frame of another field


@dataclass(frozen=True, eq=False)
class Common:
    """What a frame's bright stars say about all of them."""

    estimate: PsfEstimate
    alignment: Alignment
    scale: float  # the frame's light over that expected


def fit_common(
    frame: Frame,
    level: Image,
    estimate: PsfEstimate,
    stars: ReferenceStarTable,
    predicted: tuple[Float, Float],
    alignment: Alignment,
    flux: Float,
) -> Common:
    """Fit what the bright stars of a list share.

    Parameters
    ----------
    level : ndarray, (ny, nx), float32 [electron]
    predicted : (x, y), (n,) [pixel]
        Where the frame's WCS puts the list's stars.
    alignment : Alignment
        That brings them to within a fraction of a pixel of their places.
    flux : ndarray, (n,) [electron]
        Expected of the stars.

    Notes
    -----
    Too few bright stars: everything stays as given.
    """
    given, places = estimate.psf, alignment.apply(*predicted)
    i, j = (np.rint(v).astype(np.int64) for v in places)
    half = half_width(given.fwhm)
    good = _bright(frame, level, given, flux) & (stars.neighbour_share < MOST_BLENDED)
    good = _usable(frame, good, i, j, half)
    chosen = spread_out(np.flatnonzero(good), i, j, flux, frame.shape, enough_stars(frame))
    if chosen.size < LEAST_STARS:
        return Common(estimate, alignment, 1.0)
    psf = framed(given, frame.shape)
    scale = _first_scale(frame, level, psf, places, chosen, flux)
    known = (*places, scale * flux)
    patches = cut_from_frame(frame, level, known, psf, chosen, half, MOST_FREE)
    better, fitted = refined(_with_psf(estimate, psf), patches, 2)
    if fitted is None:
        return Common(estimate, alignment, scale)
    aligned = _aligned(frame, better.psf, fitted, predicted, stars.position_err, chosen, alignment)
    return Common(better, aligned, _scale(fitted, flux[chosen], scale))


def _usable(
    frame: Frame, wanted: npt.NDArray[np.bool_], i: Int, j: Int, half: int
) -> npt.NDArray[np.bool_]:
    """Tell which of the pixels (n,) lie well on the frame, with a core that is linear and whole."""
    ny, nx = frame.shape
    good = wanted & (i >= half) & (i < nx - half) & (j >= half) & (j < ny - half)
    rows = np.flatnonzero(good)
    steps = np.arange(-CORE, CORE + 1)
    square = (j[rows, None, None] + steps[:, None], i[rows, None, None] + steps)
    bad = frame.mask[square].any(axis=(1, 2))
    bad |= frame.image[square].max(axis=(1, 2)) > LINEAR_SHARE * frame.saturation
    good[rows[bad]] = False
    return good


def _bright(frame: Frame, level: Image, psf: FieldPsf, flux: Float) -> npt.NDArray[np.bool_]:
    """Tell which fluxes (n,) make a star that shapes the PSF."""
    area = 4.0 * np.pi * (psf.fwhm / 2.3548) ** 2
    sky = area * (max(float(np.median(level[::8, ::8])), 0.0) + frame.read_noise**2)
    return flux > LEAST_SNR * np.sqrt(np.maximum(flux, 0.0) + sky)


def _with_psf(estimate: PsfEstimate, psf: FieldPsf) -> PsfEstimate:
    return PsfEstimate(psf, estimate.method, estimate.stars, estimate.error, estimate.nominal)


def _first_scale(
    frame: Frame,
    level: Image,
    psf: FieldPsf,
    places: tuple[Float, Float],
    chosen: Int,
    flux: Float,
) -> float:
    """Return the light of the stars' middle pixels over that expected, a median."""
    x, y = places[0][chosen], places[1][chosen]
    i, j = np.rint(x).astype(np.int64), np.rint(y).astype(np.int64)
    expected = flux[chosen] * psf.central.evaluate(i - x, j - y)
    seen = (frame.image[j, i] - level[j, i]).astype(np.float64)
    return max(float(np.median(seen / expected)), DARKEST)


def _scale(fitted: Patches, expected: Float, start: float) -> float:
    flux = fitted.stars[2]
    scale = float(np.median(flux / expected))
    return scale if scale > DARKEST else start


def _aligned(
    frame: Frame,
    psf: FieldPsf,
    fitted: Patches,
    predicted: tuple[Float, Float],
    position_err: Float,
    chosen: Int,
    start: Alignment,
) -> Alignment:
    """Fit shift and distortion to where the bright stars were found."""
    x, y, flux = fitted.stars
    signal = np.maximum(flux, 1.0)
    core = fitted.weight[:, fitted.half, fitted.half]
    noise = np.where(core > 0.0, 1.0 / np.maximum(core, 1e-30), np.inf)  # variance of a pixel
    area = 4.0 * np.pi * (psf.fwhm / 2.3548) ** 2
    sigma = psf.fwhm / 2.3548 * np.sqrt(signal + area * noise * 0.3) / signal
    sigma = np.hypot(sigma, position_err[chosen])
    from_wcs = (predicted[0][chosen], predicted[1][chosen])
    aligned = fit_alignment(from_wcs, (x, y), sigma, frame.shape)
    return aligned if aligned.stars else start
