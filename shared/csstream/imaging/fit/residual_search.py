"""A second look: stars that stand out of the joint fit's residual."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from numba import njit
from scipy.spatial import cKDTree

from csstream.imaging.finding.candidates import Candidates
from csstream.imaging.frames.frame import Image
from csstream.imaging.psf.pixel_psf import PixelPsf

Float = npt.NDArray[np.float64]
Single = npt.NDArray[np.float32]

PROBABILITY = 0.5  # of a find in the residual; no calibration stands behind it


def search_residual(
    residual: Image,
    weight: Image,
    psf: PixelPsf,
    known: tuple[Float, Float],
    *,
    threshold: float,
    closest: float,
) -> Candidates:
    """Return the peaks of the residual filtered with a Gaussian of the PSF's width.

    Parameters
    ----------
    residual : ndarray, (ny, nx), float32 [electron]
    weight : ndarray, (ny, nx), float32
        One over the variance; the error of the PSF under bright stars must be in it.
    known : (x, y) of the stars already fitted [pixel]
    threshold : float [sigma]
    closest : float [pixel]
        Peaks this near to a known star are its own residual.
    """
    sigma = psf.fwhm / 2.3548
    # G normalised to unit sum is the profile; G² is a narrower Gaussian over 4πσ².
    norm = 1.0 / (4.0 * np.pi * sigma**2)
    narrow = _gaussian(sigma / np.sqrt(2.0), 4.0) * np.float32(np.sqrt(norm))
    snr, top, bottom = _matched_filter(residual, weight, _gaussian(sigma, 3.5), narrow)
    peaks = _peaks(snr, weight, threshold)
    y, x = (v.astype(np.float64) for v in np.nonzero(peaks))
    flux = np.asarray(top[peaks] / bottom[peaks], np.float64)
    if known[0].size and x.size:
        tree = cKDTree(np.column_stack(known))
        far = tree.query(np.column_stack([x, y]))[0] > closest
        x, y, flux = x[far], y[far], flux[far]
    dx, dy = _centroid_shift(snr, x, y)
    return Candidates(x + dx, y + dy, flux, np.full(x.size, PROBABILITY))


def _gaussian(sigma: float, reach: float) -> Single:
    """Return a Gaussian of unit sum, cut at ``reach`` sigma."""
    steps = np.arange(-round(reach * sigma), round(reach * sigma) + 1)
    taps = np.exp(-0.5 * (steps / sigma) ** 2)
    return np.asarray(taps / taps.sum(), np.float32)


@njit(cache=True, nogil=True)
def _matched_filter(
    residual: Single, weight: Single, wide: Single, narrow: Single
) -> tuple[Single, Single, Single]:
    """Return S/N of a star at each pixel, and numerator and denominator of its flux.

    Beyond the edge nothing is known: the weight is zero.
    """
    top, bottom = _smoothed(residual * weight, wide), _smoothed(weight, narrow)
    snr = np.zeros_like(top)
    for j in range(top.shape[0]):
        for i in range(top.shape[1]):
            if bottom[j, i] > 0.0:
                snr[j, i] = top[j, i] / np.sqrt(bottom[j, i])
    return snr, top, bottom


@njit(cache=True, nogil=True)
def _smoothed(image: Single, taps: Single) -> Single:
    """Convolve with a symmetric kernel along both axes; zero beyond the edge."""
    ny, nx = image.shape
    reach = taps.size // 2
    out = np.zeros_like(image)
    line = np.zeros(nx + 2 * reach, np.float32)
    for j in range(ny):
        inner = line[reach : reach + nx]
        inner[:] = np.float32(0.0)
        for t in range(max(-reach, -j), min(reach + 1, ny - j)):
            tap, row = taps[t + reach], image[j + t]
            for i in range(nx):
                inner[i] += tap * row[i]
        target = out[j]
        for t in range(taps.size):
            tap, shifted = taps[t], line[t : t + nx]
            for i in range(nx):
                target[i] += tap * shifted[i]
    return out


@njit(cache=True, nogil=True)
def _peaks(snr: Single, weight: Single, threshold: float) -> npt.NDArray[np.bool_]:
    """Tell which usable pixels exceed the threshold, and no neighbour exceeds them."""
    ny, nx = snr.shape
    found = np.zeros((ny, nx), np.bool_)
    for j in range(ny):
        for i in range(nx):
            value = snr[j, i]
            if value <= threshold or weight[j, i] <= 0.0:
                continue
            top = True
            for b in range(max(j - 1, 0), min(j + 2, ny)):
                for a in range(max(i - 1, 0), min(i + 2, nx)):
                    top &= snr[b, a] <= value
            found[j, i] = top
    return found


def _centroid_shift(snr: npt.NDArray[np.floating], x: Float, y: Float) -> tuple[Float, Float]:
    """Sub-pixel place of each peak, by parabolas through its neighbours."""
    ny, nx = snr.shape
    i, j = x.astype(np.int64), y.astype(np.int64)
    here = snr[j, i]

    def shift(low: npt.NDArray[np.floating], high: npt.NDArray[np.floating]) -> Float:
        bend = 2.0 * here - low - high
        safe = np.where(bend > 0.0, bend, 1.0)
        return np.where(bend > 0.0, np.clip(0.5 * (high - low) / safe, -0.5, 0.5), 0.0)

    dx = shift(snr[j, np.maximum(i - 1, 0)], snr[j, np.minimum(i + 1, nx - 1)])
    dy = shift(snr[np.maximum(j - 1, 0), i], snr[np.minimum(j + 1, ny - 1), i])
    return dx, dy
