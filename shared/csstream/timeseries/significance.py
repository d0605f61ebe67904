"""Every signal-to-noise statistic of the project, defined once each.

See ``docs/significance.md`` for what they mean and when they mislead.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.special import bdtrc, betainc, ndtr

Array = npt.NDArray[Any]

SMALLEST_FAP = 1e-300


def snr_bls(depth: float, weight_in: float, weight_out: float) -> float:
    """Depth over its error for white noise.

    weight_in, weight_out : summed inverse variances in and out of the event [1/flux²], errors
        rescaled so that the residuals of the model have a chi² of one per point.
    """
    if weight_in <= 0 or weight_out <= 0:
        return 0.0
    return float(depth / np.sqrt(1.0 / weight_in + 1.0 / weight_out))


def snr_pink(depth: float, event_points: Array, sigma_white: float, sigma_red: float) -> float:
    """Depth over its error when noise is correlated within an event (Pont et al. 2006).

    event_points : ndarray, (events,): points within each event, zeros allowed.
    sigma_white, sigma_red : noise of one point, and noise common to the points of one event.
    """
    points = np.asarray(event_points, float)
    points = points[points > 0]
    if len(points) == 0:
        return 0.0
    variance = np.sum(points**2 * (sigma_white**2 / points + sigma_red**2)) / points.sum() ** 2
    return float(depth / np.sqrt(variance)) if variance > 0 else 0.0


def red_noise(time: Array, residual: Array, weight: Array, duration: float) -> tuple[float, float]:
    """White noise of one point and the noise that stays when ``duration`` is averaged.

    Residuals are averaged in time bins of one duration; what their scatter has beyond that of
    white noise is red. Bins with one point say nothing; without five others the red part is 0.
    """
    white = float(np.sqrt(np.average(residual**2, weights=weight)))
    bins = np.floor((time - time[0]) / duration).astype(np.int64)
    _, index, count = np.unique(bins, return_inverse=True, return_counts=True)
    mean = np.bincount(index, residual) / count
    full = count >= 2
    if np.count_nonzero(full) < 5:
        return white, 0.0
    excess = np.mean(mean[full] ** 2) - np.mean(white**2 / count[full])
    return white, float(np.sqrt(max(float(excess), 0.0)))


def sde(spectrum: Array) -> Array:
    """Signal detection efficiency: the peak above the mean in standard deviations (Kovács 2002).

    spectrum : ndarray, (n, k): SR at each frequency. It depends on the grid. Returns (n,).
    """
    if spectrum.shape[1] < 2:
        return np.zeros(len(spectrum))
    deviation = spectrum.std(axis=1, dtype=np.float64)
    height = spectrum.max(axis=1) - spectrum.mean(axis=1, dtype=np.float64)
    return np.where(deviation > 0, height / np.where(deviation > 0, deviation, 1.0), 0.0)


def snr_amplitude(amplitude: float, sigma1: float) -> float:
    """The paper's equation 5, read as amplitude over the error of one epoch.

    amplitude : depth of the primary event, or half of peak to peak for a pulsator.
    """
    return float(amplitude / sigma1) if sigma1 > 0 else 0.0


def snr_rms(model: Array, sigma1: float) -> float:
    """Root mean square of a model about its mean at the epochs (m,), over the error of one epoch.

    The other reading of the paper's equation 5. For a box of duty cycle q it is
    ``sqrt(q (1 - q))`` of :func:`snr_amplitude`, for a sinusoid ``1 / sqrt(2)``.
    """
    return float(np.std(model) / sigma1) if sigma1 > 0 else 0.0


def fap_box(snr: Array, trials: float) -> Array:
    """Chance that noise alone gives a box of this signal-to-noise in so many trials."""
    return _many(ndtr(-np.asarray(snr, float)), trials)


def fap_harmonics(
    power: Array, harmonics: Array | int, points: Array | float, trials: float
) -> Array:
    """Chance that noise alone gives this power (share of chi² removed) in so many trials.

    points : effective number of independent points. ``1 - power`` of a noise-only fit of 2 K terms
    follows a beta distribution with (points - 1 - 2 K) / 2 and K.
    """
    free = np.maximum(np.asarray(points, float) - 1.0 - 2.0 * np.asarray(harmonics), 1.0)
    rest = np.clip(1.0 - np.asarray(power, float), 0.0, 1.0)
    return _many(betainc(0.5 * free, np.asarray(harmonics, float), rest), trials)


def fap_counts(flux: Array, inside: Array, depth: float, trials: float) -> float:
    """Chance of so many low points within the event if they were spread over the curve at random.

    flux : ndarray, (m,) [below the level by `depth` in the event]; inside : (m,) bool. A point is
    low when it is deeper than half of the depth. Needs no shape of the noise: a star whose flux
    jumps between two values has many low points outside the event too.
    """
    low = flux < -0.5 * depth
    n_inside, n_low = int(np.count_nonzero(inside)), int(np.count_nonzero(low & inside))
    if n_low == 0:
        return 1.0
    share = (np.count_nonzero(low & ~inside) + 1.0) / (np.count_nonzero(~inside) + 2.0)
    return float(_many(bdtrc(n_low - 1, n_inside, share), trials))


def box_trials(n_frequencies: int, fractions: Array, oversampling: float) -> float:
    """Independent boxes in a search: frequencies × places in the cycle, over all durations."""
    return max(n_frequencies / oversampling * float(np.sum(1.0 / np.asarray(fractions))), 1.0)


def _many(single: Array, trials: float) -> Array:
    """``1 - (1 - p)^trials`` without losing small values."""
    single = np.clip(single, SMALLEST_FAP, 1.0 - 1e-16)
    return np.clip(-np.expm1(trials * np.log1p(-single)), SMALLEST_FAP, 1.0)
