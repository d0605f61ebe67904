"""A second look: stars that stand out of the joint fit's residual."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy.ndimage import gaussian_filter, maximum_filter
from scipy.spatial import cKDTree

from csstream.imaging.finding.candidates import Candidates
from csstream.imaging.frames.frame import Image
from csstream.imaging.psf.pixel_psf import PixelPsf

Float = npt.NDArray[np.float64]

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
    top = gaussian_filter(weight * residual, sigma, truncate=3.5)
    bottom = gaussian_filter(weight, sigma / np.sqrt(2.0), truncate=4.0) / (4.0 * np.pi * sigma**2)
    snr = np.where(bottom > 0.0, top / np.sqrt(np.where(bottom > 0.0, bottom, 1.0)), 0.0)
    peaks = (snr > threshold) & (snr == maximum_filter(snr, size=3)) & (weight > 0.0)
    y, x = (v.astype(np.float64) for v in np.nonzero(peaks))
    flux = np.asarray(top[peaks] / bottom[peaks], np.float64)
    if known[0].size and x.size:
        tree = cKDTree(np.column_stack(known))
        far = tree.query(np.column_stack([x, y]))[0] > closest
        x, y, flux = x[far], y[far], flux[far]
    dx, dy = _centroid_shift(snr, x, y)
    return Candidates(x + dx, y + dy, flux, np.full(x.size, PROBABILITY))


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
