"""The sky under the stars: a first mesh estimate, and its correction from the fit's residual."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import sep
from numba import njit

from csstream.imaging.frames.frame import Image, Mask
from csstream.numerics.workers import Workers, split

DEFAULT_MESH = 100  # [pixel] the paper's Table 2
LEAST_PIXELS = 16  # in a mesh, for a value of its own
ROWS = 128  # done at a time by one thread
CLIPS = 5
FILTER_SIZE = 3  # [mesh] median filter over the mesh, as SExtractor's default


@dataclass(frozen=True, eq=False)
class Background:
    """Sky level and noise.

    Attributes
    ----------
    level : ndarray, (ny, nx), float32 [electron]
    rms : float [electron]
        Noise of one pixel of sky, a typical value.
    noise : ndarray, (ny, nx), float32 [electron]
        The same, where it is.
    """

    level: Image
    rms: float
    noise: Image

    @property
    def median(self) -> float:
        """Return the median level [electron]."""
        return float(np.median(self.level))


def estimate_background(image: Image, mask: Mask, mesh: int = DEFAULT_MESH) -> Background:
    """Estimate the sky as SExtractor does (Bertin & Arnouts 1996), from clipped mesh modes.

    In crowded fields this lies too high by the light of the faint stars; the joint fit corrects
    it from its residual with :func:`correct_from_residual`.

    Parameters
    ----------
    image : ndarray, (ny, nx), float32 [electron]
    mask : ndarray, (ny, nx), bool
        True where a pixel must not count.
    mesh : int [pixel]
        Side of a mesh.
    """
    if mask.all():
        return Background(np.zeros_like(image), 0.0, np.zeros_like(image))
    side = max(1, min(mesh, *image.shape))
    estimate = sep.Background(
        np.ascontiguousarray(image), mask=mask, bw=side, bh=side, fw=FILTER_SIZE, fh=FILTER_SIZE
    )
    if estimate.globalback == 0.0 and estimate.globalrms == 1.0:  # no mesh is half usable
        return _even(image, mask)
    level, noise = estimate.back(dtype=np.float32), estimate.rms(dtype=np.float32)
    return Background(level, float(estimate.globalrms), noise)


def _even(image: Image, mask: Mask) -> Background:
    """Return the same sky everywhere, from all usable pixels clipped about their median."""
    values = image[~mask].astype(np.float64)
    for _ in range(CLIPS):
        middle = float(np.median(values))
        spread = 1.4826 * float(np.median(np.abs(values - middle)))
        values = values[np.abs(values - middle) <= 3.0 * spread]
    level, noise = (np.full(image.shape, v, np.float32) for v in (middle, spread))
    return Background(level, spread, noise)


def correct_from_residual(
    level: Image,
    residual: Image,
    mask: Mask,
    mesh: int = DEFAULT_MESH,
    *,
    workers: Workers | None = None,
) -> None:
    """Add the smooth part of a fit's residual to ``level``, and take it from ``residual``.

    Parameters
    ----------
    level : ndarray, (ny, nx), float32 [electron]
        Changed in place.
    residual : ndarray, (ny + 2m, nx + 2m), float32 [electron]
        With a margin of m >= 0 pixels; changed in place.
    """
    ny, nx = level.shape
    side, workers = max(1, min(mesh, ny, nx)), workers or Workers()
    grid = np.zeros((max(1, ny // side), max(1, nx // side)))
    workers.run(
        lambda low, high: _clipped_means(residual, mask, grid, low, high), split(len(grid), 1)
    )
    workers.run(
        lambda low, high: _add_bilinear(level, residual, mask, grid, low, high), split(ny, ROWS)
    )


def noise_scale(pull: Image, mask: Mask, mesh: int = DEFAULT_MESH) -> Image:
    """Return by what factor, one at least, the scatter of ``pull`` exceeds one, smoothly.

    Parameters
    ----------
    pull : ndarray, (ny, nx), float32
        Residual over its expected noise; half of the pixels at least show sky.

    Notes
    -----
    Takes up a wrong gain, resampling, nebulosity and stars too faint to list. Robust: from the
    median absolute value in each mesh.
    """
    side = max(1, min(mesh, *pull.shape))
    ny, nx = pull.shape
    rows, columns = max(1, ny // side), max(1, nx // side)
    grid = np.ones((rows, columns))
    for r in range(rows):
        for c in range(columns):
            part = (
                slice(r * ny // rows, (r + 1) * ny // rows),
                slice(c * nx // columns, (c + 1) * nx // columns),
            )
            values = pull[part][~mask[part]]
            if values.size >= LEAST_PIXELS:
                grid[r, c] = max(1.0, 1.4826 * float(np.median(np.abs(values))))
    scale = np.zeros_like(pull)
    _add_bilinear(scale, np.zeros_like(pull), mask, grid, 0, ny)
    return scale


@njit(cache=True, nogil=True, fastmath={"reassoc", "contract", "nsz"})
def _clipped_means(
    residual: Image, mask: Mask, grid: npt.NDArray[np.float64], low: int, high: int
) -> None:
    """Write the means of the meshes' rows ``[low, high)``, clipped three times at 2.5 sigma.

    Meshes with too few pixels are left at zero.
    """
    (ny, nx), (rows, columns) = mask.shape, grid.shape
    for r in range(low, high):
        for c in range(columns):
            part = (
                r * ny // rows,
                (r + 1) * ny // rows,
                c * nx // columns,
                (c + 1) * nx // columns,
            )
            limits = (-np.inf, np.inf)
            for _ in range(4):
                count, total, square = _moments(residual, mask, part, limits)
                if count < LEAST_PIXELS:
                    break
                mean = total / count
                spread = math.sqrt(max(square / count - mean * mean, 0.0))
                limits = (mean - 2.5 * spread, mean + 2.5 * spread)
                grid[r, c] = mean


# Part of its caller: the order of a separate function's sums would depend on whether it was
# compiled just now or came from numba's cache.
@njit(inline="always")
def _moments(residual: Any, mask: Any, part: Any, limits: Any) -> tuple[float, float, float]:
    """Return number, sum and sum of squares of a mesh's pixels between two limits."""
    margin_y = (residual.shape[0] - mask.shape[0]) // 2
    margin_x = (residual.shape[1] - mask.shape[1]) // 2
    low, high = np.float32(limits[0]), np.float32(limits[1])
    none, one = np.float32(0.0), np.float32(1.0)
    count, total, square = 0.0, 0.0, 0.0
    for j in range(part[0], part[1]):
        values = residual[j + margin_y, part[2] + margin_x : part[3] + margin_x]
        bad = mask[j, part[2] : part[3]]
        n, first, second = none, none, none
        for i in range(values.size):
            v = values[i]
            good = one if (v >= low) & (v <= high) & (not bad[i]) else none
            n += good
            first += good * v
            second += good * v * v
        count += float(n)
        total += float(first)
        square += float(second)
    return count, total, square


@njit(cache=True, nogil=True)
def _add_bilinear(
    level: Image,
    residual: Image,
    mask: Mask,
    grid: npt.NDArray[np.float64],
    low: int,
    high: int,
) -> None:
    """Interpolate between the mesh centres; constant beyond the outermost. Rows [low, high)."""
    (ny, nx), (rows, columns) = level.shape, grid.shape
    margin_y, margin_x = (residual.shape[0] - ny) // 2, (residual.shape[1] - nx) // 2
    left, share = np.empty(nx, np.int64), np.empty(nx)
    for i in range(nx):
        u = min(max((i + 0.5) * columns / nx - 0.5, 0.0), columns - 1.0)
        left[i] = min(int(u), max(columns - 2, 0))
        share[i] = u - left[i]
    line = np.zeros(columns + 1)
    for j in range(low, high):
        v = min(max((j + 0.5) * rows / ny - 0.5, 0.0), rows - 1.0)
        r = min(int(v), max(rows - 2, 0))
        line[:columns] = grid[r] + (v - r) * (grid[min(r + 1, rows - 1)] - grid[r])
        line[columns] = line[columns - 1]
        rest, bad = residual[j + margin_y, margin_x : margin_x + nx], mask[j]
        for i in range(nx):
            value = np.float32(line[left[i]] + share[i] * (line[left[i] + 1] - line[left[i]]))
            level[j, i] += value
            rest[i] -= np.float32(0.0) if bad[i] else value
