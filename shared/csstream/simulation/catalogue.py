"""Catalogues of simulated stars: where they are and how bright."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from csstream.instruments.instrument import Instrument

Float = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]

PAPER_DENSITY = 0.0253  # [star/pixel] down to i = 26 in the paper's field
LOG_SLOPE = 0.28  # log10 of the counts grows by this per magnitude
FRAME_MARGIN = 80  # [pixel] stars this far beyond the edge still shine into the frame


@dataclass(frozen=True, eq=False)
class StarCatalogue:
    """Stars of one scene. All arrays are (n,), float64.

    ``x, y`` [pixel] are 0-based and may lie beyond the frame; ``mag`` [mag].
    """

    x: Float
    y: Float
    mag: Float

    def __len__(self) -> int:
        return int(self.x.size)

    def select(self, keep: Mask) -> StarCatalogue:
        """Return the stars where ``keep``, (n,) bool, is true."""
        return StarCatalogue(self.x[keep], self.y[keep], self.mag[keep])

    def inside(self, shape: tuple[int, int]) -> Mask:
        """Return which stars lie on a pixel of a frame of ``shape`` (ny, nx)."""
        ny, nx = shape
        in_x = (self.x >= -0.5) & (self.x < nx - 0.5)
        return in_x & (self.y >= -0.5) & (self.y < ny - 0.5)


def draw_catalogue(
    rng: np.random.Generator,
    shape: tuple[int, int],
    *,
    density: float = PAPER_DENSITY,
    mag_bright: float = 16.0,
    mag_faint: float = 26.0,
    log_slope: float = LOG_SLOPE,
    margin: float = FRAME_MARGIN,
) -> StarCatalogue:
    """Draw stars uniformly over a frame and its margin, counts rising as 10^(slope × mag).

    Parameters
    ----------
    shape : (ny, nx)
    density : float [star/pixel]
        Mean number between ``mag_bright`` and ``mag_faint``.
    margin : float [pixel]
        How far beyond the frame stars are drawn.
    """
    ny, nx = shape
    area = (nx + 2 * margin) * (ny + 2 * margin)
    n = int(rng.poisson(density * area))
    x = rng.uniform(-0.5 - margin, nx - 0.5 + margin, n)
    y = rng.uniform(-0.5 - margin, ny - 0.5 + margin, n)
    return StarCatalogue(x, y, draw_magnitudes(rng, n, mag_bright, mag_faint, log_slope))


def draw_magnitudes(
    rng: np.random.Generator, n: int, mag_bright: float, mag_faint: float, log_slope: float
) -> Float:
    """Draw ``n`` magnitudes with counts rising as 10^(log_slope × mag)."""
    low, high = 10.0 ** (log_slope * (mag_bright - mag_faint)), 1.0
    return mag_faint + np.log10(rng.uniform(low, high, n)) / log_slope


def electrons_from_magnitudes(
    mag: npt.ArrayLike, instrument: Instrument, exposure_time: float | None = None
) -> Float:
    """Return the electrons that stars of ``mag`` leave in one exposure."""
    time = instrument.cadence.exposure_time if exposure_time is None else exposure_time
    exponent = -0.4 * (np.asarray(mag, np.float64) - instrument.photometry.zero_point)
    return np.asarray(time * 10.0**exponent, np.float64)
