"""A trend that many stars of a panel follow, each in its own measure (Tamuz et al. 2005).

The width of the PSF, the sky and the airmass move the fluxes of blended stars together, and slow
changes of them look like smooth variables. One trend is taken out. A star's own signal cannot enter
the trend that is taken from it, because each star is left out of its own.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]

FEWEST_STARS = 30
ITERATIONS = 12
CLIP = 3.0  # normalised residuals beyond this do not pull on the trend
CERTAIN = 4.0  # coefficient over its error from which the trend is subtracted
MOSTLY = 0.6  # of the variance of a star that varies much: smooth curves correlate by chance
NOISE_MARGIN = 1.3  # over the largest share of the variance that noise alone gives one trend


def remove_shared_trend(relative: Array, error: Array, steady: Array) -> Array:
    """Subtract the strongest shared trend where a star follows it for sure.

    Parameters
    ----------
    relative, error : ndarray, (n, m): relative flux minus one and its error; NaN where unused.
    steady : ndarray, (n,) bool: stars that may define the trend.

    Returns
    -------
    ndarray, (n, m): corrected flux; unchanged with fewer than 30 steady stars.
    """
    if np.count_nonzero(steady) < FEWEST_STARS:
        return relative
    used = np.isfinite(relative) & np.isfinite(error)
    scale = np.where(used, error, 1.0).astype(np.float32)
    normal = np.where(used, relative / scale, 0.0).astype(np.float32)
    spread = np.sqrt(np.sum(normal**2, axis=1) / np.maximum(used.sum(axis=1), 1))
    spread = np.where(spread > 0, spread, 1.0)[:, None]
    clipped = np.clip(normal / spread, -CLIP, CLIP)
    seen = used.astype(np.float32)
    quiet = clipped * steady[:, None]
    own = steady * _coefficients(quiet, seen)
    if not _stands_out(quiet[steady], own[steady], seen[steady]):
        return relative
    top = (own @ clipped)[None, :] - own[:, None] * clipped
    bottom = (own**2 @ seen)[None, :] - (own**2)[:, None] * seen
    without = np.where(bottom > 0, top / np.where(bottom > 0, bottom, 1.0), 0.0) * seen
    norm = np.maximum(np.sum(without**2, axis=1), 1e-12)
    slope = np.sum(without * clipped, axis=1) / norm
    explained = slope**2 * norm / np.maximum(np.sum(clipped**2, axis=1), 1e-12)
    sure = (np.abs(slope) * np.sqrt(norm) > CERTAIN) & (steady | (explained > MOSTLY))
    model = np.where(sure, slope, 0.0)[:, None] * without * spread * scale
    return np.asarray(np.where(used, relative - model, np.nan))


def _stands_out(values: Array, coefficient: Array, used: Array) -> bool:
    """Whether a trend explains more of the steady stars' variance than noise would give it.

    The largest share of pure noise is ``(sqrt n + sqrt m)² / (n m)`` (Marchenko & Pastur).
    """
    stars, epochs = values.shape
    trend = (coefficient @ values) / np.maximum(coefficient**2 @ used, 1e-12)
    explained = np.sum((coefficient[:, None] * trend * used) ** 2) / np.sum(values**2)
    return bool(explained > NOISE_MARGIN * (stars**0.5 + epochs**0.5) ** 2 / (stars * epochs))


def _coefficients(values: Array, used: Array) -> Array:
    """Coefficients (n,) of the trend whose product with them is nearest to the values (n, m).

    Starts from the star that varies most; alternating least squares.
    """
    trend = values[int(np.argmax(np.sum(values**2, axis=1)))]
    coefficient = np.zeros(len(values))
    for _ in range(ITERATIONS):
        norm = np.maximum(used @ trend**2, 1e-12)
        coefficient = (values @ trend) / norm
        norm = np.maximum(coefficient**2 @ used, 1e-12)
        trend = (coefficient @ values) / norm
    return coefficient
