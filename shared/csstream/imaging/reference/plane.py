"""The reference plane: one TAN projection, and the way from each frame's pixels to it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from astropy.io import fits
from astropy.wcs import WCS

from csstream.imaging.matching import match_pixels
from csstream.imaging.registration import Affine, register, wcs_from_registration
from csstream.imaging.sky import pixel_positions, sky_positions

Float = npt.NDArray[np.float64]

UNCHANGED = Affine(np.eye(2), np.zeros(2))
WIDE, NARROW = 1.5, 0.5  # [pixel] of matches: where the WCS says, and where the fit says
CLIP = 3.0  # [median residual]
LEAST_KNOWN = 0.4  # of a frame's bright stars that are found where its WCS says
LEAST_FOR_AFFINE = 12
LEAST_FOR_SHIFT = 3


@dataclass(frozen=True, eq=False)
class FrameMap:
    """Where a frame's pixels lie on the reference plane: its WCS, then a small affine map."""

    wcs: Any  # the frame's
    plane: Any  # WCS of the reference plane
    correction: Affine = UNCHANGED

    def to_plane(self, x: npt.ArrayLike, y: npt.ArrayLike) -> tuple[Float, Float]:
        """Map pixels (n,) of the frame to pixels of the plane."""
        px, py = pixel_positions(self.plane, *sky_positions(self.wcs, x, y))
        return self.correction.apply(px, py)

    def to_frame(self, x: npt.ArrayLike, y: npt.ArrayLike) -> tuple[Float, Float]:
        """Map pixels (n,) of the plane to pixels of the frame."""
        points = np.stack([np.atleast_1d(x), np.atleast_1d(y)]).astype(np.float64)
        shifted = points - self.correction.shift[:, None]
        px, py = np.linalg.solve(self.correction.matrix, shifted)
        return pixel_positions(self.wcs, *sky_positions(self.plane, px, py))


def reference_plane(wcs: Any, shape: tuple[int, int]) -> Any:
    """Return the plain TAN WCS that lies closest to a frame's; pixels are the frame's own."""
    plane = wcs_from_registration(UNCHANGED, wcs, shape)
    # What a file holds: a plane read back is the same to the last bit.
    return WCS(fits.Header(plane.to_header()), naxis=2)


@dataclass(frozen=True, eq=False)
class Points:
    """Stars to be laid over each other: places (n,) [pixel] and brightness (n,), any unit."""

    x: Float
    y: Float
    brightness: Float


def aligned(start: FrameMap, own: Points, other: Points) -> FrameMap:
    """Correct a frame's map so that its stars fall on those of the plane.

    Parameters
    ----------
    own : Points, (n,)
        Bright clean stars in the frame.
    other : Points, (m,)
        Stars of the plane.

    Raises
    ------
    FrameError
        ``not_registered``: the WCS is off by more than a pixel, and the pattern of the stars is
        not found on the plane either.

    Notes
    -----
    Least squares, clipped. A dozen common stars give an affine map, three a shift; with fewer
    the frame's WCS is taken as it is.
    """
    px, py = start.to_plane(own.x, own.y)
    found = UNCHANGED
    if _is_off(px, py, other):
        found = register(px, py, own.brightness, other.x, other.y, other.brightness)
    for radius in (WIDE, NARROW, NARROW):
        x, y = found.apply(px, py)
        mine, theirs, _ = match_pixels(x, y, other.x, other.y, radius)
        source = np.column_stack([px[mine], py[mine]])
        found = _fitted(source, np.column_stack([other.x[theirs], other.y[theirs]]))
    return FrameMap(start.wcs, start.plane, found)


def _is_off(x: Float, y: Float, other: Points) -> bool:
    """Tell whether most stars of a frame, where its WCS puts them, are not on the plane."""
    if not (x.size and other.x.size):
        return False
    inside = (x > other.x.min()) & (x < other.x.max()) & (y > other.y.min()) & (y < other.y.max())
    known, _, _ = match_pixels(x[inside], y[inside], other.x, other.y, WIDE)
    expected = int(np.count_nonzero(inside))
    return x.size >= LEAST_FOR_SHIFT and (
        expected < LEAST_FOR_SHIFT or known.size < LEAST_KNOWN * expected
    )


def _fitted(source: Float, target: Float) -> Affine:
    """Affine map, or shift, of points (n, 2) to points (n, 2)."""
    count = len(source)
    if count < LEAST_FOR_SHIFT:
        return UNCHANGED
    keep = np.ones(count, bool)
    result = UNCHANGED
    for _ in range(4):
        result = _least_squares(source[keep], target[keep])
        x, y = result.apply(source[:, 0], source[:, 1])
        miss = np.hypot(x - target[:, 0], y - target[:, 1])
        fresh = miss <= CLIP * max(float(np.median(miss[keep])), 1e-6)
        if np.count_nonzero(fresh) < LEAST_FOR_SHIFT:
            break
        keep = fresh
    return result


def _least_squares(source: Float, target: Float) -> Affine:
    if len(source) < LEAST_FOR_AFFINE:
        return Affine(np.eye(2), np.median(target - source, axis=0), len(source))
    middle = source.mean(axis=0)
    design = np.column_stack([source - middle, np.ones(len(source))])
    solution, *_ = np.linalg.lstsq(design, target, rcond=None)
    matrix = np.array(solution[:2].T, np.float64)
    return Affine(matrix, solution[2] - matrix @ middle, len(source))
