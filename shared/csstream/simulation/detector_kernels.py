"""Compiled loops of the detector's effects: charge spilled along columns, tracks of particles."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
from numba import njit

Image = npt.NDArray[np.float32]
Float = npt.NDArray[np.float64]
Index = npt.NDArray[np.int64]

STEP = 0.25  # [pixel] between the deposits of a track
REACH = 2.0  # [pixel] of a deposit's diffusion


@njit(cache=True, nogil=True)
def spill(image: Image, rows: Index, columns: Index, full_well: float) -> float:
    """Spill the charge above ``full_well`` along the columns, in place; return what is lost.

    Neighbouring pixels of ``rows``, ``columns`` (n,), the saturated ones sorted by column and
    row, form a run. A run's excess leaves it half upwards and half downwards and fills the next
    pixels; charge that reaches an end of the column leaves the detector. Sums are kept in double
    precision.
    """
    lost = 0.0
    first = 0
    while first < rows.size:
        last = first
        column = columns[first]
        while (
            last + 1 < rows.size
            and columns[last + 1] == column
            and rows[last + 1] == rows[last] + 1
        ):
            last += 1
        excess = 0.0
        for k in range(first, last + 1):
            # What earlier runs have spilled into this pixel is in it already.
            excess += max(image[rows[k], column] - full_well, 0.0)
            image[rows[k], column] = min(image[rows[k], column], full_well)
        lost += _fill(image, rows[first] - 1, column, -1, 0.5 * excess, full_well)
        lost += _fill(image, rows[last] + 1, column, 1, 0.5 * excess, full_well)
        first = last + 1
    return lost


@njit(cache=True, nogil=True)
def _fill(image: Image, row: int, column: int, step: int, charge: float, full_well: float) -> float:
    """Fill a column from ``row`` on until the charge is used up; return what is left at its end."""
    while charge > 0.0 and 0 <= row < image.shape[0]:
        room = full_well - image[row, column]
        if room > 0.0:
            taken = min(room, charge)
            image[row, column] += taken
            charge -= taken
        row += step
    return charge


@njit(cache=True, nogil=True)
def add_tracks(
    image: Image, x: Float, y: Float, angle: Float, length: Float, charge: Float, sigma: float
) -> None:
    """Add straight tracks of charge to ``image`` in place; all (n,), in pixels and electrons.

    A track starts at (x, y) and runs ``length`` in the direction ``angle``; its ``charge`` is
    spread evenly over it and diffuses by a Gaussian of ``sigma``.
    """
    for k in range(x.size):
        steps = math.ceil(length[k] / STEP) + 1
        for i in range(steps):
            along = length[k] * i / max(steps - 1, 1)
            px = x[k] + along * math.cos(angle[k])
            py = y[k] + along * math.sin(angle[k])
            _deposit(image, px, py, charge[k] / steps, sigma)


@njit(cache=True, nogil=True)
def _deposit(image: Image, x: float, y: float, charge: float, sigma: float) -> None:
    """Add one diffused deposit: a Gaussian integrated over the pixels around it."""
    ny, nx = image.shape
    scale = 1.0 / (sigma * math.sqrt(2.0))
    left, right = math.floor(x - REACH + 0.5), math.floor(x + REACH + 0.5)
    top, bottom = math.floor(y - REACH + 0.5), math.floor(y + REACH + 0.5)
    for j in range(max(top, 0), min(bottom, ny - 1) + 1):
        in_y = 0.5 * (math.erf((j + 0.5 - y) * scale) - math.erf((j - 0.5 - y) * scale))
        for i in range(max(left, 0), min(right, nx - 1) + 1):
            in_x = 0.5 * (math.erf((i + 0.5 - x) * scale) - math.erf((i - 0.5 - x) * scale))
            image[j, i] += charge * in_x * in_y
