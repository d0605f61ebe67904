"""From measured fluxes to relative ones with honest errors.

A panel is a set of stars that share their time stamps: flux and error matrices of shape
``(n_stars, n_epochs)``, NaN where a star was not measured.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from numba import njit

from csstream.timeseries.errors import TimeseriesError
from csstream.timeseries.medians import MAD_TO_SIGMA, row_median, weighted_median
from csstream.timeseries.outliers import Outliers, drop_outliers
from csstream.timeseries.trends import remove_shared_trend

Array = npt.NDArray[Any]

SMALLEST_ERROR_SCALE = 0.5
FEWEST_DIFFERENCES = 5
LARGEST_RELATIVE = 1e9  # a flux so far from the level is no measurement
ENSEMBLE_STARS = 20  # fewer stars would put a variable's own signal into the correction
QUIET_SHARE = 0.3  # of the stars of a panel; their excess scatter is the panel's
ENSEMBLE_WEIGHT = 0.1  # largest share of one star in the correction of an epoch


@dataclass(frozen=True, eq=False)
class PreparedPanel:
    """Relative fluxes around zero, ready to be searched.

    Attributes
    ----------
    time : ndarray, (m,), float64 [day]
        Increasing, as given.
    flux : ndarray, (n, m), float64
        Relative flux minus one; 0 where unused.
    weight : ndarray, (n, m), float64
        Inverse variance of ``flux``; 0 where unused.
    level : ndarray, (n,), float64
        The flux that is 1 in relative units; NaN for stars that cannot be examined.
    sigma1 : ndarray, (n,), float64
        Median error of one epoch as the photometry states it, in relative flux.
    error_scale : ndarray, (n,), float64
        Factor by which the stated errors were multiplied.
    """

    time: Array
    flux: Array
    weight: Array
    level: Array
    sigma1: Array
    error_scale: Array

    @property
    def epochs(self) -> Array:
        """Number of epochs used, per star: (n,), int64."""
        return np.asarray(np.count_nonzero(self.weight, axis=1))


def prepare_panel(
    time: Array,
    flux: Array,
    flux_err: Array,
    *,
    ensemble: bool = True,
    trend: bool = True,
    outliers: Outliers = "keep-dips",
) -> PreparedPanel:
    """Normalise a panel, drop outliers, take out what all stars share, rescale errors.

    Parameters
    ----------
    time : ndarray, (m,) [day], increasing.
    flux, flux_err : ndarray, (n, m), any one linear unit; NaN where not measured.
    ensemble : subtract the weighted median of the panel at each epoch (20 stars or more).
    trend : with ``ensemble``, subtract also the strongest trend that stars follow each in its own
        measure (30 stars or more).
    outliers : ``keep-dips`` or the ``paper``'s symmetric clip, see ``outliers``.

    Raises
    ------
    TimeseriesError
        When shapes disagree or times do not increase.
    """
    _check(time, flux, flux_err)
    time = np.asarray(time, float)
    relative, error, level = normalise(flux, flux_err)
    sigma1 = row_median(error)
    drop_outliers(time, relative, outliers)
    if outliers == "paper":  # points were filled in
        error = np.where(np.isfinite(error), error, sigma1[:, None])
    if ensemble:
        relative -= common_mode(relative, error, sigma1)
        if trend:
            steady = steady_stars(relative, sigma1)
            relative = remove_shared_trend(relative, error, steady)
        relative -= row_median(relative)[:, None]
    used = np.isfinite(relative) & np.isfinite(error)
    relative = np.where(used, relative, 0.0)
    weight = np.where(used, 1.0 / np.where(used, error, 1.0) ** 2, 0.0)
    scale = error_scales(relative, weight)
    weight /= (scale**2)[:, None]
    return PreparedPanel(time, relative, weight, level, sigma1, scale)


def normalise(flux: Array, flux_err: Array) -> tuple[Array, Array, Array]:
    """Return relative flux minus one (n, m), relative error (n, m) and the level (n,).

    The level is the median flux. Stars whose level is not above zero become NaN.
    """
    valid = np.isfinite(flux) & np.isfinite(flux_err) & (np.asarray(flux_err) > 0)
    values = np.where(valid, flux, np.nan).astype(np.float64)
    level = row_median(values)  # to 1e-7: what is left is subtracted with the panel's median
    level = np.where(level > 0, level, np.nan)
    with np.errstate(over="ignore"):
        relative = values / level[:, None] - 1.0
    relative[~(np.abs(relative) < LARGEST_RELATIVE)] = np.nan
    error = np.where(valid, flux_err, np.nan).astype(np.float64) / level[:, None]
    error[~((error > 1.0 / LARGEST_RELATIVE) & (error < LARGEST_RELATIVE))] = np.nan
    return relative, error, level


def common_mode(relative: Array, error: Array, sigma1: Array) -> Array:
    """Weighted median of the panel at each epoch: (m,), zero where too few stars are there.

    Stars that vary much more than their errors do not take part; weights are capped so that no
    star decides alone. sigma1 : (n,) median error of each star.
    """
    used = np.isfinite(relative) & np.isfinite(error) & steady_stars(relative, sigma1)[:, None]
    weight = np.where(used, 1.0 / np.where(used, error, 1.0) ** 2, 0.0)
    weight = np.minimum(weight, ENSEMBLE_WEIGHT * weight.sum(axis=0))
    count = np.count_nonzero(weight, axis=0)
    middle = weighted_median(np.where(used, relative, 0.0).T.copy(), weight.T.copy())
    return np.where(count >= ENSEMBLE_STARS, middle, 0.0)


def steady_stars(relative: Array, sigma1: Array) -> Array:
    """Stars whose scatter is below three times what errors and the panel explain: (n,) bool.

    What the panel explains is the excess scatter that all but three tenths of its stars have, such
    as an error of the zero point.
    """
    spread = MAD_TO_SIGMA * row_median(np.abs(relative))
    stated = np.maximum(sigma1, 2e-3)
    excess = np.sqrt(np.maximum(spread**2 - stated**2, 0.0))
    known = excess[np.isfinite(excess)]
    shared = float(np.quantile(known, QUIET_SHARE)) if len(known) else 0.0
    with np.errstate(invalid="ignore"):
        return np.asarray(spread < 3.0 * np.hypot(stated, shared))


def error_scales(relative: Array, weight: Array) -> Array:
    """Factor that makes the scatter from epoch to epoch agree with the errors: (n,).

    Median of the absolute, normalised differences of successive epochs. Variations of the star
    that are slow against the sampling do not enter it. Not below one half; 1 where there are fewer
    than five differences.
    """
    differences = _differences(relative, weight)
    enough = np.count_nonzero(weight, axis=1) >= FEWEST_DIFFERENCES + 1
    scale = MAD_TO_SIGMA * row_median(differences)
    return np.where(enough, np.maximum(scale, SMALLEST_ERROR_SCALE), 1.0)


@njit(cache=True, nogil=True)
def _differences(relative: Array, weight: Array) -> Array:
    """Absolute differences of successive used epochs over their errors, NaN elsewhere; (n, m)."""
    result = np.full(relative.shape, np.float32(np.nan), np.float32)
    for i in range(relative.shape[0]):
        last = -1
        for j in range(relative.shape[1]):
            if weight[i, j] <= 0.0:
                continue
            if last >= 0:
                variance = 1.0 / weight[i, j] + 1.0 / weight[i, last]
                result[i, j] = abs(relative[i, j] - relative[i, last]) / np.sqrt(variance)
            last = j
    return result


def _check(time: Array, flux: Array, flux_err: Array) -> None:
    if np.ndim(flux) != 2 or np.shape(flux) != np.shape(flux_err):
        raise TimeseriesError(
            "shape",
            f"flux {np.shape(flux)} and flux_err {np.shape(flux_err)} must be equal, 2-dimensional",
        )
    if np.shape(time) != (np.shape(flux)[1],):
        raise TimeseriesError(
            "shape", f"time {np.shape(time)} must have one value per epoch of flux"
        )
    if not np.all(np.isfinite(time)) or np.any(np.diff(time) < 0):
        raise TimeseriesError("time_order", "time must be finite and must not decrease")
