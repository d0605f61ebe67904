"""Stars that no frame shows, but whose light falls into the frames: found by their wings.

The list is measured in each frame, as a stream's frames will be; what is left along the edges is
correlated with the wings of stars at places beyond. The sums of all frames tell where one is.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.ndimage import binary_erosion, binary_fill_holes, maximum_filter
from scipy.signal import correlate2d

from csstream.imaging.errors import FrameError
from csstream.imaging.fit.joint_fit import FitResult
from csstream.imaging.frames.frame import Image
from csstream.imaging.measure_settings import MeasureSettings
from csstream.imaging.psf.pixel_psf import PixelPsf
from csstream.imaging.reference.catalogue import ReferenceCatalogue
from csstream.imaging.reference.frames_measured import Frames
from csstream.imaging.reference.measure import fit_listed

Float = npt.NDArray[np.float64]
ToPlane = Callable[[Float, Float], tuple[Float, Float]]

REACH = 12  # [pixel] beyond a frame's edge
DEPTH = 6  # [pixel] of the frame that is looked at along its edge
LEAST_SNR = 6.0
APART = 4  # [pixel] between two finds: the wings do not tell stars closer than this apart
BORDER = 2  # [pixel] at the end of the reach where no find is believed
POSITION_ERROR = 0.5  # [pixel] of a star known by its wings


@dataclass(frozen=True, eq=False)
class Beyond:
    """Stars beyond the frames; arrays (n,)."""

    x: Float  # [pixel] of the plane
    y: Float
    flux: Float  # [electron/s]
    flux_err: Float


def stars_beyond(
    frames: Frames,
    reference: ReferenceCatalogue,
    extent: tuple[tuple[int, int], tuple[int, int]],
    shown: Callable[[Float, Float], npt.NDArray[np.bool_]],
    *,
    nominal_psf: PixelPsf | None,
    settings: MeasureSettings,
) -> Beyond:
    """Return the stars whose light the frames show along their edges, and nothing else of them.

    Parameters
    ----------
    extent : (origin, shape)
        First pixel (x, y) and shape (ny, nx) of the part of the plane that the frames cover.
    shown : callable
        Tells which places (n,) of the plane any frame shows.
    """
    sums = EdgeSums(*extent)
    for index in range(len(frames)):
        with suppress(FrameError):  # it was said before what is wrong with the frame
            own = fit_listed(frames[index], reference, nominal_psf=nominal_psf, settings=settings)
            sums.add(own.fit, own.psf, own.scale, own.excess, own.to_plane)
    return sums.stars(shown(*sums.places()))


class EdgeSums:
    """Sums over frames of what their edges say about stars beyond, on a grid of the plane.

    Parameters
    ----------
    origin, shape : (x, y), (ny, nx) [pixel]
        Of the part of the plane that the frames show.
    """

    def __init__(self, origin: tuple[int, int], shape: tuple[int, int]) -> None:
        self.origin = (origin[0] - REACH, origin[1] - REACH)
        grid = (shape[0] + 2 * REACH, shape[1] + 2 * REACH)
        self.signal, self.weight = np.zeros(grid), np.zeros(grid)

    def add(
        self, fit: FitResult, psf: PixelPsf, scale: float, excess: float, to_plane: ToPlane
    ) -> None:
        """Add a frame.

        Parameters
        ----------
        fit : FitResult
            Of the list in the frame [electron].
        scale : float
            The list's electron/s of one electron of this frame.
        excess : float
            Factor by which the frame's noise exceeds its photons'.
        to_plane : callable
            Maps pixels of the frame to pixels of the plane.
        """
        for x, y, signal, weight in _strips(fit.residual, fit.weight, psf):
            i, j = self._cells(x, y, to_plane)
            np.add.at(self.signal, (j, i), signal / (scale * excess**2))
            np.add.at(self.weight, (j, i), weight / (scale * excess) ** 2)

    def places(self) -> tuple[Float, Float]:
        """Return the places that the sums tell of, (n,) each [pixel of the plane]."""
        return self._on_plane(self.weight > 0.0)

    def stars(self, shown: npt.NDArray[np.bool_]) -> Beyond:
        """Return where the sums show a star; ``shown`` (n,): which places any frame shows."""
        told = self.weight > 0.0
        safe = np.where(told, self.weight, 1.0)
        snr = self.signal / np.sqrt(safe)
        snr[told] *= ~shown
        # A slope of the sky grows outwards to the last place looked at; a star has its own place.
        inner = binary_erosion(binary_fill_holes(told), iterations=BORDER)
        peak = told & inner & (snr == maximum_filter(snr, 2 * APART + 1)) & (snr > LEAST_SNR)
        weight = self.weight[peak]
        flux = self.signal[peak] / weight
        x, y = self._on_plane(peak)
        j, i = np.nonzero(peak)
        return Beyond(x + _top(snr, j, i, 1), y + _top(snr, j, i, 0), flux, 1.0 / np.sqrt(weight))

    def _on_plane(self, cells: npt.NDArray[np.bool_]) -> tuple[Float, Float]:
        """Return where cells of the grid lie, (n,) each [pixel of the plane]."""
        j, i = (v.astype(np.float64) for v in np.nonzero(cells))
        return i + self.origin[0], j + self.origin[1]

    def _cells(
        self, x: Float, y: Float, to_plane: ToPlane
    ) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
        px, py = to_plane(x, y)
        ny, nx = self.signal.shape
        i = np.clip(np.rint(px).astype(np.int64) - self.origin[0], 0, nx - 1)
        j = np.clip(np.rint(py).astype(np.int64) - self.origin[1], 0, ny - 1)
        return i, j


def _top(snr: Float, j: npt.NDArray[np.int64], i: npt.NDArray[np.int64], axis: int) -> Float:
    """Return how far from its cell each peak is, by a parabola along an axis [cell]."""
    padded = np.pad(snr, 1)
    step = (1, 0) if axis == 0 else (0, 1)
    here = padded[j + 1, i + 1]
    low, high = padded[j + 1 - step[0], i + 1 - step[1]], padded[j + 1 + step[0], i + 1 + step[1]]
    bend = np.maximum(2.0 * here - low - high, 1e-12)
    return np.where((low > 0.0) & (high > 0.0), np.clip(0.5 * (high - low) / bend, -0.5, 0.5), 0.0)


def _strips(residual: Image, weight: Image, psf: PixelPsf) -> list[tuple[Float, ...]]:
    """Places beyond each of the four edges, and Σ w r P and Σ w P² of a star there; (k,) each."""
    ny, nx = residual.shape
    depth = min(DEPTH, ny, nx)
    strips: list[tuple[Float, ...]] = []
    for edge in range(4):  # a strip lies along the top of its turned image
        r, w = (np.rot90(image, edge)[:depth].astype(np.float64) for image in (residual, weight))
        if edge % 2:  # the corners count once
            w[:, :depth] = w[:, -depth:] = 0.0
        signal, norm = _beyond_top(r, w, np.rot90(psf_stamp(psf), edge))
        v, u = (each.ravel().astype(np.float64) - REACH for each in np.indices(signal.shape))
        x, y = ((u, v), (nx - 1 - v, u), (nx - 1 - u, ny - 1 - v), (v, ny - 1 - u))[edge]
        strips.append((x, y, signal.ravel(), norm.ravel()))
    return strips


def _beyond_top(r: Float, w: Float, profile: Float) -> tuple[Float, Float]:
    """Correlate a strip with a profile centred up to REACH rows above it; (REACH, width)."""
    half = profile.shape[0] // 2
    sides = ((half + REACH, max(half - len(r), 0)), (half + REACH, half + REACH))
    first, second = (
        correlate2d(np.pad(image, sides), kernel, "valid")[:REACH]
        for image, kernel in ((r * w, profile), (w, profile**2))
    )
    return first, second


def psf_stamp(psf: PixelPsf) -> Float:
    """Return the PSF on whole pixels, as far as a star beyond can shine; (2R + 1, 2R + 1)."""
    half = min(REACH + DEPTH, psf.half_width)
    axis = np.arange(-half, half + 1.0)
    return psf.evaluate(axis[None, :], axis[:, None])
