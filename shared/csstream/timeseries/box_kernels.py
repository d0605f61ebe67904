"""Compiled parts of the box search. Rows of 16 or 64 stars are summed in registers."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import numpy.typing as npt
from numba import njit

from csstream.numerics.vectors import larger, store, where_above
from csstream.timeseries.lanes import WIDTH, load, spread

Array = npt.NDArray[Any]

NARROW: Final = WIDTH  # stars side by side in a small panel
WIDE: Final = 4 * WIDTH
LEAST_OUTSIDE: Final = 1e-3  # of the weight: a fuller box counts as if so much were outside


@njit(cache=True, nogil=True)
def phase_order(
    time: Array, frequencies: Array, bin_width: Array, bins: Array
) -> tuple[Array, Array]:
    """Epochs in order of their phase bins, (k, m) int32, and where each bin ends, (k, bins)."""
    most = bins.max()
    order = np.empty((frequencies.shape[0], time.shape[0]), np.int32)
    last = np.zeros((frequencies.shape[0], most + 1), np.int32)
    index = np.empty(time.shape[0], np.int32)
    for k in range(frequencies.shape[0]):
        n_bins, inverse, ends = bins[k], 1.0 / bin_width[k], last[k]
        for i in range(time.shape[0]):
            phase = time[i] * frequencies[k]
            index[i] = min(int((phase - np.floor(phase)) * inverse), n_bins - 1)
        for i in range(time.shape[0]):
            ends[index[i] + 1] += 1
        for b in range(n_bins):
            ends[b + 1] += ends[b]
        for i in range(time.shape[0]):
            order[k, ends[index[i]]] = i
            ends[index[i]] += 1
    return order, last


@njit(cache=True, nogil=True)
def _wide_sum(order: Array, last: Array, n_bins: int, rows: Array, running: Array) -> None:
    """Running sums over the bins of rows of 64 stars."""
    zero = spread(rows, 0.0)
    a, b, c, d = zero, zero, zero, zero
    block = running.shape[1] * WIDTH
    i = 0
    for bin_ in range(n_bins + 1):
        k = bin_ * WIDTH
        store(running, k, a)
        store(running, k + block, b)
        store(running, k + 2 * block, c)
        store(running, k + 3 * block, d)
        end = last[bin_] if bin_ < n_bins else i
        while i < end:
            k = order[i] * WIDE
            a = a + load(rows, k)
            b = b + load(rows, k + WIDTH)
            c = c + load(rows, k + 2 * WIDTH)
            d = d + load(rows, k + 3 * WIDTH)
            i += 1


@njit(cache=True, nogil=True)
def _narrow_sum(order: Array, last: Array, n_bins: int, rows: Array, running: Array) -> None:
    """Running sums over the bins of rows of 16 stars."""
    total = spread(rows, 0.0)
    i = 0
    for bin_ in range(n_bins + 1):
        store(running, bin_ * WIDTH, total)
        end = last[bin_] if bin_ < n_bins else i
        while i < end:
            total = total + load(rows, order[i] * WIDTH)
            i += 1


@njit(cache=True, nogil=True)
def _running_sum(
    order: Array, last: Array, n_bins: int, more: int, rows: Array, running: Array
) -> None:
    """Running sums, continued for ``more`` bins around the end of the cycle.

    rows (m, lanes) to running (lanes / 16, bins, 16): what one vector needs lies together.
    """
    if rows.shape[1] == WIDE:
        _wide_sum(order, last, n_bins, rows, running)
    else:
        _narrow_sum(order, last, n_bins, rows, running)
    for block in range(running.shape[0]):
        total = load(running[block], n_bins * WIDTH)
        for b in range(1, more + 1):
            place = b * WIDTH
            later = total + load(running[block], place)
            store(running[block], n_bins * WIDTH + place, later)


@njit(cache=True, nogil=True)
def _share_sum(order: Array, last: Array, n_bins: int, share: Array, running: Array) -> None:
    """Running sums of common weights over the bins, continued around the end of the cycle."""
    total, i = 0.0, 0
    for b in range(running.shape[0]):
        running[b] = total if b <= n_bins else total + running[b - n_bins]
        while b < n_bins and i < last[b]:
            total += share[order[i]]
            i += 1


@njit(cache=True, nogil=True)
def box_scales(
    order: Array,
    last: Array,
    bins: Array,
    widths: Array,
    steps: Array,
    share: Array,
    least: float,
) -> Array:
    """``1 / sqrt(r (1 - r))`` of every box of common weights, 0 where it holds too little.

    (k, widths, bins) float32.
    """
    most = bins.max()
    scales = np.zeros((order.shape[0], widths.shape[0], most), np.float32)
    for k in range(order.shape[0]):
        running = np.empty(bins[k] + widths.max() + 1)
        _share_sum(order[k], last[k], bins[k], share, running)
        for w in range(widths.shape[0]):
            _scale_row(running[: bins[k]], running[widths[w] :], least, scales[k, w])
    return scales


@njit(cache=True, nogil=True, error_model="numpy")
def _scale_row(first: Array, second: Array, least: float, scales: Array) -> None:
    for b in range(first.shape[0]):
        r = second[b] - first[b]
        value = 1.0 / np.sqrt(max(r * max(1.0 - r, LEAST_OUTSIDE), 1e-30))
        scales[b] = value if r >= least else 0.0


@njit(cache=True, nogil=True)
def common_boxes(
    order: Array,
    last: Array,
    bins: Array,
    widths: Array,
    steps: Array,
    scales: Array,
    rows: Array,
    best: Array,
) -> None:
    """Largest SR of all boxes into ``best`` (k, stars), weights common; rows (groups, m, lanes)."""
    lanes = rows.shape[2]
    running = np.empty((lanes // WIDTH, bins.max() + widths.max() + 1, WIDTH), np.float32)
    for g in range(rows.shape[0]):
        for k in range(order.shape[0]):
            _running_sum(order[k], last[k], bins[k], widths.max(), rows[g], running)
            for block in range(running.shape[0]):
                sums = running[block]
                found = spread(sums, 0.0)
                for w in range(widths.shape[0]):
                    further = widths[w] * WIDTH
                    for b in range(0, bins[k], steps[w]):
                        dip = load(sums, b * WIDTH) - load(sums, b * WIDTH + further)
                        found = larger(dip * spread(sums, scales[k, w, b]), found)
                store(best[k], g * lanes + block * WIDTH, found)


@njit(cache=True, nogil=True)
def general_boxes(
    order: Array,
    last: Array,
    bins: Array,
    widths: Array,
    steps: Array,
    least: Array,
    rows: Array,
    shares: Array,
    best: Array,
) -> None:
    """Largest SR² of all boxes into ``best`` (k, stars), each star with its own weights."""
    lanes = rows.shape[2]
    size = bins.max() + widths.max() + 1
    product = np.empty((lanes // WIDTH, size, WIDTH), np.float32)
    share = np.empty((lanes // WIDTH, size, WIDTH), np.float32)
    for g in range(rows.shape[0]):
        for k in range(order.shape[0]):
            _running_sum(order[k], last[k], bins[k], widths.max(), rows[g], product)
            _running_sum(order[k], last[k], bins[k], widths.max(), shares[g], share)
            for block in range(product.shape[0]):
                place = g * lanes + block * WIDTH
                floor = load(least, place)
                found = _best_box(product[block], share[block], bins[k], widths, steps, floor)
                store(best[k], place, found)


@njit(cache=True, nogil=True)
def _best_box(
    product: Array, share: Array, n_bins: int, widths: Array, steps: Array, least: Any
) -> Any:
    """Best box of 16 stars. Fractions are compared crosswise: divisions would cost the most."""
    zero, one = spread(product, 0.0), spread(product, 1.0)
    emptiest = spread(share, LEAST_OUTSIDE)
    above, below = zero, one
    for w in range(widths.shape[0]):
        further = widths[w] * WIDTH
        for b in range(0, n_bins, steps[w]):
            place = b * WIDTH
            dip = larger(load(product, place) - load(product, place + further), zero)
            held = load(share, place + further) - load(share, place)
            dip = where_above(least, held, zero, dip)
            square, outside = dip * dip, held * larger(one - held, emptiest)
            new, old = square * below, above * outside
            above = where_above(new, old, square, above)
            below = where_above(new, old, outside, below)
    return above / below


@njit(cache=True, nogil=True)
def fold(
    time: Array,
    frequency: float,
    bin_width: float,
    n_bins: int,
    product: Array,
    share: Array,
    index: Array,
    running: Array,
) -> None:
    """Fold one star: the bin of each point into ``index`` (m,), running sums into ``running``.

    running (2, > n_bins) float64: of product and share, continued around the end of the cycle.
    """
    inverse = 1.0 / bin_width
    for i in range(time.shape[0]):
        phase = time[i] * frequency
        index[i] = min(np.int64((phase - np.floor(phase)) * inverse), n_bins - 1)
    bins = np.zeros((2, n_bins))
    for i in range(time.shape[0]):
        bins[0, index[i]] += product[i]
        bins[1, index[i]] += share[i]
    running[:, 0] = 0.0
    for b in range(1, running.shape[1]):
        place = b - 1 if b <= n_bins else b - 1 - n_bins
        running[0, b] = running[0, b - 1] + bins[0, place]
        running[1, b] = running[1, b - 1] + bins[1, place]


@njit(cache=True, nogil=True, error_model="numpy")
def boxes_of_star(
    time: Array,
    frequencies: Array,
    bin_width: Array,
    bins: Array,
    widths: Array,
    steps: Array,
    least: float,
    product: Array,
    share: Array,
    best: Array,
) -> None:
    """Largest SR² of all boxes of one star into ``best`` (k,), which holds zeros."""
    index = np.empty(time.shape[0], np.int64)
    running = np.empty((2, bins.max() + widths.max() + 1))
    for k in range(frequencies.shape[0]):
        sums = running[:, : bins[k] + widths.max() + 1]
        fold(time, frequencies[k], bin_width[k], bins[k], product, share, index, sums)
        for w in range(widths.shape[0]):
            found = _best_of_width(sums, bins[k], widths[w], steps[w], least)
            best[k] = max(best[k], found)


@njit(cache=True, nogil=True, error_model="numpy", fastmath={"nnan", "nsz", "reassoc"})
def _best_of_width(running: Array, n_bins: int, width: int, step: int, least: float) -> float:
    """Largest SR² of the boxes of one width; compiled to vector code."""
    found = 0.0
    for b in range(0, n_bins, step):
        dip = max(running[0, b] - running[0, b + width], 0.0)
        held = running[1, b + width] - running[1, b]
        value = dip * dip / max(held * max(1.0 - held, LEAST_OUTSIDE), 1e-30)
        found = max(found, value if held >= least else 0.0)
    return found
