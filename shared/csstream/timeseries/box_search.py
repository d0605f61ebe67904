"""Box least squares (Kovács et al. 2002) over a whole panel at once.

All stars of a panel share time stamps, so the phase of an epoch is computed once per frequency and
rows of the (epoch × star) matrices are added to phase bins. Then one running sum over the bins
gives every box. The statistic is the signal residue ``SR² = s² / (r (1 - r))`` with weights
normalised to one per star; times the total weight it is the reduction in chi².
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from numba import njit

Array = npt.NDArray[Any]

BINS = 128
WIDTHS = (2, 3, 5, 8, 13, 20)  # of the box, in bins
STEPS = (1, 1, 2, 2, 4, 6)  # between tried starts, in bins
POINTS_IN_BOX = 2.5  # weight a box must hold, in mean points: one outlier is no box
LANES = 64  # stars handled together: the bins then stay in cache


@dataclass(frozen=True)
class BoxFit:
    """The best box of one star at one frequency."""

    frequency: float  # [1/day]
    residue: float  # SR²
    centre: float  # phase of mid-event, relative to the time origin used
    fraction: float  # duration over period


def box_panel(time: Array, flux: Array, weight: Array, frequencies: Array) -> Array:
    """Signal residue SR of the best dip at each frequency.

    Parameters
    ----------
    time : ndarray, (m,) [day]; keep it near zero.
    flux, weight : ndarray, (n, m): relative flux minus one and inverse variance (0: unused).
    frequencies : ndarray, (k,) [1/day].

    Returns
    -------
    ndarray, (n, k), float32: SR, 0 where no dip was found.
    """
    total = weight.sum(axis=1)
    share = weight / np.where(total > 0, total, 1.0)[:, None]
    mean = (share * flux).sum(axis=1)
    product = share * (flux - mean[:, None])
    least = POINTS_IN_BOX / np.maximum(np.count_nonzero(weight, axis=1), 1)
    result = np.empty((len(flux), len(frequencies)), np.float32)
    for first in range(0, len(flux), LANES):
        part = slice(first, first + LANES)
        result[part] = _box_panel(
            np.ascontiguousarray(time, np.float64),
            np.ascontiguousarray(product[part].T, np.float32),
            np.ascontiguousarray(share[part].T, np.float32),
            least[part].astype(np.float32),
            np.ascontiguousarray(frequencies, np.float64),
            np.array(WIDTHS),
            np.array(STEPS),
            BINS,
        ).T
    return np.sqrt(result)


@njit(cache=True, nogil=True)
def _fold_rows(time: Array, frequency: float, rows: Array, bins: Array, n_bins: int) -> None:
    """Add the rows of the epochs to the rows of their phase bins."""
    for i in range(time.shape[0]):
        phase = time[i] * frequency
        b = min(int((phase - np.floor(phase)) * n_bins), n_bins - 1)
        for j in range(rows.shape[1]):
            bins[b, j] += rows[i, j]


@njit(cache=True, nogil=True)
def _running_sum(bins: Array, running: Array, n_bins: int) -> None:
    """Sum over the bins, continued around the end of the cycle."""
    for b in range(1, running.shape[0]):
        source = (b - 1) % n_bins
        for j in range(bins.shape[1]):
            running[b, j] = running[b - 1, j] + bins[source, j]


@njit(cache=True, nogil=True, error_model="numpy")
def _best_boxes(
    product: Array,
    share: Array,
    least: Array,
    widths: Array,
    steps: Array,
    n_bins: int,
    best: Array,
) -> None:
    """Largest SR² over all boxes, per star, into ``best``."""
    for width, step in zip(widths, steps):  # noqa: B905  numba knows no strict=
        for start in range(0, n_bins, step):
            for j in range(best.shape[0]):
                s = product[start + width, j] - product[start, j]
                r = share[start + width, j] - share[start, j]
                enough = (s < np.float32(0)) & (r >= least[j]) & (r < np.float32(0.999))
                value = s * s / (r * (np.float32(1) - r) + np.float32(1e-30))
                value = value if enough else np.float32(0)
                best[j] = max(best[j], value)


@njit(cache=True, nogil=True)
def _box_panel(
    time: Array,
    product: Array,
    share: Array,
    least: Array,
    frequencies: Array,
    widths: Array,
    steps: Array,
    n_bins: int,
) -> Array:
    n_stars = product.shape[1]
    result = np.zeros((frequencies.shape[0], n_stars), np.float32)
    bins_p = np.empty((n_bins, n_stars), np.float32)
    bins_s = np.empty((n_bins, n_stars), np.float32)
    sum_p = np.zeros((n_bins + widths.max() + 1, n_stars), np.float32)
    sum_s = np.zeros((n_bins + widths.max() + 1, n_stars), np.float32)
    for k in range(frequencies.shape[0]):
        bins_p[:] = 0
        bins_s[:] = 0
        _fold_rows(time, frequencies[k], product, bins_p, n_bins)
        _fold_rows(time, frequencies[k], share, bins_s, n_bins)
        _running_sum(bins_p, sum_p, n_bins)
        _running_sum(bins_s, sum_s, n_bins)
        _best_boxes(sum_p, sum_s, least, widths, steps, n_bins, result[k])
    return result


def best_box(
    time: Array, flux: Array, weight: Array, frequencies: Array, bins: int = 256
) -> BoxFit:
    """The best dip of one star over the frequencies, with its place and width.

    time, flux, weight : ndarray, (m,), used points only. Ties go to the first frequency.
    """
    share = weight / weight.sum()
    product = share * (flux - np.sum(share * flux))
    widths = np.unique(np.round(np.geomspace(2, bins * 0.2, 12)).astype(np.int64))
    k, residue, start, width = _best_box(
        time,
        product,
        share,
        POINTS_IN_BOX / len(time),
        np.asarray(frequencies, float),
        widths,
        bins,
    )
    centre = (start + 0.5 * width) / bins
    return BoxFit(float(frequencies[k]), residue, centre % 1.0, width / bins)


@njit(cache=True, nogil=True, error_model="numpy")
def _best_box(
    time: Array,
    product: Array,
    share: Array,
    least: float,
    frequencies: Array,
    widths: Array,
    n_bins: int,
) -> tuple[int, float, int, int]:
    best_k, best, best_start, best_width = 0, 0.0, 0, int(widths[0])
    sum_p = np.zeros(n_bins + widths.max() + 1)
    sum_s = np.zeros(n_bins + widths.max() + 1)
    for k in range(frequencies.shape[0]):
        bins_p = np.zeros(n_bins)
        bins_s = np.zeros(n_bins)
        for i in range(time.shape[0]):
            phase = time[i] * frequencies[k]
            b = min(int((phase - np.floor(phase)) * n_bins), n_bins - 1)
            bins_p[b] += product[i]
            bins_s[b] += share[i]
        for b in range(1, sum_p.shape[0]):
            sum_p[b] = sum_p[b - 1] + bins_p[(b - 1) % n_bins]
            sum_s[b] = sum_s[b - 1] + bins_s[(b - 1) % n_bins]
        for width in widths:
            for start in range(n_bins):
                s = sum_p[start + width] - sum_p[start]
                r = sum_s[start + width] - sum_s[start]
                if s < 0.0 and least <= r < 0.999:
                    value = s * s / (r * (1.0 - r))
                    if value > best:
                        best_k, best, best_start, best_width = k, value, start, int(width)
    return best_k, best, best_start, best_width
