"""The sky cells that a frame touches."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from csstream.contracts.cells import cells_of

Cells = npt.NDArray[np.int64]
PixelToSky = Callable[[npt.NDArray[Any], npt.NDArray[Any]], tuple[Any, Any]]
GRID_STEP_ARCSEC = 2.0  # a cell is 51 arcsec wide: slivers thinner than this may be missed
MAX_GRID = 512  # points along an axis


def footprint_cells(
    pixel_to_sky: PixelToSky, shape: tuple[int, int], pixel_scale_arcsec: float
) -> Cells:
    """Return the cells that the frame's pixels touch, increasing, int64 (k,).

    The frame is sampled on a grid that includes its edges, every 2 arcsec (or 512 points along an
    axis where that is coarser). ``pixel_to_sky`` maps 0-based x, y (n,) to ra, dec [deg].
    """
    ny, nx = shape
    x, y = np.meshgrid(_grid(nx, pixel_scale_arcsec), _grid(ny, pixel_scale_arcsec))
    ra, dec = pixel_to_sky(x.ravel(), y.ravel())
    ra, dec = np.asarray(ra, float), np.asarray(dec, float)
    on_sky = np.isfinite(ra) & np.isfinite(dec)
    return np.asarray(np.unique(cells_of(ra[on_sky], dec[on_sky])), np.int64)


def _grid(length: int, pixel_scale_arcsec: float) -> npt.NDArray[np.float64]:
    points = int(np.ceil(length * pixel_scale_arcsec / GRID_STEP_ARCSEC)) + 1
    return np.linspace(-0.5, length - 0.5, min(max(points, 2), MAX_GRID))
