"""Stars fitted one by one to a residual: for the few that lie alone, and must touch no other."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from numba import njit

from csstream.imaging.fit.settings import FitResult
from csstream.imaging.frames.frame import Image
from csstream.imaging.psf.pixel_psf import PixelPsf
from csstream.imaging.psf.star_light import fill_star

Float = npt.NDArray[np.float64]

ITERATIONS = 4
HALF_FWHM = 2.4  # [FWHM] half-width of the pixels used
MAX_STEP = 0.3  # [pixel]
SMALL_STEP = 0.1  # [sigma] of the flux: a longer last step has not converged


def fit_one_by_one(
    fit: FitResult, image: Image, psf: PixelPsf, x: Float, y: Float, flux: Float, prior: float
) -> FitResult:
    """Fit flux and position of each star to the residual of a fit; the fit itself stays as it is.

    Parameters
    ----------
    fit : FitResult
        Of the other stars, whose light counts as contamination.
    image : ndarray, (ny, nx), float32 [electron]
        That the fit was made of.
    x, y, flux : ndarray, (n,) [pixel, electron]
        Starting values; none within the other's core.
    prior : float [pixel]
        Sigma of the positions around their start.
    """
    half = max(5, int(np.ceil(HALF_FWHM * psf.fwhm)))
    half = min(half, psf.half_width)
    columns = np.zeros((x.size, 11))
    table = (psf.coefficients, psf.oversampling, psf.centre)
    images = (image, fit.background, fit.residual, fit.weight)
    core = max(1.5, psf.fwhm)
    _fit_stars(images, table, x, y, flux, half, core, prior, columns)
    values = [np.ascontiguousarray(column) for column in columns.T]
    names = (
        "x", "y", "flux", "x_err", "y_err", "flux_err", "chi2", "centre", "contamination", "share",
    )  # fmt: skip
    result: dict[str, Any] = dict(zip(names, values, strict=False))
    return FitResult(
        **result,
        converged=values[10] < SMALL_STEP,
        background=fit.background,
        residual=fit.residual,
        weight=fit.weight,
        iterations=ITERATIONS,
    )


@njit(cache=True, nogil=True)
def _fit_stars(
    images: Any,
    table: Any,
    x: Float,
    y: Float,
    flux: Float,
    half: int,
    core: float,
    prior: float,
    columns: Float,
) -> None:
    """Write each star's values (n, 11), in the order of a FitResult; last, the step in sigma."""
    slopes = np.empty((3, 2 * half + 1, 2 * half + 1))
    normal, right = np.empty((3, 3)), np.empty(3)
    for k in range(x.size):
        px, py, f, row = x[k], y[k], flux[k], columns[k]
        at = (round(x[k]), round(y[k]))
        row[3:6] = np.nan
        for _ in range(ITERATIONS):
            fill_star(*table, at[0] - half - px, at[1] - half - py, slopes)
            _normal_of(images, slopes, at, half, f, normal, right)
            for axis, offset in ((1, x[k] - px), (2, y[k] - py)):
                normal[axis, axis] += 1.0 / prior**2
                right[axis] += offset / prior**2
            if not normal[0, 0] > 0.0:
                break
            covariance = np.linalg.inv(normal)
            step = covariance @ right
            row[3], row[4] = np.sqrt(covariance[1, 1]), np.sqrt(covariance[2, 2])
            row[5] = np.sqrt(covariance[0, 0])
            f, row[10] = f + step[0], abs(step[0]) / row[5]
            px += min(max(step[1], -MAX_STEP), MAX_STEP)
            py += min(max(step[2], -MAX_STEP), MAX_STEP)
        row[0], row[1], row[2] = px, py, f
        fill_star(*table, at[0] - half - px, at[1] - half - py, slopes)
        row[6], row[7], row[8], row[9] = _quality(images, slopes[0], at, half, core, f)


@njit(cache=True, nogil=True)
def _normal_of(
    images: Any, slopes: Any, at: Any, half: int, f: float, normal: Any, right: Any
) -> None:
    """Write normal matrix and right side for steps of flux, x, y."""
    _, _, residual, weight = images
    ny, nx = residual.shape
    normal[:], right[:] = 0.0, 0.0
    for j in range(max(at[1] - half, 0), min(at[1] + half + 1, ny)):
        for i in range(max(at[0] - half, 0), min(at[0] + half + 1, nx)):
            v, u, w = j - at[1] + half, i - at[0] + half, weight[j, i]
            p, px, py = slopes[0, v, u], f * slopes[1, v, u], f * slopes[2, v, u]
            rest = w * (residual[j, i] - f * p)
            right[0] += rest * p
            right[1] += rest * px
            right[2] += rest * py
            normal[0, 0] += w * p * p
            normal[0, 1] += w * p * px
            normal[0, 2] += w * p * py
            normal[1, 1] += w * px * px
            normal[1, 2] += w * px * py
            normal[2, 2] += w * py * py
    normal[1, 0], normal[2, 0], normal[2, 1] = normal[0, 1], normal[0, 2], normal[1, 2]


@njit(cache=True, nogil=True)
def _quality(
    images: Any, profile: Any, at: Any, half: int, core: float, f: float
) -> tuple[float, float, float, float]:
    """Return chi2 of the core, largest pull at the centre, others' light, usable share."""
    image, background, residual, weight = images
    ny, nx = residual.shape
    total, used, largest, light, seen = 0.0, 0, 0.0, 0.0, 0.0
    for j in range(max(at[1] - half, 0), min(at[1] + half + 1, ny)):
        for i in range(max(at[0] - half, 0), min(at[0] + half + 1, nx)):
            p = profile[j - at[1] + half, i - at[0] + half]
            if weight[j, i] <= 0.0:
                continue
            seen += p * p
            light += p * (image[j, i] - background[j, i] - residual[j, i])
            r2, rest = (j - at[1]) ** 2 + (i - at[0]) ** 2, residual[j, i] - f * p
            if r2 <= core * core:
                total += weight[j, i] * rest * rest
                used += 1
                if r2 <= 2 and rest > 0.0:
                    largest = max(largest, np.sqrt(weight[j, i]) * rest)
    chi2 = total / used if used else np.nan
    return chi2, largest, (light / seen if seen > 0.0 else 0.0), seen / np.sum(profile**2)
