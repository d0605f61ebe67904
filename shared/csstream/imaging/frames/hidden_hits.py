"""Cosmic rays under stars: what is left of them when the stars are taken off.

On a star's core a hit changes the flux and hardly the shape, so
:func:`csstream.imaging.frames.cosmic_rays.find_cosmic_rays` does not see it. The residual of a fit
shows it: the star has taken its share, and what is left is sharper than any light. It is looked
for with the filter K = c − α P, where c is the mean of one pixel, or of the four around a corner,
P the PSF there, and α the least number for which K answers to no star, wherever it stands, with
more than zero. So it answers to no sum of stars either, listed or not.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt
from numba import njit

from csstream.imaging.frames.frame import Image, Mask
from csstream.imaging.psf.pixel_psf import PixelPsf

Float = npt.NDArray[np.float64]

THRESHOLD: Final = 5.5  # [sigma] to find a hit
GROWTH: Final = 1.0  # [sigma] of the residual of each of its pixels, neighbours too
REACH: Final = 1.5  # [FWHM] of the filter
PLACES: Final = np.arange(-1.0, 1.01, 0.25)  # [pixel] of the stars that α is chosen for


def hidden_hits(residual: Image, weight: Image, psf: PixelPsf) -> Mask:
    """Return the pixels of a fit's residual that were hit by particles, (ny, nx) bool.

    Parameters
    ----------
    residual : ndarray, (ny, nx), float32 [electron]
        Image minus sky and stars.
    weight : ndarray, (ny, nx), float32
        One over the variance, the error of the PSF under bright stars included; 0: not to be used.
    psf : PixelPsf
        The PSF of the frame, taken for that of every place.
    """
    found = np.zeros(residual.shape, np.bool_)
    for width in (1, 2):
        _find(residual, weight, sharp_filter(psf, width), width, THRESHOLD, found)
    _grow(residual, weight, found)
    return found


def sharp_filter(psf: PixelPsf, width: int) -> Float:
    """Return the filter for hits on ``width`` × ``width`` pixels (1 or 2), (k, k).

    k is odd for one pixel, even for four, so that the hit is in the middle. P is wider than c, so
    stars within a pixel of the middle are those that the filter could answer to.
    """
    half = int(np.ceil(REACH * psf.fwhm)) + 0.5 * (width - 1)
    steps = np.arange(-half, half + 1.0)
    u, v = np.meshgrid(steps, steps)
    hit = (np.maximum(np.abs(u), np.abs(v)) < 0.5 * width) / width**2
    dx, dy = (shift[..., None, None] for shift in np.meshgrid(PLACES, PLACES))
    stars = psf.evaluate(u - dx, v - dy)
    star = psf.evaluate(u, v)
    alpha = np.max(np.sum(hit * stars, axis=(2, 3)) / np.sum(star * stars, axis=(2, 3)))
    return np.asarray(hit - alpha * star, np.float64)


@njit(cache=True, nogil=True)
def _find(
    residual: Image, weight: Image, sharp: Float, width: int, threshold: float, found: Mask
) -> None:
    """Mark the pixels of hits of one width in ``found``; pixels that are masked add nothing."""
    ny, nx = residual.shape
    size = sharp.shape[0]
    low = (size - width) // 2  # rows and columns before the hit
    for j in range(ny - width + 1):
        for i in range(nx - width + 1):
            value, variance = 0.0, 0.0
            for b in range(width):
                for a in range(width):
                    w = weight[j + b, i + a]
                    value += residual[j + b, i + a]
                    variance += 1.0 / w if w > 0.0 else np.inf
            if value <= threshold * np.sqrt(variance):
                continue
            answer, noise = 0.0, 0.0
            for b in range(max(0, low - j), min(size, ny - j + low)):
                for a in range(max(0, low - i), min(size, nx - i + low)):
                    w = weight[j + b - low, i + a - low]
                    if w > 0.0:
                        answer += sharp[b, a] * residual[j + b - low, i + a - low]
                        noise += sharp[b, a] * sharp[b, a] / w
            if answer > threshold * np.sqrt(noise):
                for b in range(j, j + width):
                    for a in range(i, i + width):
                        found[b, a] |= residual[b, a] * np.sqrt(weight[b, a]) > GROWTH


@njit(cache=True, nogil=True)
def _grow(residual: Image, weight: Image, found: Mask) -> None:
    """Extend hits, in place, to those of their neighbours that stand out of the noise."""
    ny, nx = residual.shape
    first = found.copy()
    for j in range(ny):
        for i in range(nx):
            w = weight[j, i]
            if first[j, i] or w <= 0.0 or residual[j, i] * np.sqrt(w) < GROWTH:
                continue
            for b in range(max(j - 1, 0), min(j + 2, ny)):
                for a in range(max(i - 1, 0), min(i + 2, nx)):
                    if first[b, a]:
                        found[j, i] = True
