"""Medians of the rows of a panel that pass over what is missing."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import numpy.typing as npt
from numba import njit

Array = npt.NDArray[Any]

MAD_TO_SIGMA: Final = 1.4826


def row_median(values: Array) -> Array:
    """Median of each row without NaN, float64; NaN where a row has nothing (no warning).

    Taken of single-precision values, which sort twice as fast: exact to 1e-7 of the value.
    """
    if values.shape[1] == 0:
        return np.full(len(values), np.nan)
    with np.errstate(over="ignore"):
        ordered = np.sort(values.astype(np.float32), axis=1)  # NaN goes last
    count = np.count_nonzero(~np.isnan(ordered), axis=1)
    rows = np.arange(len(values))
    low = ordered[rows, np.maximum((count - 1) // 2, 0)].astype(np.float64)
    high = ordered[rows, np.minimum(count // 2, values.shape[1] - 1)]
    return np.where(count > 0, 0.5 * (low + high), np.nan)


@njit(cache=True, nogil=True)
def weighted_median(values: Array, weight: Array) -> Array:
    """Weighted median of each row, (rows,); 0 where no weight is.

    The smallest value at which half of the row's weight is reached; found by partition.
    """
    result = np.zeros(values.shape[0])
    v, w = np.empty(values.shape[1]), np.empty(values.shape[1])
    for i in range(values.shape[0]):
        count, half = 0, 0.0
        for j in range(values.shape[1]):
            if weight[i, j] > 0.0:
                v[count], w[count] = values[i, j], weight[i, j]
                half += 0.5 * weight[i, j]
                count += 1
        if count:
            result[i] = _select(v, w, count, half)
    return result


@njit(cache=True, nogil=True)
def _select(v: Array, w: Array, count: int, half: float) -> float:
    """Value where the weight of all that is not greater reaches ``half``; reorders v and w."""
    low, high, below = 0, count - 1, 0.0
    while low < high:
        pivot, i, j = v[(low + high) // 2], low, high
        while i <= j:
            while v[i] < pivot:
                i += 1
            while v[j] > pivot:
                j -= 1
            if i <= j:
                v[i], v[j] = v[j], v[i]
                w[i], w[j] = w[j], w[i]
                i += 1
                j -= 1
        left, middle = np.sum(w[low : j + 1]), np.sum(w[j + 1 : i])
        if below + left >= half and j >= low:
            high = j
        elif below + left + middle >= half and i > j + 1:
            return float(pivot)
        else:
            below += left + middle
            low = min(i, high)
    return float(v[low])
