"""The sky under the stars: a first mesh estimate, and its correction from the fit's residual."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import sep
from numba import njit

from csstream.imaging.frame import Image, Mask

DEFAULT_MESH = 100  # [pixel] the paper's Table 2
LEAST_PIXELS = 16  # in a mesh, for a value of its own
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
    level, noise = estimate.back(dtype=np.float32), estimate.rms(dtype=np.float32)
    return Background(level, float(estimate.globalrms), noise)


def correct_from_residual(
    level: Image, residual: Image, mask: Mask, mesh: int = DEFAULT_MESH
) -> None:
    """Add the smooth part of a fit's residual to ``level``, and take it from ``residual``.

    Parameters
    ----------
    level, residual : ndarray, (ny, nx), float32 [electron]
        Changed in place.
    """
    grid = _clipped_means(residual, mask, max(1, min(mesh, *level.shape)))
    _add_bilinear(level, residual, grid)


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
    _add_bilinear(scale, np.zeros_like(pull), grid)
    return scale


@njit(cache=True, nogil=True)
def _clipped_means(residual: Image, mask: Mask, mesh: int) -> npt.NDArray[np.float64]:
    """Means of the meshes, clipped three times at 2.5 sigma; empty meshes give zero."""
    ny, nx = residual.shape
    rows, columns = max(1, ny // mesh), max(1, nx // mesh)
    grid = np.zeros((rows, columns))
    for r in range(rows):
        for c in range(columns):
            low, high = -np.inf, np.inf
            for _ in range(4):
                count, total, square = 0, 0.0, 0.0
                for j in range(r * ny // rows, (r + 1) * ny // rows):
                    for i in range(c * nx // columns, (c + 1) * nx // columns):
                        v = residual[j, i]
                        if not mask[j, i] and low <= v <= high:
                            count += 1
                            total += v
                            square += v * v
                if count < LEAST_PIXELS:
                    break
                mean = total / count
                spread = np.sqrt(max(square / count - mean * mean, 0.0))
                low, high = mean - 2.5 * spread, mean + 2.5 * spread
                grid[r, c] = mean
    return grid


@njit(cache=True, nogil=True)
def _add_bilinear(level: Image, residual: Image, grid: npt.NDArray[np.float64]) -> None:
    """Interpolate between the mesh centres; constant beyond the outermost."""
    ny, nx = level.shape
    rows, columns = grid.shape
    for j in range(ny):
        v = min(max((j + 0.5) * rows / ny - 0.5, 0.0), rows - 1.0)
        r = min(int(v), max(rows - 2, 0))
        t = v - r
        below = min(r + 1, rows - 1)
        for i in range(nx):
            u = min(max((i + 0.5) * columns / nx - 0.5, 0.0), columns - 1.0)
            c = min(int(u), max(columns - 2, 0))
            s = u - c
            right = min(c + 1, columns - 1)
            top = (1.0 - s) * grid[r, c] + s * grid[r, right]
            bottom = (1.0 - s) * grid[below, c] + s * grid[below, right]
            value = (1.0 - t) * top + t * bottom
            level[j, i] += value
            residual[j, i] -= value
