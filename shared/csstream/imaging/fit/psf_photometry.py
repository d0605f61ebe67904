"""PSF photometry one star at a time: the classical way, which counts neighbours' light in.

The PSF is multiplied with the image and the product summed, so that a star alone gets its flux:
f = Σ P D / Σ P² over the pixels around it (the paper's equation 1, normalised; least squares of
one amplitude). What a joint fit does for crowded fields is missing here on purpose.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from numba import njit

from csstream.imaging.psf.pixel_psf import PixelPsf

Float = npt.NDArray[np.float64]
Single = npt.NDArray[np.float32]
Int = npt.NDArray[np.int64]

RADIUS_FWHM = 1.0  # [FWHM] of the pixels used, as DAOPHOT's fitting radius (Stetson 1987)
CHUNK = 20_000  # [star] whose responses are computed at once


def psf_photometry(
    sky_free: Single,
    mask: npt.NDArray[np.bool_],
    noise: Single,
    psf: PixelPsf,
    x: npt.ArrayLike,
    y: npt.ArrayLike,
    *,
    radius_fwhm: float = RADIUS_FWHM,
) -> tuple[Float, Float]:
    """Return flux and flux error of stars at fixed places, (n,) each [electron].

    Parameters
    ----------
    sky_free : ndarray, (ny, nx), float32 [electron]
        Image less its background.
    mask : ndarray, (ny, nx), bool
        True where a pixel must not be used. Without a usable pixel both values are nan.
    noise : ndarray, (ny, nx), float32 [electron]
        Of the sky alone; the star's own photons are added.
    x, y : array, (n,) [pixel]
    """
    places = np.array(x, np.float64), np.array(y, np.float64)
    anchors = np.rint(places[0]).astype(np.int64), np.rint(places[1]).astype(np.int64)
    radius = radius_fwhm * psf.fwhm
    half = int(np.ceil(radius))
    response = _responses(psf, *places, *anchors, half)
    flux, error = np.full((2, places[0].size), np.nan)
    _amplitudes(sky_free, mask, noise, response, *places, *anchors, half, radius, flux, error)
    return flux, error


def _responses(
    psf: PixelPsf, x: Float, y: Float, anchor_x: Int, anchor_y: Int, half: int
) -> Single:
    """Return each star's response in the square of pixels around it, (n, side, side)."""
    step = np.arange(-half, half + 1)
    response = np.empty((x.size, step.size, step.size), np.float32)
    for start in range(0, x.size, CHUNK):
        part = slice(start, start + CHUNK)
        dx = (anchor_x[part] - x[part])[:, None, None] + step
        dy = (anchor_y[part] - y[part])[:, None, None] + step[:, None]
        response[part] = psf.evaluate(*np.broadcast_arrays(dx, dy))
    return response


@njit(cache=True, nogil=True)
def _amplitudes(
    sky_free: Single,
    mask: npt.NDArray[np.bool_],
    noise: Single,
    response: Single,
    x: Float,
    y: Float,
    anchor_x: Int,
    anchor_y: Int,
    half: int,
    radius: float,
    flux: Float,
    error: Float,
) -> None:
    """Write Σ P D / Σ P² and its error over the pixels within ``radius`` of each star."""
    ny, nx = sky_free.shape
    for k in range(x.size):
        norm, product, dark, shot = 0.0, 0.0, 0.0, 0.0
        for j in range(max(anchor_y[k] - half, 0), min(anchor_y[k] + half + 1, ny)):
            for i in range(max(anchor_x[k] - half, 0), min(anchor_x[k] + half + 1, nx)):
                if mask[j, i] or (i - x[k]) ** 2 + (j - y[k]) ** 2 > radius * radius:
                    continue
                p = response[k, j - anchor_y[k] + half, i - anchor_x[k] + half]
                norm += p * p
                product += p * sky_free[j, i]
                dark += (p * noise[j, i]) ** 2
                shot += p * p * p
        if norm > 0.0:
            flux[k] = product / norm
            error[k] = np.sqrt(dark + max(flux[k], 0.0) * shot) / norm
