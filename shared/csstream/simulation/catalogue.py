"""Catalogues of simulated stars: where they are and how bright."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from csstream.instruments.instrument import Instrument
from csstream.simulation.spectral import Types, draw_types

Float = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]

PAPER_DENSITY = 0.0253  # [star/pixel] down to i = 26 in the paper's field
LOG_SLOPE = 0.28  # log10 of the counts grows by this per magnitude
FRAME_MARGIN = 80  # [pixel] stars this far beyond the edge still shine into the frame


@dataclass(frozen=True, eq=False)
class StarCatalogue:
    """Stars of one scene. All arrays are (n,), float64.

    ``x, y`` [pixel] are 0-based and may lie beyond the frame; ``mag`` [mag]; ``types`` are
    indices into :data:`csstream.simulation.spectral.SPECTRAL_TYPES`, (n,) uint8, or None.
    """

    x: Float
    y: Float
    mag: Float
    types: Types | None = None

    def __len__(self) -> int:
        return int(self.x.size)

    def select(self, keep: Mask) -> StarCatalogue:
        """Return the stars where ``keep``, (n,) bool, is true."""
        return self.take(np.flatnonzero(keep))

    def take(self, rows: npt.NDArray[np.integer]) -> StarCatalogue:
        """Return the stars of the indices ``rows``, in their order."""
        types = None if self.types is None else self.types[rows]
        return StarCatalogue(self.x[rows], self.y[rows], self.mag[rows], types)

    def shifted(self, dx: float, dy: float) -> StarCatalogue:
        """Return the stars moved by (dx, dy) [pixel]."""
        return StarCatalogue(self.x + dx, self.y + dy, self.mag, self.types)

    def with_star(self, x: float, y: float, mag: float, kind: int) -> StarCatalogue:
        """Return the catalogue with one more star of spectral type ``kind`` at its end."""
        types = None if self.types is None else np.append(self.types, np.uint8(kind))
        parts = (np.append(self.x, x), np.append(self.y, y), np.append(self.mag, mag))
        return StarCatalogue(*parts, types)

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

    Their spectral types come from a stream of their own: a catalogue does not change with them.

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
    mag = draw_magnitudes(rng, n, mag_bright, mag_faint, log_slope)
    return StarCatalogue(x, y, mag, draw_types(rng.spawn(1)[0], n))


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
