"""PSF photometry one star at a time: the classical way, which counts neighbours' light in.

The PSF is multiplied with the image and the product summed, so that a star alone gets its flux:
f = Σ P D / Σ P² over the pixels around it (the paper's equation 1, normalised; least squares of
one amplitude). What a joint fit does for crowded fields is missing here on purpose.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from numba import njit

from csstream.imaging import joint_kernels as kernels
from csstream.imaging.psf import PixelPsf

Float = npt.NDArray[np.float64]
Single = npt.NDArray[np.float32]
Int = npt.NDArray[np.int64]

RADIUS_FWHM = 1.0  # [FWHM] of the pixels used, as DAOPHOT's fitting radius (Stetson 1987)


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
    half = np.full(places[0].size, int(np.ceil(radius)), np.int64)
    offset = np.concatenate([[0], np.cumsum((2 * half + 1) ** 2)]).astype(np.int64)
    stamps = np.empty((3, int(offset[-1])), np.float32)
    optics = (psf.planes.astype(np.float32), psf.oversampling, psf.centre)
    kernels.fill_stamps(*optics, *places, *anchors, half, offset, stamps)
    flux, error = np.full((2, places[0].size), np.nan)
    _amplitudes(
        sky_free, mask, noise, stamps[0], *places, *anchors, half, offset, radius, flux, error
    )
    return flux, error


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
    half: Int,
    offset: Int,
    radius: float,
    flux: Float,
    error: Float,
) -> None:
    """Write Σ P D / Σ P² and its error over the pixels within ``radius`` of each star."""
    ny, nx = sky_free.shape
    for k in range(x.size):
        h = half[k]
        norm, product, dark, shot = 0.0, 0.0, 0.0, 0.0
        for j in range(max(anchor_y[k] - h, 0), min(anchor_y[k] + h + 1, ny)):
            at = offset[k] + (j - anchor_y[k] + h) * (2 * h + 1) - anchor_x[k] + h
            for i in range(max(anchor_x[k] - h, 0), min(anchor_x[k] + h + 1, nx)):
                if mask[j, i] or (i - x[k]) ** 2 + (j - y[k]) ** 2 > radius * radius:
                    continue
                p = response[at + i]
                norm += p * p
                product += p * sky_free[j, i]
                dark += (p * noise[j, i]) ** 2
                shot += p * p * p
        if norm > 0.0:
            flux[k] = product / norm
            error[k] = np.sqrt(dark + max(flux[k], 0.0) * shot) / norm
