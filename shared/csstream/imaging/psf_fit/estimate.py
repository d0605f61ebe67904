"""The PSF of a frame: a first one from its bright stars, and what a joint fit adds to it.

Both ways the work is the same: patches around bright stars, the width fitted, then the shape. A
first PSF starts from the instrument's, or from Moffat profiles of lonely stars where that does not
fit; it comes from a few tiles spread over the frame. With the stars of a joint fit, neighbours
included, it becomes as good as the photons allow.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from csstream.imaging.fit.joint_fit import FitResult
from csstream.imaging.frames.frame import Frame
from csstream.imaging.psf.blur import framed
from csstream.imaging.psf.field_psf import FieldPsf
from csstream.imaging.psf.pixel_psf import PixelPsf, PsfError
from csstream.imaging.psf.profiles import moffat_psf
from csstream.imaging.psf_fit.moffat_fits import typical_shape
from csstream.imaging.psf_fit.patches import (
    FIRST_HALF_FWHM,
    LINEAR_SHARE,
    Patches,
    Photons,
    cut,
    half_width,
    psf_stars,
)
from csstream.imaging.psf_fit.shape import Shapes, aberration_shapes, refine_shape, ring_shapes
from csstream.imaging.psf_fit.tiles import (
    UNKNOWN_ERROR,
    Tile,
    bright_tiles,
    moffat_shapes,
    tile_patches,
    without_hits,
)
from csstream.imaging.psf_fit.width_fit import fit_width

FEW_STARS, STARS_PER_MPX, MAX_STARS = 80, 170, 250  # of a frame's own PSF
FIRST_STARS = 150  # of the first PSF
LEAST_STARS = 5
LEAST_FOR_SHAPE = 20
SHAPE_FROM = 0.004  # relative error of a PSF, its width fitted, above which its shape is
GOOD_START = 0.011  # relative error of the nominal PSF, its width fitted, that needs no other
LEAST_ERROR = 0.001  # of any PSF
FIRST_ERROR = 0.01  # of a PSF from stars whose neighbours are not all known
DOUBT = {"extension": 0.2}  # sigma of a blur over the PSF's variance, before any star is seen
MOST_DOUBT = 1.0
WELL_KNOWN = 0.004  # relative error of a PSF that makes no false stars
FAINT = 0.02  # of a bright star: its neighbours that may be errors of a PSF less well known
MOST_CHANGE = 4.0  # of the width in one fit: more, and it fitted no stars


@dataclass(frozen=True, eq=False)
class PsfEstimate:
    """A frame's PSF and how it was made."""

    psf: FieldPsf
    method: str  # extension, empirical, moffat or nominal
    stars: int
    error: float  # relative error of the PSF's values in the core
    nominal: PixelPsf | None = None  # that it comes from, if from any


def estimate_psf(frame: Frame, nominal: PixelPsf | None) -> PsfEstimate | None:
    """Return a first PSF of a frame from its bright stars.

    Too few bright stars: the nominal PSF, or None where there is none either.
    """
    linear = LINEAR_SHARE * frame.saturation
    tiles = bright_tiles(frame, linear)
    best = None
    if nominal is not None:
        best = _from_tiles(tiles, nominal, frame)
        if best.stars >= LEAST_STARS and best.error < GOOD_START:
            return best
    shapes = moffat_shapes(tiles, linear)
    if shapes.shape[0] < LEAST_STARS:
        return best
    fwhm, beta = typical_shape(shapes)
    profile = moffat_psf(fwhm, beta, _oversampling(fwhm), _reach(fwhm))
    other = _from_tiles(tiles, profile, frame)
    if best is None and other.stars < LEAST_STARS:
        return replace(other, method="moffat")
    return other if best is None or other.error < best.error else best


def adjust_psf(estimate: PsfEstimate, fit: FitResult, frame: Frame) -> PsfEstimate:
    """Correct a PSF by a joint fit of the frame's stars that was made with it.

    Takes up what a given PSF does not know: this frame's width and shape. Without enough bright
    stars the estimate is returned as it is.
    """
    chosen = psf_stars(fit, frame.image, frame.saturation, enough_stars(frame))
    if chosen.size < LEAST_STARS:
        return estimate
    psf = framed(estimate.psf, frame.shape)
    half, adjusted = half_width(psf.fwhm), replace(estimate, psf=psf)
    photons = Photons(frame.image, frame.read_noise, max(estimate.error, LEAST_ERROR))
    if estimate.error > WELL_KNOWN:
        adjusted, _ = refined(adjusted, cut(fit, psf, chosen, half, photons, FAINT), 2)
    return refined(adjusted, cut(fit, psf, chosen, half, photons), 2)[0]


def enough_stars(frame: Frame) -> int:
    """Return how many stars tell a frame's PSF: a small one is little work, and varies little."""
    return int(min(FEW_STARS + STARS_PER_MPX * frame.mask.size / 1e6, MAX_STARS))


def psf_change(before: FieldPsf, after: FieldPsf, shape: tuple[int, int]) -> float:
    """Return the largest relative change of the peak in the middle and corners of a frame."""
    ny, nx = shape
    x, y = nx * np.array([0.5, 0.0, 1.0, 0.0, 1.0]), ny * np.array([0.5, 0.0, 0.0, 1.0, 1.0])
    middle = before.terms[0].samples.shape[0] // 2
    first, second = (
        psf.weights(x, y) @ [term.samples[middle, middle] for term in psf.terms]
        for psf in (before, after)
    )
    return float(np.max(np.abs(second / first - 1.0)))


def _from_tiles(tiles: list[Tile], start: PixelPsf, frame: Frame) -> PsfEstimate:
    """Fit width and shape of a first idea of the PSF to the tiles' bright stars."""
    psf = framed(FieldPsf.constant(start), frame.shape)
    nothing = PsfEstimate(psf, "nominal", 0, UNKNOWN_ERROR, start)
    clean = [without_hits(tile, start, frame.read_noise) for tile in tiles]
    if sum(tile.found.size for tile in clean) < LEAST_STARS:
        return nothing
    half = half_width(psf.fwhm, FIRST_HALF_FWHM)
    patches = tile_patches(clean, psf, half, frame, FIRST_STARS)
    if patches.free.size < LEAST_STARS:
        return nothing
    first, _ = refined(replace(nothing, method="empirical"), patches, 0)
    return replace(first, error=max(first.error, FIRST_ERROR))


def refined(
    estimate: PsfEstimate, patches: Patches, degree: int
) -> tuple[PsfEstimate, Patches | None]:
    """Return a better PSF, and the patches with their stars' values under it.

    Where the stars' fit has run away the PSF is the one given, and there are no patches.
    ``degree`` is the most that the changes may have over the field.
    """
    try:
        better, fitted = _width_and_shape(estimate, patches, degree)
        width = better.psf.fwhm / estimate.psf.fwhm
    except PsfError:
        return estimate, None
    kept = 1.0 / MOST_CHANGE < width < MOST_CHANGE
    return (better, fitted) if kept else (estimate, None)


def _width_and_shape(
    estimate: PsfEstimate, patches: Patches, degree: int
) -> tuple[PsfEstimate, Patches]:
    """Fit the width, then the shape where the width is not enough."""
    doubt = DOUBT.get(estimate.method, MOST_DOUBT)
    fitted = fit_width(estimate.psf, patches, estimate.error, doubt, degree)
    for shapes in _shape_kinds(estimate):
        used = fitted.used
        if fitted.sure < SHAPE_FROM or np.count_nonzero(used) < LEAST_FOR_SHAPE:
            break
        modes = shapes(fitted.psf.central)
        psf = refine_shape(fitted.psf, fitted.patches, used, fitted.error, modes, degree)
        fitted = fit_width(psf, fitted.patches, fitted.error, doubt, degree)
    error = float(np.clip(fitted.error, LEAST_ERROR, UNKNOWN_ERROR))
    stars = int(np.count_nonzero(fitted.used))
    return replace(estimate, psf=fitted.psf, stars=stars, error=error), fitted.patches


def _shape_kinds(estimate: PsfEstimate) -> list[Callable[[PixelPsf], Shapes]]:
    """What the shape is made of: first what optics can do, where they are known."""
    nominal = estimate.nominal
    if nominal is None or nominal.band_limit is None:
        return [ring_shapes]
    return [partial(aberration_shapes, nominal), ring_shapes]


def _oversampling(fwhm: float) -> int:
    return 4 if fwhm < 4.0 else 2


def _reach(fwhm: float) -> int:
    return int(np.clip(np.ceil(14.0 * fwhm), 24, 96))
