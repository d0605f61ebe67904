"""A first match of the list with a frame: the frame's bright peaks against the predicted stars."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from numba import njit

from csstream.imaging.finding.classical import windowed_centroids
from csstream.imaging.frames.background import Background
from csstream.imaging.frames.frame import Frame, Image, Mask
from csstream.imaging.matching import match_pixels
from csstream.imaging.reference.alignment import Alignment, fit_alignment
from csstream.imaging.registration import Affine, register

Float = npt.NDArray[np.float64]

THRESHOLD = 15.0  # [sigma of the sky] of a peak's brightest pixel
MOST_STARS = 300  # the brightest of both
SEARCH = 30  # [pixel] by which a WCS may be wrong before patterns are compared
BIN = 2  # [pixel]
NEAR = 1.5  # [pixel] stars closer than this after the shift are the same
LEAST_STARS = 6
ENOUGH = 30  # bright stars in both lists: they must agree
CENTROID_ERROR = 0.03  # [pixel] of a star with neighbours, at best


def bright_stars(frame: Frame, background: Background, fwhm: float) -> tuple[Float, Float, Float]:
    """Return x, y [pixel] and height [electron] of a frame's brightest unsaturated peaks."""
    sky_free = np.ascontiguousarray(frame.image - background.level, np.float32)
    # From the level, too: where most of a frame is masked, the typical noise is that of nothing.
    level = float(np.median(background.level[::8, ::8]))
    noise = max(background.rms, np.sqrt(max(level, 0.0) + frame.read_noise**2))
    rows, columns = np.nonzero(_peaks(sky_free, frame.mask, THRESHOLD * noise))
    height = sky_free[rows, columns].astype(np.float64)
    order = np.argsort(-height, kind="stable")[:MOST_STARS]
    x, y = windowed_centroids(sky_free, columns[order], rows[order], fwhm)
    return x, y, height[order]


def first_alignment(
    peaks: tuple[Float, Float, Float], x: Float, y: Float, flux: Float, shape: tuple[int, int]
) -> Alignment:
    """Return the shift, rotation and scale by which predicted positions are wrong.

    Parameters
    ----------
    peaks : (x, y, height) as :func:`bright_stars`
    x, y, flux : ndarray, (n,) [pixel]
        Where the list's stars should be, and their fluxes.

    Raises
    ------
    FrameError
        ``not_registered``: there are bright stars enough, and they are not those of the list.

    Notes
    -----
    Where there are too few bright stars to tell, the prediction is taken as it is.
    """
    ny, nx = shape
    near = (x > -SEARCH) & (x < nx + SEARCH) & (y > -SEARCH) & (y < ny + SEARCH)
    listed = np.flatnonzero(near)
    listed = listed[np.argsort(-flux[listed], kind="stable")]
    bright = listed[: int(MOST_STARS * (1.0 + 2.0 * SEARCH / min(ny, nx)) ** 2)]
    few = min(peaks[0].size, bright.size)
    if few < LEAST_STARS:
        return Alignment.none(shape)
    dx, dy, votes, chance = _voted(peaks[0], peaks[1], x[bright], y[bright])
    if votes >= max(LEAST_STARS, 0.25 * few) and votes > 3.0 * chance:
        return _matched(peaks, x[bright], y[bright], (dx, dy), shape)
    if few < ENOUGH:
        return Alignment.none(shape)
    affine = register(x[bright], y[bright], flux[bright], *peaks)
    return _from_affine(affine, shape)


def _voted(px: Float, py: Float, x: Float, y: Float) -> tuple[float, float, int, float]:
    """Return the shift that most pairs vote for, how many do, and how many would by chance."""
    dx = (px[:, None] - x[None, :]).ravel()
    dy = (py[:, None] - y[None, :]).ravel()
    inside = (np.abs(dx) < SEARCH) & (np.abs(dy) < SEARCH)
    dx, dy = dx[inside], dy[inside]
    bins = SEARCH * 2 // BIN
    column = ((dx + SEARCH) / BIN).astype(np.int64)
    row = ((dy + SEARCH) / BIN).astype(np.int64)
    counts = np.bincount(row * bins + column, minlength=bins * bins).reshape(bins, bins)
    # A shift near a bin's edge splits its votes: sum over 2 × 2 bins.
    total = counts[:-1, :-1] + counts[1:, :-1] + counts[:-1, 1:] + counts[1:, 1:]
    top = np.unravel_index(int(np.argmax(total)), total.shape)
    mine = (row - top[0] >= 0) & (row - top[0] <= 1) & (column - top[1] >= 0)
    mine &= column - top[1] <= 1
    chance = 4.0 * dx.size / bins**2
    return float(np.median(dx[mine])), float(np.median(dy[mine])), int(mine.sum()), chance


def _matched(
    peaks: tuple[Float, Float, Float],
    x: Float,
    y: Float,
    shift: tuple[float, float],
    shape: tuple[int, int],
) -> Alignment:
    """Fit shift, rotation and scale to the peaks' own stars."""
    alignment = Alignment(shape, np.array([[shift[0]], [shift[1]]]), 0)
    for radius in (2.0 * NEAR, NEAR):
        moved = alignment.apply(x, y)
        mine, theirs, _ = match_pixels(peaks[0], peaks[1], *moved, radius)
        if mine.size < LEAST_STARS:
            break
        sigma = np.full(mine.size, CENTROID_ERROR)
        seen = (peaks[0][mine], peaks[1][mine])
        alignment = fit_alignment((x[theirs], y[theirs]), seen, sigma, shape, 1)
    return alignment


def _from_affine(affine: Affine, shape: tuple[int, int]) -> Alignment:
    """The same map as polynomials of the first degree."""
    ny, nx = shape
    corner = np.array([0.5 * (nx - 1), 0.5 * (ny - 1)])
    turn = affine.matrix - np.eye(2)
    constant = turn @ corner + affine.shift
    scaled = turn * np.array([0.5 * nx, 0.5 * ny])
    return Alignment(shape, np.column_stack([constant, scaled]), 1, affine.matched, affine.rms)


@njit(cache=True, nogil=True)
def _peaks(sky_free: Image, mask: Mask, threshold: float) -> Any:
    """Tell which pixels exceed their eight neighbours and the threshold; (ny, nx)."""
    ny, nx = sky_free.shape
    found = np.zeros((ny, nx), np.bool_)
    for j in range(1, ny - 1):
        for i in range(1, nx - 1):
            value = sky_free[j, i]
            if value < threshold:
                continue
            good = not mask[j, i]
            for b in range(-1, 2):
                for a in range(-1, 2):
                    other = sky_free[j + b, i + a]
                    later = b > 0 or (b == 0 and a > 0)
                    good &= not mask[j + b, i + a]
                    good &= value > other or (value == other and (later or (a == 0 and b == 0)))
            found[j, i] = good
    return found
