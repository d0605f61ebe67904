"""The best dip of one star near the box search's peaks, and the star without it.

The search's grid of frequencies, starts and widths loses some of a dip's signal. Here frequencies
between those of the grid are tried, with a dip that is half as deep at its edges: a box of two
steps comes within a hundredth of a trapezoid's signal-to-noise. Of all tried, the dip is taken that
is least likely by chance (``chance``), not the one of highest signal-to-noise.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import numpy.typing as npt
from numba import njit

from csstream.timeseries.box_kernels import fold

Array = npt.NDArray[Any]

BINS: Final = 256  # of the phase
OUTER: Final = np.array([4, 5, 6, 8, 11, 14, 17, 23, 29, 38, 48, 58])  # bins of the dip in all
INNER: Final = np.array([2, 3, 4, 6, 7, 10, 13, 17, 23, 28, 36, 44])  # of full depth; others: half
POINTS_IN_DIP: Final = 2.5
FULLEST: Final = 0.999  # share of the weight that a dip may hold
BETWEEN: Final = np.array([-0.8, -0.4, 0.4, 0.8])  # steps of the grid from its best frequency


@njit(cache=True, nogil=True, error_model="numpy")
def best_dip(
    time: Array,
    product: Array,
    share: Array,
    frequencies: Array,
    step: float,
    used: int,
    index: Array,
    running: Array,
) -> tuple[float, int, int]:
    """Frequency, start [bins] and size (row of OUTER) of the dip least likely by chance.

    product, share (m,): share of the weight, and that times the deviation over the scatter.
    frequencies (c,): of the grid, 0 where there is none. ``index`` (m,) and ``running``
    (2, 2 BINS + 1) are left for the dip found. Its size is -1 where there is none.
    """
    frequency, chance, size = 0.0, -np.inf, -1
    tried = np.concatenate((frequencies, np.zeros(BETWEEN.shape[0])))
    for k in range(tried.shape[0]):
        if k == frequencies.shape[0] and size >= 0:
            tried[k:] = frequency + BETWEEN * step
        if tried[k] > 0.0:
            fold(time, tried[k], 1.0 / BINS, BINS, product, share, index, running)
            found, wide = _likeliest(running, tried[k], used)
            if found > chance:
                frequency, chance, size = tried[k], found, wide
    if size < 0:
        return 0.0, 0, -1
    fold(time, frequency, 1.0 / BINS, BINS, product, share, index, running)
    least, start, top = POINTS_IN_DIP / used, 0, 0.0
    for b in range(BINS):
        value = _residue(running, b, OUTER[size], INNER[size], least)
        if value > top:
            start, top = b, value
    return frequency, start, size


@njit(cache=True, nogil=True, error_model="numpy", fastmath={"nnan", "nsz", "reassoc"})
def _likeliest(running: Array, frequency: float, used: int) -> tuple[float, int]:
    """Largest ``-ln`` of chance of all dips of a folded star, and the size; -inf, -1 without.

    ``snr² / 2 + 2 ln q - ln f``: of a Gaussian tail, times the number of dips that last the share
    q of a cycle (``scores.box_trials``); constants are left out.
    """
    best, best_size, least = -np.inf, -1, POINTS_IN_DIP / used
    for size in range(OUTER.shape[0]):
        top = 0.0
        for b in range(BINS):
            top = max(top, _residue(running, b, OUTER[size], INNER[size], least))
        if top > 0.0:
            q = 0.5 * (OUTER[size] + INNER[size]) / BINS
            chance = 0.5 * used * top / max(1.0 - top, 1e-9)
            chance += 2.0 * np.log(q) - np.log(frequency)
            if chance > best:
                best, best_size = chance, size
    return best, best_size


@njit(cache=True, nogil=True, error_model="numpy", fastmath={"nnan", "nsz", "reassoc"})
def _residue(running: Array, b: int, outer: int, inner: int, least: float) -> float:
    """Share of chi² that a dip takes; 0 for a rise, or where it holds too little or all."""
    c = b + (outer - inner) // 2
    r2 = running[1, c + inner] - running[1, c]
    r = 0.5 * (running[1, b + outer] - running[1, b] + r2)
    s = 0.5 * (running[0, b + outer] - running[0, b] + running[0, c + inner] - running[0, c])
    s = min(s, 0.0) if least <= r < FULLEST else 0.0
    square = 0.5 * (r + r2)  # height² times share: 1 of the inner part, 0.25 of the edges
    return s * s / max(square - r * r, 1e-12)


@njit(cache=True, nogil=True, error_model="numpy")
def subtract_dip(
    flux: Array,
    weight: Array,
    product: Array,
    share: Array,
    mean: float,
    scatter: float,
    start: int,
    size: int,
    index: Array,
    residual: Array,
    kept: Array,
) -> tuple[float, float]:
    """Residual of a dip (m,), and the weights without its events.

    ``index`` is the bin of each point. Returns the share of chi² that the dip takes, and the same
    without its strongest point.
    """
    outer, inner = OUTER[size], INNER[size]
    s, r, square = 0.0, 0.0, 0.0
    strongest, its_share, its_height = 0.0, 0.0, 0.0
    for j in range(flux.shape[0]):
        height = _height((index[j] - start) % BINS, outer, inner)
        s += height * product[j]
        r += height * share[j]
        square += height * height * share[j]
        if -height * product[j] > strongest:
            strongest, its_share, its_height = -height * product[j], share[j], height
    level = mean - scatter * s / (square - r * r) * r
    for j in range(flux.shape[0]):
        inside = (index[j] - start) % BINS < outer
        residual[j] = 0.0 if inside else flux[j] - level
        kept[j] = 0.0 if inside else weight[j]
    taken = s * s / (square - r * r)
    s = min(s + strongest, 0.0)
    r -= its_height * its_share
    square -= its_height * its_height * its_share
    return taken, s * s / (square - r * r) if square - r * r > 1e-9 else 0.0


@njit(cache=True, nogil=True)
def _height(place: int, outer: int, inner: int) -> float:
    """Depth of the dip so many bins after its start: 1, 0.5 at its edges, 0 outside."""
    edge = (outer - inner) // 2
    if place >= outer:
        return 0.0
    return 1.0 if edge <= place < edge + inner else 0.5
