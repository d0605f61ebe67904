"""Cosmic rays: pixels that are sharper than any star, or any sum of stars, can be.

For a PSF P and a direction d let ρ be the least of (P(u−d) + P(u+d)) / 2P(u) over the core. Every
star has it, so every sum of stars has it too: a pixel above 1/ρ times the mean of its two
neighbours is no starlight. Along a track the test fails in one direction and holds across it, so
all four directions are tried. (The idea of van Dokkum 2001, PASP 113, 1420, with the PSF in place
of the Laplacian's fixed limit.)
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from numba import njit

from csstream.imaging.frames.frame import Image, Mask
from csstream.imaging.psf.pixel_psf import PixelPsf

DIRECTIONS = ((1, 0), (0, 1), (1, 1), (1, -1))
MARGIN = 0.05  # relative error of a star's sharpness that is always forgiven
MARGIN_PER_PSF_ERROR = 8.0  # and how much more where the PSF is known badly
LARGEST_MARGIN = 0.6
THRESHOLD = 6.0  # [sigma] to find a hit
GROWTH_THRESHOLD = 2.5  # [sigma] to extend it
ROUNDS = 3
BRIGHT_PEAKS = 400
LEAST_PEAKS = 20


def sharpness_limits(psf: PixelPsf) -> npt.NDArray[np.float64]:
    """Return ρ for each of ``DIRECTIONS``, over the core above a tenth of the peak. (4,)"""
    reach = 1.2 * psf.fwhm
    steps = np.arange(-np.ceil(4 * reach), np.ceil(4 * reach) + 1) / 4.0
    u, v = np.meshgrid(steps, steps)
    here = psf.evaluate(u, v)
    core = here > 0.1 * here.max()
    limits = []
    for dx, dy in DIRECTIONS:
        mean = 0.5 * (psf.evaluate(u + dx, v + dy) + psf.evaluate(u - dx, v - dy))
        limits.append(float(np.min(mean[core] / here[core])))
    return np.clip(np.array(limits), 0.02, 1.0)


def find_cosmic_rays(
    image: Image,
    mask: Mask,
    background: Image,
    psf: PixelPsf,
    read_noise: float,
    rms: float,
    psf_error: float = 0.01,
) -> tuple[Mask, Image]:
    """Find the pixels hit, and fill them.

    Parameters
    ----------
    image, background : ndarray, (ny, nx), float32 [electron]
    mask : ndarray, (ny, nx), bool
        True where a pixel has no information; such pixels are neither tested nor used.
    rms : float [electron]
        Noise of the sky: a lower limit to every pixel's noise.
    psf_error : float
        Relative error of the PSF in its core.

    Returns
    -------
    hits : ndarray, (ny, nx), bool
    filled : ndarray, (ny, nx), float32 [electron]
        The image with hits replaced by the median of their surroundings.
    """
    limits = sharpness_limits(psf)
    limits *= _easing(image - background, mask, limits)
    hits = np.zeros(image.shape, np.bool_)
    filled = np.array(image, np.float32)
    margin = min(MARGIN + MARGIN_PER_PSF_ERROR * psf_error, LARGEST_MARGIN)
    floor = float(max(rms, 0.1)) ** 2
    for _ in range(ROUNDS):
        args = (filled, mask, background, limits, read_noise**2, floor)
        fresh = _too_sharp(*args, THRESHOLD, margin) & ~hits
        if not fresh.any():
            break
        edge = _too_sharp(*args, GROWTH_THRESHOLD, margin) & _grown(hits | fresh) & ~hits
        hits |= fresh | edge
        _fill(filled, hits, mask)
    return hits, filled


def _easing(sky_free: Image, mask: Mask, limits: npt.NDArray[np.float64]) -> float:
    """Factor on the limits for a PSF that is wider than this frame's stars.

    A quarter of the brightest peaks lies below the quartile of their own ratios; if that is less
    than a star of this PSF can have, the PSF is wrong and not a quarter of the stars.
    """
    ratios = _peak_ratios(sky_free, mask)
    if ratios.shape[0] < LEAST_PEAKS:
        return 1.0
    quartile = np.percentile(ratios, 25.0, axis=0)
    return float(np.clip(np.min(quartile / limits), 0.2, 1.0))


def _peak_ratios(sky_free: Image, mask: Mask) -> npt.NDArray[np.float64]:
    """Mean of opposite neighbours over the peak, for the brightest local maxima. (n, 4)"""
    ny, nx = sky_free.shape
    if min(ny, nx) < 3:
        return np.empty((0, 4))
    rows, columns = np.nonzero(_peaks(sky_free, mask))
    here = sky_free[rows, columns]
    order = np.argsort(-here, kind="stable")[:BRIGHT_PEAKS]
    rows, columns, here = rows[order], columns[order], here[order]
    pairs = [
        0.5 * (sky_free[rows + dy, columns + dx] + sky_free[rows - dy, columns - dx])
        for dx, dy in DIRECTIONS
    ]
    return np.asarray(np.stack(pairs, axis=1) / here[:, None], np.float64)


@njit(cache=True, nogil=True)
def _peaks(sky_free: Image, mask: Mask) -> Mask:
    """Tell which positive, usable pixels no neighbour exceeds; none on the border."""
    ny, nx = sky_free.shape
    found = np.zeros((ny, nx), np.bool_)
    for j in range(1, ny - 1):
        for i in range(1, nx - 1):
            value = sky_free[j, i]
            if value <= 0.0 or value < sky_free[j, i - 1] or value < sky_free[j, i + 1]:
                continue
            top = not mask[j, i]
            for a in range(-1, 2):
                top &= value >= sky_free[j - 1, i + a] and value >= sky_free[j + 1, i + a]
            found[j, i] = top
    return found


def fill_masked(image: Image, mask: Mask, background: Image) -> Image:
    """Return the image with masked pixels replaced by the sky, for a detector to look at."""
    return np.where(mask, background, image).astype(np.float32)


def _grown(hits: Mask) -> Mask:
    grown = hits.copy()
    grown[1:] |= hits[:-1]
    grown[:-1] |= hits[1:]
    grown[:, 1:] |= hits[:, :-1]
    grown[:, :-1] |= hits[:, 1:]
    return grown


def _fill(filled: Image, hits: Mask, mask: Mask) -> None:
    """Replace the hits in place by the median of the good pixels in 5×5."""
    rows, columns = np.nonzero(hits)
    ny, nx = filled.shape
    for j, i in zip(rows, columns, strict=True):
        part = slice(max(j - 2, 0), min(j + 3, ny)), slice(max(i - 2, 0), min(i + 3, nx))
        good = filled[part][~hits[part] & ~mask[part]]
        if good.size:
            filled[j, i] = np.median(good)


@njit(cache=True, nogil=True)
def _too_sharp(
    image: Image,
    mask: Mask,
    background: Image,
    limits: npt.NDArray[np.float64],
    noise2: float,
    floor: float,
    threshold: float,
    margin: float,
) -> Mask:
    ny, nx = image.shape
    found = np.zeros((ny, nx), np.bool_)
    for j in range(1, ny - 1):
        for i in range(1, nx - 1):
            if mask[j, i]:
                continue
            value = image[j, i] - background[j, i]
            own = max(image[j, i] + noise2, floor)
            if value < threshold * np.sqrt(own):
                continue
            for d in range(4):
                dx = 0 if d == 1 else 1
                dy = 0 if d == 0 else (-1 if d == 3 else 1)
                if mask[j + dy, i + dx] or mask[j - dy, i - dx]:
                    continue
                one = image[j + dy, i + dx]
                two = image[j - dy, i - dx]
                rho = limits[d]
                sky = background[j + dy, i + dx] + background[j - dy, i - dx]
                variance = own + (max(one + noise2, floor) + max(two + noise2, floor)) / (
                    4 * rho**2
                )
                excess = (1.0 - margin) * value - 0.5 * (one + two - sky) / rho
                if excess > threshold * np.sqrt(variance):
                    found[j, i] = True
                    break
    return found
