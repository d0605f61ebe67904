"""Lomb–Scargle with a floating mean (Zechmeister & Kürster 2009) over a whole panel.

The sines and cosines are common to all stars of a panel, so the sums are matrix products.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from numba import njit

from csstream.timeseries.grids import FrequencyGrid

Array = npt.NDArray[Any]

CHUNK = 64  # frequencies per matrix product


def lomb_scargle_panel(time: Array, flux: Array, weight: Array, grid: FrequencyGrid) -> Array:
    """Standard power (fraction of chi² taken away by one sinusoid) at each frequency.

    Parameters
    ----------
    time : ndarray, (m,) [day]; keep it near zero.
    flux, weight : ndarray, (n, m): relative flux minus one and inverse variance (0: unused).
    grid : the frequencies.

    Returns
    -------
    ndarray, (n, grid.count), float32, in [0, 1]; 0 for stars without variance.
    """
    total = weight.sum(axis=1)
    share = weight / np.where(total > 0, total, 1.0)[:, None]
    centred = flux - (share * flux).sum(axis=1)[:, None]
    variance = (share * centred**2).sum(axis=1)
    scaled = centred / np.sqrt(np.where(variance > 0, variance, 1.0))[:, None]
    product = np.ascontiguousarray((share * scaled).T, np.float32)
    shares = np.ascontiguousarray(share.T, np.float32)
    power = np.empty((grid.count, len(flux)), np.float32)
    cosine = np.empty((CHUNK, len(time)), np.float32)
    sine = np.empty((CHUNK, len(time)), np.float32)
    for first in range(0, grid.count, CHUNK):
        count = min(CHUNK, grid.count - first)
        _waves(time, grid.start + first * grid.step, grid.step, cosine[:count], sine[:count])
        power[first : first + count] = _power(cosine[:count], sine[:count], product, shares)
    return np.where(variance > 0, power, np.float32(0)).T


def _power(cosine: Array, sine: Array, product: Array, share: Array) -> Array:
    """Power of a chunk of frequencies, (chunk, n)."""
    yc, ys = cosine @ product, sine @ product
    c, s = cosine @ share, sine @ share
    cc = (cosine * cosine) @ share
    cs = (cosine * sine) @ share - c * s
    ss = 1.0 - cc - s * s
    cc = cc - c * c
    determinant = cc * ss - cs * cs
    good = determinant > 1e-5
    numerator = ss * yc**2 + cc * ys**2 - 2.0 * cs * yc * ys
    return np.where(good, np.clip(numerator / np.where(good, determinant, 1.0), 0.0, 1.0), 0.0)


@njit(cache=True, nogil=True)
def _waves(time: Array, start: float, step: float, cosine: Array, sine: Array) -> None:
    """Fill cos and sin of 2π f t; each next frequency by a rotation of the one before."""
    for i in range(time.shape[0]):
        angle = 2.0 * np.pi * start * time[i]
        c, s = np.cos(angle), np.sin(angle)
        turn = 2.0 * np.pi * step * time[i]
        dc, ds = np.cos(turn), np.sin(turn)
        for k in range(cosine.shape[0]):
            cosine[k, i] = c
            sine[k, i] = s
            c, s = c * dc - s * ds, s * dc + c * ds
