"""Points that are accidents and not the star: which are dropped, and the paper's own step."""

from __future__ import annotations

from typing import Any, Final, Literal

import numpy as np
import numpy.typing as npt
from numba import njit

from csstream.timeseries.medians import MAD_TO_SIGMA, row_median

Array = npt.NDArray[Any]
Outliers = Literal["keep-dips", "paper"]

BRIGHTENING_LIMIT: Final = 5.0  # in robust sigmas above the median
BRIGHTENING_SHARE: Final = 0.05  # more bright points than this are the star, not an accident
ISOLATED_DIP: Final = 4.0  # robust sigmas below the median
ISOLATED_GAP: Final = 0.015  # [day] a dip that ends within this on both sides is no eclipse
ISOLATED_SHARE: Final = 0.25  # of the dip that a neighbour may show
ISOLATED_MOST: Final = 0.05  # of the epochs of a star; more are the star, not accidents
PAPER_CLIP: Final = 3.0  # robust sigmas on both sides
PAPER_FILTER: Final = 3  # points of the running median


def drop_outliers(time: Array, relative: Array, mode: Outliers) -> None:
    """Treat outliers of relative fluxes around zero (n, m), NaN where unused, in place.

    ``keep-dips`` drops rare brightenings, and dips of one epoch alone where the sampling is so
    dense that an eclipse must show in two. ``paper`` is the paper's step (section 4.2): points
    beyond three sigmas on either side, and missing ones, are replaced by linear interpolation,
    and a running median of three points follows. It takes half of the depth of an eclipse at a
    depth of five sigmas and nine tenths at twelve; it is there to compare with.
    """
    if mode == "paper":
        clip_as_the_paper(time, relative)
        return
    drop_brightenings(relative)
    drop_isolated_dips(time, relative)


def drop_brightenings(relative: Array) -> None:
    """Set isolated brightenings beyond five robust sigmas to NaN, in place; (n, m)."""
    centre = row_median(relative)[:, None]
    sigma = MAD_TO_SIGMA * row_median(np.abs(relative - centre))[:, None]
    with np.errstate(invalid="ignore"):
        bright = relative - centre > BRIGHTENING_LIMIT * sigma
    if not bright.any():
        return
    epochs = np.maximum(np.count_nonzero(np.isfinite(relative), axis=1), 1)
    rare = np.count_nonzero(bright, axis=1) <= np.maximum(BRIGHTENING_SHARE * epochs, 1)
    relative[bright & rare[:, None]] = np.nan


def drop_isolated_dips(time: Array, relative: Array) -> None:
    """Set deep points to NaN whose neighbours in time, both within 22 minutes, are not low.

    In place; relative (n, m). Where neighbours are further away nothing is dropped, and of stars
    that have many such points neither: what would be left of a flux that jumps looks like events.
    """
    centre = row_median(relative)
    limit = -ISOLATED_DIP * MAD_TO_SIGMA * row_median(np.abs(relative - centre[:, None]))
    with np.errstate(invalid="ignore"):
        deep = relative - centre[:, None] < limit[:, None]
    stars, epochs = np.nonzero(deep)
    alone = _alone(np.asarray(time, np.float64), relative, centre, stars, epochs)
    stars, epochs = stars[alone], epochs[alone]
    used = np.count_nonzero(np.isfinite(relative), axis=1)
    rare = np.bincount(stars, minlength=len(used)) <= np.maximum(ISOLATED_MOST * used, 1)
    relative[stars[rare[stars]], epochs[rare[stars]]] = np.nan


@njit(cache=True, nogil=True)
def _alone(time: Array, relative: Array, centre: Array, stars: Array, epochs: Array) -> Array:
    """Deep points that nothing before or after confirms, bool, one per deep point."""
    alone = np.zeros(stars.shape[0], np.bool_)
    for k in range(stars.shape[0]):
        curve, j = relative[stars[k]], epochs[k]
        before, after = j - 1, j + 1
        while before >= 0 and not np.isfinite(curve[before]):
            before -= 1
        while after < time.shape[0] and not np.isfinite(curve[after]):
            after += 1
        if before < 0 or after >= time.shape[0]:
            continue
        near = max(time[after] - time[j], time[j] - time[before]) <= ISOLATED_GAP
        lower = min(curve[before], curve[after]) - centre[stars[k]]
        alone[k] = near and lower > ISOLATED_SHARE * (curve[j] - centre[stars[k]])
    return alone


def clip_as_the_paper(time: Array, relative: Array) -> None:
    """Symmetric 3-sigma clip, linear interpolation, running median of three; in place, (n, m).

    Curves without two points inside the clip become NaN.
    """
    centre = row_median(relative)[:, None]
    sigma = MAD_TO_SIGMA * row_median(np.abs(relative - centre))[:, None]
    with np.errstate(invalid="ignore"):
        good = np.abs(relative - centre) <= PAPER_CLIP * sigma
    for star in range(len(relative)):
        kept = good[star]
        if np.count_nonzero(kept) < 2:
            relative[star] = np.nan
            continue
        relative[star] = np.interp(time, time[kept], relative[star, kept])
    edge = PAPER_FILTER // 2
    padded = np.pad(relative, ((0, 0), (edge, edge)), mode="edge")
    windows = np.lib.stride_tricks.sliding_window_view(padded, PAPER_FILTER, axis=1)
    relative[:] = np.median(windows, axis=2)
