"""What the photons of a scene allow: recall within a radius, given the positions' bound."""

from __future__ import annotations

import numpy as np

from csstream.evaluation.judged import LIMIT
from csstream.evaluation.lists import Float, Mask, Truth

SEPARABLE_SNR = 4.5  # below it a star cannot be told from its neighbours or from noise
ANGLES = 128  # of the quadrature over directions


def chance_within(radius: float, sigma_x: Float, sigma_y: Float) -> Float:
    """Return the probability that an unbiased normal position lies within ``radius`` of the truth.

    Parameters
    ----------
    radius : float [pixel]
    sigma_x, sigma_y : ndarray, (n,) [pixel]
        Uncorrelated errors; where they are not known the chance is zero.

    Notes
    -----
    P = ⟨(1 − exp(−r² g/2)) / (σx σy g)⟩ over directions, g = cos²/σx² + sin²/σy². The trapezoidal
    rule converges fast, as the integrand is periodic.
    """
    angle = 0.5 * np.pi * (np.arange(ANGLES) + 0.5) / ANGLES
    known = np.isfinite(sigma_x) & np.isfinite(sigma_y) & (sigma_x > 0.0) & (sigma_y > 0.0)
    sx, sy = np.where(known, sigma_x, 1.0)[:, None], np.where(known, sigma_y, 1.0)[:, None]
    g = (np.cos(angle) / sx) ** 2 + (np.sin(angle) / sy) ** 2
    chance = np.mean(-np.expm1(-0.5 * radius**2 * g) / (sx * sy * g), axis=1)
    return np.where(known, np.minimum(chance, 1.0), 0.0)


def separable(truth: Truth) -> Mask:
    """Return which stars can be told from their neighbours and from noise, (m,).

    Those without which, all other stars fitted anew, chi² would rise by 4.5²: fainter and closer
    ones are lost to everyone.
    """
    with np.errstate(invalid="ignore"):
        return np.asarray(truth.deblending_snr >= SEPARABLE_SNR)


def best_recall(truth: Truth, radius: float, limit: float = LIMIT) -> float:
    """Return the recall within ``radius`` that the bound allows for the scored stars."""
    scored = truth.inside & (truth.mag < limit)
    stars = truth.select(scored)
    if len(stars) == 0:
        return float("nan")
    return float((chance_within(radius, stars.sigma_x, stars.sigma_y) * separable(stars)).mean())
