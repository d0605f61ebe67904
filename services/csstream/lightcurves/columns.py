"""Growing columns: epochs one after another, each with its own number of rows."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from numba import njit

Array = npt.NDArray[Any]
NAMES = ("number", "flux", "flux_err", "flags")
_DTYPES = (np.int32, np.float32, np.float32, np.int32)


class RaggedColumns:
    """Light-curve points by epoch, sorted by object number within an epoch.

    A point is a number (int32), flux and error (float32 [nJy]) and flags (int32): 16 bytes.
    """

    def __init__(self) -> None:
        self._columns: list[Array] = [np.empty(0, dtype) for dtype in _DTYPES]
        self._start = np.zeros(1, np.int64)
        self._epochs = 0

    @property
    def epochs(self) -> int:
        """Number of epochs."""
        return self._epochs

    @property
    def points(self) -> int:
        """Number of points of all epochs."""
        return int(self._start[self._epochs])

    @property
    def nbytes(self) -> int:
        """Memory held [byte]."""
        return sum(column.nbytes for column in self._columns) + self._start.nbytes

    def append(self, number: Array, flux: Array, flux_err: Array, flags: Array) -> None:
        """Add one epoch; rows in any order, one per number."""
        order = np.argsort(number, kind="stable")
        first = self.points
        end = first + len(number)
        self._columns = [_grown(column, end, first) for column in self._columns]
        for column, values in zip(self._columns, (number, flux, flux_err, flags), strict=True):
            column[first:end] = values[order]
        self._start = _grown(self._start, self._epochs + 2, self._epochs + 1)
        self._epochs += 1
        self._start[self._epochs] = end

    def rows(self, first: int, n: int, epochs: Array) -> tuple[Array, Array, Array]:
        """Return flux, error (float32) and flags (int32) of numbers first … first + n - 1.

        All (n, len(epochs)), columns in the order of ``epochs``; nan (flags: 0) where there is no
        point. Epochs not in here yet are left empty.
        """
        shape = (n, len(epochs))
        flux, err = np.full(shape, np.nan, np.float32), np.full(shape, np.nan, np.float32)
        flags = np.zeros(shape, np.int32)
        _fill(first, n, epochs, self._epochs, self._start, *self._columns, flux, err, flags)
        return flux, err, flags


def _grown(column: Array, size: int, used: int) -> Array:
    if len(column) >= size:
        return column
    grown = np.zeros(max(size, 3 * len(column) // 2, 16), column.dtype)
    grown[:used] = column[:used]
    return grown


@njit(cache=True, nogil=True)
def _fill(
    first: int,
    n: int,
    epochs: Array,
    known: int,
    start: Array,
    number: Array,
    flux: Array,
    flux_err: Array,
    flags: Array,
    out_flux: Array,
    out_err: Array,
    out_flags: Array,
) -> None:
    for column in range(len(epochs)):
        epoch = epochs[column]
        if epoch >= known:
            continue
        begin, end = start[epoch], start[epoch + 1]
        k = begin + np.searchsorted(number[begin:end], first)
        while k < end and number[k] < first + n:
            row = number[k] - first
            out_flux[row, column] = flux[k]
            out_err[row, column] = flux_err[k]
            out_flags[row, column] = flags[k]
            k += 1
