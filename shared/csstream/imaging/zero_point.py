"""A frame's zero point, tied to a reference by the stars that both show."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

Float = npt.NDArray[np.float64]

LEAST_STARS = 3
CLIP = 3.0  # [robust sigma]: variable stars and bad matches go
ERROR_FLOOR = 0.02  # [mag] added in quadrature, so that no bright star carries the tie
PRECISE = 0.03  # [mag] stars with smaller errors tie alone, if there are enough of them:
ENOUGH = 15  # the faint are biased by stars that are not listed, more so in bad seeing
ROUNDS = 5


def tie_zero_point(
    mag: npt.ArrayLike,
    mag_err: npt.ArrayLike,
    reference_mag: npt.ArrayLike,
    reference_err: npt.ArrayLike,
) -> tuple[float, float]:
    """Return (delta, error) [mag] such that ``mag + delta`` agrees with ``reference_mag``.

    Parameters
    ----------
    mag, mag_err, reference_mag, reference_err : array, (n,) [mag]
        The same stars in the frame and in the reference; rows with nan are left out.

    Notes
    -----
    Weighted mean after clipping at three robust sigma around the weighted median; an error floor
    caps the weights. Fewer than three stars give (0, nan).
    """
    columns = [np.asarray(v, np.float64) for v in (mag, mag_err, reference_mag, reference_err)]
    good = np.all(np.isfinite(columns), axis=0)
    if np.count_nonzero(good & _precise(columns[1], columns[3])) >= ENOUGH:
        good &= _precise(columns[1], columns[3])
    m, e, rm, re = (column[good] for column in columns)
    if m.size < LEAST_STARS:
        return 0.0, math.nan
    difference = rm - m
    variance = e**2 + re**2 + ERROR_FLOOR**2
    weight = 1.0 / variance
    keep = np.ones(m.size, bool)
    centre = _weighted_median(difference, weight)
    for _ in range(ROUNDS):
        pull = np.abs(difference - centre) / np.sqrt(variance)
        spread = max(1.0, 1.4826 * float(np.median(pull[keep])))
        fresh = pull <= CLIP * spread
        if fresh.sum() < LEAST_STARS:
            break
        keep = fresh
        centre = float(np.sum(weight[keep] * difference[keep]) / np.sum(weight[keep]))
    return centre, _error(difference[keep], weight[keep], centre)


def _precise(error: Float, reference_error: Float) -> npt.NDArray[np.bool_]:
    return np.asarray(np.hypot(error, reference_error) < PRECISE)


def _error(difference: Float, weight: Float, centre: float) -> float:
    """Error of the weighted mean from the scatter that is really there."""
    scatter = float(np.sum(weight**2 * (difference - centre) ** 2))
    photon = float(np.sum(weight))
    return math.sqrt(max(scatter, 0.25 * photon)) / photon


def _weighted_median(values: Float, weight: Float) -> float:
    order = np.argsort(values, kind="stable")
    total = np.cumsum(weight[order])
    return float(values[order][np.searchsorted(total, 0.5 * total[-1])])
