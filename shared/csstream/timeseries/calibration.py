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
from csstream.timeseries.trends import remove_shared_trend

Array = npt.NDArray[Any]

MAD_TO_SIGMA = 1.4826
BRIGHTENING_LIMIT = 5.0  # in robust sigmas above the median
BRIGHTENING_SHARE = 0.05  # more bright points than this are the star, not an accident
ISOLATED_DIP = 4.0  # robust sigmas below the median
ISOLATED_GAP = 0.015  # [day] a dip that ends within this on both sides is no eclipse
ISOLATED_SHARE = 0.25  # of the dip that a neighbour may show
SMALLEST_ERROR_SCALE = 0.5
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
    time: Array, flux: Array, flux_err: Array, *, ensemble: bool = True
) -> PreparedPanel:
    """Normalise a panel, drop brightenings, take out what all stars share, rescale errors.

    Dips are kept: a symmetric clip would erase deep eclipses. Only where the sampling is so dense
    that an eclipse must show in two epochs, a dip of one epoch alone is dropped.

    Parameters
    ----------
    time : ndarray, (m,) [day], increasing.
    flux, flux_err : ndarray, (n, m), any one linear unit; NaN where not measured.
    ensemble : subtract the weighted median of the panel at each epoch (20 stars or more), and the
        strongest trend that stars follow each in its own measure (30 or more).

    Raises
    ------
    TimeseriesError
        When shapes disagree or times do not increase.
    """
    _check(time, flux, flux_err)
    relative, error, level = normalise(flux, flux_err)
    sigma1 = _row_median(error)
    drop_brightenings(relative)
    drop_isolated_dips(np.asarray(time, float), relative)
    if ensemble:
        relative = relative - common_mode(relative, error)
        relative = remove_shared_trend(relative, error, steady_stars(relative, error))
        relative = relative - _row_median(relative)[:, None]
    used = np.isfinite(relative) & np.isfinite(error)
    relative = np.where(used, relative, 0.0)
    weight = np.where(used, 1.0 / np.where(used, error, 1.0) ** 2, 0.0)
    scale = error_scales(relative, weight)
    weight /= (scale**2)[:, None]
    return PreparedPanel(np.asarray(time, float), relative, weight, level, sigma1, scale)


def normalise(flux: Array, flux_err: Array) -> tuple[Array, Array, Array]:
    """Return relative flux minus one (n, m), relative error (n, m) and the level (n,).

    The level is the median flux. Stars whose level is not above zero become NaN.
    """
    valid = np.isfinite(flux) & np.isfinite(flux_err) & (np.asarray(flux_err) > 0)
    values = np.where(valid, flux, np.nan).astype(np.float64)
    level = _row_median(values)
    level = np.where(level > 0, level, np.nan)
    relative = values / level[:, None] - 1.0
    error = np.where(valid, flux_err, np.nan).astype(np.float64) / level[:, None]
    return relative, error, level


def drop_brightenings(relative: Array) -> None:
    """Set isolated brightenings beyond five robust sigmas to NaN, in place; (n, m)."""
    centre = _row_median(relative)[:, None]
    sigma = MAD_TO_SIGMA * _row_median(np.abs(relative - centre))[:, None]
    with np.errstate(invalid="ignore"):
        bright = relative - centre > BRIGHTENING_LIMIT * sigma
    epochs = np.maximum(np.count_nonzero(np.isfinite(relative), axis=1), 1)
    rare = np.count_nonzero(bright, axis=1) <= np.maximum(BRIGHTENING_SHARE * epochs, 1)
    relative[bright & rare[:, None]] = np.nan


@njit(cache=True, nogil=True)
def drop_isolated_dips(time: Array, relative: Array) -> None:
    """Set deep points to NaN whose neighbours in time, both within 22 minutes, are not low.

    In place; relative (n, m). Where neighbours are further away nothing is dropped.
    """
    deviation = np.empty(relative.shape[1])
    for i in range(relative.shape[0]):
        used = np.flatnonzero(np.isfinite(relative[i]))
        if len(used) < 10:
            continue
        centre = np.median(relative[i, used])
        for k in range(len(used)):
            deviation[k] = relative[i, used[k]] - centre
        limit = -ISOLATED_DIP * MAD_TO_SIGMA * np.median(np.abs(deviation[: len(used)]))
        for k in range(1, len(used) - 1):
            near = max(time[used[k]] - time[used[k - 1]], time[used[k + 1]] - time[used[k]])
            neighbour = min(deviation[k - 1], deviation[k + 1])
            deep = deviation[k] < limit and near <= ISOLATED_GAP
            if deep and neighbour > ISOLATED_SHARE * deviation[k]:
                relative[i, used[k]] = np.nan


def common_mode(relative: Array, error: Array) -> Array:
    """Weighted median of the panel at each epoch: (m,), zero where too few stars are there.

    Stars that vary much more than their errors do not take part; weights are capped so that no
    star decides alone.
    """
    used = np.isfinite(relative) & np.isfinite(error)
    steady = steady_stars(relative, error)
    weight = np.where(used & steady[:, None], 1.0 / np.where(used, error, 1.0) ** 2, 0.0)
    total = weight.sum(axis=0)
    weight = np.minimum(weight, ENSEMBLE_WEIGHT * total)
    count = np.count_nonzero(weight, axis=0)
    return np.where(
        count >= ENSEMBLE_STARS,
        _weighted_median(np.where(used, relative, 0.0).T.copy(), weight.T.copy()),
        0.0,
    )


def steady_stars(relative: Array, error: Array) -> Array:
    """Stars whose scatter is below three times what errors and the panel explain: (n,) bool.

    What the panel explains is the excess scatter that all but three tenths of its stars have, such
    as an error of the zero point.
    """
    spread = MAD_TO_SIGMA * _row_median(np.abs(relative))
    stated = np.maximum(_row_median(error), 2e-3)
    excess = np.sqrt(np.maximum(spread**2 - stated**2, 0.0))
    known = excess[np.isfinite(excess)]
    shared = float(np.quantile(known, QUIET_SHARE)) if len(known) else 0.0
    with np.errstate(invalid="ignore"):
        return np.asarray(spread < 3.0 * np.hypot(stated, shared))


@njit(cache=True, nogil=True)
def _weighted_median(values: Array, weight: Array) -> Array:
    """Weighted median of each row, (rows,); 0 where no weight is."""
    result = np.zeros(values.shape[0])
    for i in range(values.shape[0]):
        order = np.argsort(values[i])
        half = 0.5 * weight[i].sum()
        running = 0.0
        if half > 0.0:
            for j in order:
                running += weight[i, j]
                if running >= half:
                    result[i] = values[i, j]
                    break
    return result


@njit(cache=True, nogil=True)
def error_scales(relative: Array, weight: Array) -> Array:
    """Factor that makes the scatter from epoch to epoch agree with the errors: (n,).

    Median of the absolute, normalised differences of successive epochs. Slow variations of the
    star do not enter it. Not below one half; 1 where there are fewer than five differences.
    """
    scales = np.ones(relative.shape[0])
    differences = np.empty(relative.shape[1])
    for i in range(relative.shape[0]):
        count, last = 0, -1
        for j in range(relative.shape[1]):
            if weight[i, j] <= 0.0:
                continue
            if last >= 0:
                variance = 1.0 / weight[i, j] + 1.0 / weight[i, last]
                differences[count] = abs(relative[i, j] - relative[i, last]) / np.sqrt(variance)
                count += 1
            last = j
        if count >= 5:
            scales[i] = max(MAD_TO_SIGMA * np.median(differences[:count]), SMALLEST_ERROR_SCALE)
    return scales


def _row_median(values: Array) -> Array:
    """Median of each row without NaN; NaN where a row has nothing (no warning)."""
    if values.shape[1] == 0:
        return np.full(len(values), np.nan)
    ordered = np.sort(values, axis=1)  # NaN goes last
    count = np.count_nonzero(np.isfinite(values), axis=1)
    rows = np.arange(len(values))
    low = ordered[rows, np.maximum((count - 1) // 2, 0)]
    high = ordered[rows, np.minimum(count // 2, values.shape[1] - 1)]
    return np.where(count > 0, 0.5 * (low + high), np.nan)


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
