"""The wings of a PSF where no model of them holds: spikes and rings around the brightest stars.

Width and shape of a PSF are fitted within a few FWHM. Further out a nominal profile stands, and
what it lacks (diffraction spikes above all) is taken for strings of faint stars. Here the
residuals around the brightest stars, over their fluxes, are averaged by a median; faint stars are
put back first, for the spikes have been fitted with them.
"""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import numpy.typing as npt
from numba import njit
from scipy.ndimage import gaussian_filter, map_coordinates, uniform_filter
from scipy.spatial import cKDTree

from csstream.imaging.fit.joint_fit import FitResult
from csstream.imaging.frames.frame import Frame
from csstream.imaging.psf.blur import light_of, whole
from csstream.imaging.psf.field_psf import FieldPsf
from csstream.imaging.psf.pixel_psf import PixelPsf

Float = npt.NDArray[np.float64]
Int = npt.NDArray[np.int64]

STARS = 60  # the brightest
LEAST_STARS = 8
WHOLE = 0.95  # share of a star's information that lies in usable pixels
LEAST_PEAK = 200.0  # [sigma of a pixel of sky] of a star's brightest pixel
DIMMEST = 0.1  # of the last of these eight: wings of fainter stars are only noise
FAINT_HALF = 8  # [pixel] half-width of a faint star's stamp
FAINT = 0.05  # of the least of them: fainter stars may be spikes
INNER_FWHM = (2.0, 3.0)  # [FWHM] over which the correction fades in
OUTER = (0.85, 1.0)  # of the table's half-width, over which it fades out
SMOOTHING = 0.6  # [pixel] sigma
SIGNIFICANT = 4.0  # [sigma] of the median, below which nothing is corrected
TOGETHER = 0.5  # share of a pixel's 3 × 3 that must be significant with it, of one sign
LEAST_LIGHT = 0.005  # of the star, in significant pixels; less is no reason to change a PSF
LEAST_CORRELATION = 0.06  # of the structure seen by two halves of the stars
MOST_LIGHT = 0.3  # the same: more, and what was averaged are no wings
SAMPLE = 4_000_000  # [pixel] enough to know a median by


def with_wings(psf: FieldPsf, fit: FitResult, frame: Frame) -> FieldPsf:
    """Return the PSF with the wings of the frame's own brightest stars, where they differ.

    Parameters
    ----------
    fit : FitResult
        A joint fit made with a PSF much like this one.
    """
    stars = _brightest(fit, frame, float(psf.central.evaluate(0.0, 0.0)))
    if stars.size < LEAST_STARS:
        return psf
    half = psf.half_width - 1
    values = _scaled_residuals(psf, fit, frame, stars, half)
    change = _significant(values, fit.flux[stars]) * _fade(half, psf.fwhm)
    if not LEAST_LIGHT < np.abs(change).sum() < MOST_LIGHT or not _repeats(values, psf.fwhm):
        return psf
    first = psf.terms[0]
    samples = first.samples + _on_table(change, first)
    changed = whole(PixelPsf(samples, psf.oversampling), light_of(first))
    return replace(psf, terms=(changed, *psf.terms[1:]))


def _brightest(fit: FitResult, frame: Frame, peak: float) -> Int:
    """The brightest stars whose flux the fit knows from their cores; ``peak`` is the PSF's.

    A saturated star's flux comes from its wings: its residuals tell of its flux, not of the PSF.
    """
    ny, nx = frame.shape
    inside = (fit.x > 0.0) & (fit.y > 0.0) & (fit.x < nx - 1.0) & (fit.y < ny - 1.0)
    good = np.flatnonzero(inside & np.isfinite(fit.flux_err) & (fit.flux > 0.0))
    noise = 1.0 / np.sqrt(np.median(fit.weight[:: 1 + frame.mask.size // SAMPLE]))
    good = good[(fit.share[good] > WHOLE) & (peak * fit.flux[good] > LEAST_PEAK * noise)]
    good = good[np.argsort(-fit.flux[good], kind="stable")][:STARS]
    if good.size < LEAST_STARS:
        return good
    return good[fit.flux[good] > DIMMEST * fit.flux[good[LEAST_STARS - 1]]]


def _scaled_residuals(psf: FieldPsf, fit: FitResult, frame: Frame, stars: Int, half: int) -> Float:
    """Residuals around the stars over their fluxes, faint stars put back; (n, k, k)."""
    light = np.array(fit.residual, np.float32)
    faint = (fit.flux < FAINT * fit.flux[stars].min()) & (fit.flux > 0.0)
    near = np.flatnonzero(faint)
    bright = cKDTree(np.column_stack([fit.x[stars], fit.y[stars]]))
    reach = np.sqrt(2.0) * (half + FAINT_HALF)
    apart, _ = bright.query(np.column_stack([fit.x[near], fit.y[near]]), distance_upper_bound=reach)
    near = near[np.isfinite(apart)]
    psf.central.render(light, fit.x[near], fit.y[near], fit.flux[near], min(half, FAINT_HALF))
    light[frame.mask] = np.nan
    rows = np.rint(fit.y[stars]).astype(np.int64)
    columns = np.rint(fit.x[stars]).astype(np.int64)
    steps = np.arange(-half, half + 1)
    j, i = rows[:, None] + steps, columns[:, None] + steps
    ny, nx = frame.shape
    outside = ((j < 0) | (j >= ny))[:, :, None] | ((i < 0) | (i >= nx))[:, None, :]
    stamps = light[np.clip(j, 0, ny - 1)[:, :, None], np.clip(i, 0, nx - 1)[:, None, :]]
    stamps = np.where(outside, np.float32(np.nan), stamps)
    rim = stamps[:, np.hypot(*np.meshgrid(steps, steps)) > OUTER[0] * half]
    level = np.median(np.where(np.isfinite(rim), rim, 0.0), axis=1)  # of the faint stars put back
    return (stamps - level[:, None, None]) / fit.flux[stars][:, None, None]


def _significant(values: Float, flux: Float) -> Float:
    """The median of the stars where it stands out of its error; (k, k)."""
    by_pixel = np.ascontiguousarray(values.reshape(values.shape[0], -1).T)
    middle, deviation, count = (v.reshape(values.shape[1:]) for v in _medians(by_pixel))
    enough = count >= LEAST_STARS
    error = 1.25 * 1.4826 * deviation / np.sqrt(np.maximum(count, 1.0))
    smooth = gaussian_filter(middle, SMOOTHING)
    # of a smoothed field of independent errors
    error = np.sqrt(gaussian_filter(error**2, SMOOTHING) / (4.0 * np.pi * SMOOTHING**2))
    found = np.sign(smooth) * (enough & (np.abs(smooth) > SIGNIFICANT * error))
    # Wings hang together; a hidden star or a chance is alone.
    together = np.abs(uniform_filter(found, 3, mode="constant")) > TOGETHER
    return np.where(together & (found != 0.0), smooth, 0.0)


@njit(cache=True, nogil=True)
def _medians(values: Float) -> tuple[Float, Float, Float]:
    """Return median, median absolute deviation and number of each row's finite values; (n,).

    Zero where there are fewer than ``LEAST_STARS``.
    """
    n, most = values.shape
    middle, deviation, count = np.zeros(n), np.zeros(n), np.zeros(n)
    room = np.empty(most)
    for k in range(n):
        m = 0
        for v in values[k]:
            if np.isfinite(v):
                room[m] = v
                m += 1
        count[k] = m
        if m >= LEAST_STARS:
            middle[k] = np.median(room[:m])
            deviation[k] = np.median(np.abs(room[:m] - middle[k]))
    return middle, deviation, count


def _repeats(values: Float, fwhm: float) -> bool:
    """Tell whether two halves of the stars show the same structure around their centres.

    Spikes do. What a crowded field leaves does not: its excess, the stars that no list holds, is
    the same in all directions.
    """
    half = values.shape[1] // 2
    first, second = (
        _structure(np.nan_to_num(part), fwhm, half) for part in (values[::2], values[1::2])
    )
    size = math.sqrt(float((first**2).sum() * (second**2).sum()))
    return size > 0.0 and float((first * second).sum()) > LEAST_CORRELATION * size


def _structure(values: Float, fwhm: float, half: int) -> Float:
    """The median of the stars without its mean over each ring; (k, k)."""
    middle = np.median(values, axis=0) * _fade(half, fwhm)
    ring = np.rint(np.hypot(*np.mgrid[-half : half + 1, -half : half + 1])).astype(np.int64)
    mean = np.bincount(ring.ravel(), middle.ravel()) / np.bincount(ring.ravel())
    return np.asarray(middle - mean[ring])


def _fade(half: int, fwhm: float) -> Float:
    radius = np.hypot(*np.mgrid[-half : half + 1, -half : half + 1])
    rising = (radius / fwhm - INNER_FWHM[0]) / (INNER_FWHM[1] - INNER_FWHM[0])
    falling = (OUTER[1] - radius / half) / (OUTER[1] - OUTER[0])
    return np.clip(rising, 0.0, 1.0) * np.clip(falling, 0.0, 1.0)


def _on_table(change: Float, psf: PixelPsf) -> Float:
    """The change, known at whole pixels, on the table's grid."""
    centre, half = psf.samples.shape[0] // 2, change.shape[0] // 2
    steps = (np.arange(psf.samples.shape[0]) - centre) / psf.oversampling + half
    places = np.meshgrid(steps, steps, indexing="ij")
    return np.asarray(map_coordinates(change, places, order=3, mode="constant"))
