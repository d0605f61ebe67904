"""Moffat profiles of a frame's bright, lonely stars: the first idea of its PSF."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.optimize import least_squares

from csstream.imaging.frames.frame import Image, Mask

Float = npt.NDArray[np.float64]

MIN_FWHM, MAX_FWHM = 0.8, 40.0  # [pixel]
FITTED_STARS = 25
SEARCHED_STARS = 600  # the brightest, among which the lonely ones are sought
TYPICAL_STARS = 400  # the brightest, whose moments give the first width
SUB = 3  # points a pixel and axis at which a Moffat profile is averaged


def fit_moffats(
    sky_free: Image, mask: Mask, found: npt.NDArray[np.void], linear: float, rms: float
) -> Float:
    """Fit profiles to lonely stars of ``found`` (brightest first); (n, 2): FWHM [pixel], beta.

    ``linear`` and ``rms`` are a peak above which a pixel is not trusted and the sky's noise, in
    the image's unit.
    """
    if found.size == 0:
        return np.empty((0, 2))
    guess = float(np.median(2.3548 * np.sqrt(found["a"] * found["b"])[:TYPICAL_STARS]))
    guess = float(np.clip(guess, 1.2, MAX_FWHM))
    rows = []
    for star in found[_lonely(found, guess)]:
        if star["peak"] > linear or star["peak"] < 15.0 * rms:
            continue
        shape = _fit_moffat(sky_free, mask, float(star["x"]), float(star["y"]), guess, rms)
        if shape is not None:
            rows.append(shape)
        if len(rows) >= FITTED_STARS:
            break
    return np.array(rows).reshape(-1, 2)


def typical_shape(shapes: Float) -> tuple[float, float]:
    """Return FWHM [pixel] and beta: medians without stars far off the typical width.

    Those are galaxies, hits and blends.
    """
    fwhm = shapes[:, 0]
    centre = float(np.median(fwhm))
    spread = 1.4826 * float(np.median(np.abs(fwhm - centre)))
    good = np.abs(fwhm - centre) <= max(2.5 * spread, 0.05 * centre)
    return (
        float(np.clip(np.median(fwhm[good]), MIN_FWHM, MAX_FWHM)),
        float(np.clip(np.median(shapes[good, 1]), 2.0, 6.0)),
    )


def _lonely(found: npt.NDArray[np.void], fwhm: float) -> npt.NDArray[np.int64]:
    """Indices, brightest first, of stars without a neighbour of a tenth of their light."""
    keep = []
    for k in range(min(found.size, SEARCHED_STARS)):
        distance = np.hypot(found["x"] - found["x"][k], found["y"] - found["y"][k])
        near = (distance < 3.0 * fwhm) & (distance > 0.0)
        if not np.any(found["flux"][near] > 0.1 * found["flux"][k]):
            keep.append(k)
    return np.array(keep, np.int64)


def _fit_moffat(
    image: Image, mask: Mask, x: float, y: float, fwhm: float, rms: float
) -> tuple[float, float] | None:
    """Fit one star: FWHM [pixel], beta; None where the stamp is cut or masked."""
    half = max(3, int(np.ceil(1.5 * fwhm)))  # the core: wings go into the constant
    cx, cy = round(x), round(y)
    ny, nx = image.shape
    if cx < half or cy < half or cx + half >= nx or cy + half >= ny:
        return None
    part = slice(cy - half, cy + half + 1), slice(cx - half, cx + half + 1)
    data = image[part].astype(np.float64)
    if mask[part].any():
        return None
    j, i = np.mgrid[-half : half + 1, -half : half + 1].astype(np.float64)
    noise = np.sqrt(np.maximum(data, 0.0) + rms**2)
    peak = float(data.max())

    def miss(p: Float) -> Float:
        model = p[3] * _pixel_moffat(i - p[0], j - p[1], p[2], p[5]) + p[4]
        return np.asarray((model - data) / noise).ravel()

    start = np.array([x - cx, y - cy, fwhm, peak, 0.0, 3.0])
    low = [-2.0, -2.0, 0.5, 0.0, -peak, 1.5]
    high = [2.0, 2.0, 3.0 * fwhm + 2.0, 50.0 * peak, peak, 8.0]
    result: Any = least_squares(miss, start, bounds=(low, high), loss="soft_l1", max_nfev=40)
    return float(result.x[2]), float(result.x[5])


def _pixel_moffat(dx: Float, dy: Float, fwhm: float, beta: float) -> Float:
    """Moffat profile of unit peak averaged over pixels at offsets ``dx, dy``."""
    alpha2 = (0.5 * fwhm) ** 2 / (2.0 ** (1.0 / beta) - 1.0)
    points = (np.arange(SUB) + 0.5) / SUB - 0.5
    total = np.zeros_like(dx)
    for u in points:
        for v in points:
            total += (1.0 + ((dx + u) ** 2 + (dy + v) ** 2) / alpha2) ** -beta
    return total / SUB**2
