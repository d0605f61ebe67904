"""Box least squares (Kovács et al. 2002) over a whole panel at once.

All stars of a panel share time stamps, so the order of the epochs in phase is found once per
frequency, and rows of the (epoch × star) matrices are summed along it, 64 stars wide. Differences
of that running sum give every box. The statistic is the signal residue ``SR² = s² / (r (1 - r))``
with weights normalised to one per star; times the total weight it is the fall of chi², and its
square root times that of the total weight is the depth over its error.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from numba import njit

from csstream.timeseries import box_kernels as kernels
from csstream.timeseries.shares import common_share, normalised

Array = npt.NDArray[Any]

BINS: Final = 128
WIDTHS: Final = (2, 3, 5, 8, 13, 20)  # of the box, in bins
STEPS: Final = (1, 1, 2, 2, 4, 6)  # between tried starts, in bins
POINTS_IN_BOX: Final = 2.5  # weight a box must hold, in mean points: one outlier is no box
CHUNK: Final = 64  # frequencies whose phase order is kept at a time
FEWEST_STARS: Final = 4  # for which rows of 16 stars pay


@dataclass(frozen=True, eq=False)
class Boxes:
    """Which boxes are tried: every cycle is cut into equal bins from the time origin on.

    bin_width : ndarray, (k,) [cycles] of each frequency; the last bin of a cycle may be cut short.
    widths, steps : box widths and distances of tried starts, in bins.
    """

    bin_width: Array
    widths: tuple[int, ...]
    steps: tuple[int, ...]

    @property
    def bins(self) -> Array:
        """Bins of a cycle at each frequency, (k,)."""
        return np.ceil(1.0 / self.bin_width - 1e-9).astype(np.int64)


@dataclass(frozen=True)
class BoxFit:
    """The best box of one star at one frequency."""

    frequency: float  # [1/day]
    residue: float  # SR²
    centre: float  # phase of mid-event, relative to the time origin used
    fraction: float  # duration over period


def fraction_boxes(count: int) -> Boxes:
    """Boxes of fixed fractions of the cycle: what the search of a panel uses."""
    return Boxes(np.full(count, 1.0 / BINS), WIDTHS, STEPS)


def duration_boxes(frequencies: Array, durations: Array, oversampling: int = 10) -> Boxes:
    """Boxes of fixed durations [day], starting every (shortest duration / oversampling).

    The boxes of astropy's ``BoxLeastSquares``, whose time origin is the first epoch.
    """
    step = float(np.min(durations)) / oversampling
    widths = tuple(round(float(duration) / step) for duration in np.atleast_1d(durations))
    return Boxes(step * np.asarray(frequencies, float), widths, (1,) * len(widths))


def box_panel(
    time: Array,
    flux: Array,
    weight: Array,
    frequencies: Array,
    boxes: Boxes | None = None,
    points: float = POINTS_IN_BOX,
) -> Array:
    """Signal residue SR of the best dip at each frequency.

    Parameters
    ----------
    time : ndarray, (m,) [day]; keep it near zero.
    flux, weight : ndarray, (n, m): relative flux minus one and inverse variance (0: unused).
    frequencies : ndarray, (k,) [1/day].
    boxes : the boxes tried; fixed fractions of the cycle when None.
    points : weight a box must hold, in mean points of its star.

    Returns
    -------
    ndarray, (n, k), float32: SR in units of the flux, 0 where no dip was found.

    Weights that differ only by a factor from star to star take half the time. Sums are in single
    precision; SR agrees with double precision to about 1e-5 of the star's scatter.
    """
    frequencies = np.ascontiguousarray(frequencies, np.float64)
    boxes = fraction_boxes(len(frequencies)) if boxes is None else boxes
    product, share, scatter = normalised(flux, weight)
    least = points / np.maximum(np.count_nonzero(weight, axis=1), 1)
    time = np.ascontiguousarray(time, np.float64)
    search = _star_by_star if len(product) < FEWEST_STARS else _in_rows
    best = search(time, product, share, least, frequencies, boxes)
    return best * scatter[:, None].astype(np.float32)


def _star_by_star(
    time: Array, product: Array, share: Array, least: Array, frequencies: Array, boxes: Boxes
) -> Array:
    """SR (n, k) of few stars, each folded by itself."""
    plan = (frequencies, boxes.bin_width, boxes.bins, np.array(boxes.widths), np.array(boxes.steps))
    best = np.zeros((len(product), len(frequencies)))
    for star in range(len(product) if len(frequencies) else 0):  # short series have none
        used = share[star] > 0
        values = product[star, used], share[star, used]
        kernels.boxes_of_star(time[used], *plan, least[star], *values, best[star])
    return np.sqrt(best).astype(np.float32)


def _in_rows(
    time: Array, product: Array, share: Array, least: Array, frequencies: Array, boxes: Boxes
) -> Array:
    """SR (n, k) of many stars, side by side."""
    lanes = kernels.WIDE if len(product) > kernels.NARROW else kernels.NARROW
    rows = _rows(product, lanes)
    best = np.zeros((len(frequencies), len(rows) * lanes), np.float32)
    common = common_share(share)
    widths, steps = np.array(boxes.widths), np.array(boxes.steps)
    shares = None if common is not None else _rows(share, lanes)
    floor = _rows(least[:, None], lanes).ravel()
    for first in range(0, len(frequencies), CHUNK):
        part = slice(first, first + CHUNK)
        order, last = kernels.phase_order(
            time, frequencies[part], boxes.bin_width[part], boxes.bins[part]
        )
        plan = (order, last, boxes.bins[part], widths, steps)
        if shares is None:
            scales = kernels.box_scales(*plan, common, float(least.min()))
            kernels.common_boxes(*plan, scales, rows, best[part])
        else:
            kernels.general_boxes(*plan, floor, rows, shares, best[part])
    if shares is not None:
        best = np.sqrt(best)
    return np.ascontiguousarray(best.T[: len(product)])


def _rows(values: Array, lanes: int) -> Array:
    """(n, m) as (groups, m, lanes) float32, filled up with zeros."""
    groups = -(-len(values) // lanes)
    padded = np.zeros((groups * lanes, values.shape[1]), np.float32)
    padded[: len(values)] = values
    return np.ascontiguousarray(padded.reshape(groups, lanes, values.shape[1]).transpose(0, 2, 1))


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
    running = np.empty((2, n_bins + widths.max() + 1))
    index = np.empty(time.shape[0], np.int64)
    for k in range(frequencies.shape[0]):
        kernels.fold(time, frequencies[k], 1.0 / n_bins, n_bins, product, share, index, running)
        for width in widths:
            for start in range(n_bins):
                s = running[0, start + width] - running[0, start]
                r = running[1, start + width] - running[1, start]
                if s < 0.0 and least <= r < 0.999:
                    value = s * s / (r * (1.0 - r))
                    if value > best:
                        best_k, best, best_start, best_width = k, value, start, int(width)
    return best_k, best, best_start, best_width
