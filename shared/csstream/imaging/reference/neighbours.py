"""Whose light disturbs a star most."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import scipy.fft
from scipy.spatial import cKDTree

from csstream.imaging.psf.pixel_psf import PixelPsf

Float = npt.NDArray[np.float64]
Int = npt.NDArray[np.int64]

REACH_FWHM = 5.0  # [FWHM] within which a neighbour is looked for
CHUNK = 20_000  # stars at a time
STEP = 0.05  # [pixel] of the overlap's table


def strongest_neighbour(x: Float, y: Float, flux: Float, psf: PixelPsf) -> tuple[Int, Float]:
    """Return which star's light weighs most in a star's flux, and how much, (n,) each.

    The share is fₙ ⟨P, P(d)⟩ / (f ⟨P, P⟩), what fitting the star alone would take of the other
    one's light; d is their distance, and the overlap is averaged over its direction. Index −1
    and share 0 where there is no other star within five FWHM.
    """
    distance, overlap = overlap_profile(psf)
    reach = min(REACH_FWHM * psf.fwhm, float(distance[-1]))
    best, share = np.full(x.size, -1, np.int64), np.zeros(x.size)
    if x.size < 2:
        return best, share
    points = np.column_stack([x, y])
    tree = cKDTree(points)
    light = np.maximum(flux, 0.0)
    for first in range(0, x.size, CHUNK):
        part = points[first : first + CHUNK]
        near = cKDTree(part).sparse_distance_matrix(tree, reach, output_type="ndarray")
        own, other = near["i"] + first, near["j"]
        keep = own != other
        own, other, apart = own[keep], other[keep], near["v"][keep]
        seen = light[other] * np.interp(apart, distance, overlap)
        order = np.lexsort((other, -seen, own))
        star, at = np.unique(own[order], return_index=True)
        best[star] = other[order][at]
        share[star] = seen[order][at] / np.maximum(light[star], 1e-30)
    return best, share


def overlap_profile(psf: PixelPsf) -> tuple[Float, Float]:
    """Return distances [pixel] and ⟨P, P(d)⟩ / ⟨P, P⟩ averaged over directions."""
    half = int(min(psf.half_width, np.ceil(2.0 * REACH_FWHM * psf.fwhm))) * psf.oversampling
    middle = psf.samples.shape[0] // 2
    core = psf.samples[middle - half : middle + half + 1, middle - half : middle + half + 1]
    size = scipy.fft.next_fast_len(2 * core.shape[0], real=True)
    power = np.abs(scipy.fft.rfft2(core, s=(size, size))) ** 2
    correlation = scipy.fft.irfft2(power, s=(size, size))
    lag = np.minimum(np.arange(size), size - np.arange(size)) / psf.oversampling
    radius = np.hypot(lag[:, None], lag[None, :])
    inside = radius < half / psf.oversampling
    bins = (radius[inside] * psf.oversampling + 0.5).astype(np.int64)
    count = np.maximum(np.bincount(bins), 1)
    mean = np.bincount(bins, correlation[inside]) / count
    distance = np.bincount(bins, radius[inside]) / count
    return distance, np.maximum(mean / correlation[0, 0], 0.0)
