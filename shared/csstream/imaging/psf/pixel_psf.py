"""The point-spread function as a table: a cubic B-spline over oversampled pixel responses.

A sample of the table is the response of a *whole detector pixel* whose centre lies at that offset
from the star, so rendering a star is interpolation and nothing else. Interpolating samples at
four per pixel with cubic B-splines (Unser 1999, IEEE Signal Proc. Mag. 16, 22) errs by about 1e-4
of the peak. All pixels of one star share one sub-sample phase; the coefficients are therefore
also kept as polyphase planes, in which the sixteen taps of a row of pixels are contiguous.

Offsets are always ``dx = pixel centre − star`` in pixels.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt
from scipy.ndimage import spline_filter

from csstream.imaging.psf.kernels import evaluate_points, render_stars

Float = npt.NDArray[np.float64]

CORE = 12  # [pixel]
CORE_MARGIN = 10  # [pixel] kept around it


class PsfError(ValueError):
    """A PSF cannot be made from these values, or a table has the wrong shape."""


@dataclass(frozen=True, eq=False)
class PixelPsf:
    """A PSF integrated over the pixel, tabulated around the star's centre.

    Parameters
    ----------
    samples : ndarray, (k, k), float64
        Response of one pixel to a star of unit flux, centred (k odd);
        ``samples.sum() / oversampling**2 == 1``.
    oversampling : int
        Samples per pixel.
    band_limit : float [cycle/pixel], optional
        Cut-off frequency D/λ of the circular pupil that made the PSF, where one did.
    """

    samples: Float
    oversampling: int
    band_limit: float | None = None

    def __post_init__(self) -> None:
        shape = self.samples.shape
        if len(shape) != 2 or shape[0] != shape[1] or shape[0] % 2 != 1:
            raise PsfError(f"PSF table must be square with an odd side, not {shape}")
        if self.oversampling < 1 or not np.all(np.isfinite(self.samples)):
            raise PsfError("PSF table holds non-finite samples or its oversampling is below one")

    @property
    def half_width(self) -> int:
        """Largest half-width of a stamp that the table covers [pixel]."""
        return int((self.samples.shape[0] - 1) // (2 * self.oversampling))

    @cached_property
    def coefficients(self) -> Float:
        """B-spline coefficients, zero-padded; see :attr:`centre`. ndarray, (K, K), float64."""
        filtered = spline_filter(self.samples, order=3, output=np.float64, mode="mirror")
        before = self._padding
        total = filtered.shape[0] + 2 * before
        after = before + (-total) % self.oversampling
        return np.ascontiguousarray(np.pad(filtered, (before, after)))

    @property
    def centre(self) -> int:
        """Index of the star's centre in :attr:`coefficients`, both axes."""
        return (self.samples.shape[0] - 1) // 2 + self._padding

    @property
    def _padding(self) -> int:
        return 2 * self.oversampling + 2

    @cached_property
    def planes(self) -> Float:
        """Polyphase planes ``[py, px, j, i] = coefficients[j*s + py, i*s + px]``, float64."""
        s = self.oversampling
        n = self.coefficients.shape[0] // s
        split = self.coefficients.reshape(n, s, n, s)
        return np.ascontiguousarray(split.transpose(1, 3, 0, 2))

    @cached_property
    def core(self) -> PixelPsf:
        """The table within :data:`CORE` pixels of its centre: most questions are about it.

        A cubic B-spline forgets its border within a few samples, by 0.27 each.
        """
        if self.half_width <= CORE + CORE_MARGIN:
            return self
        middle, half = self.samples.shape[0] // 2, (CORE + CORE_MARGIN) * self.oversampling
        part = slice(middle - half, middle + half + 1)
        return PixelPsf(self.samples[part, part], self.oversampling)

    @cached_property
    def fwhm(self) -> float:
        """Full width at half maximum of the azimuthal mean, pixel response included [pixel].

        Raises PsfError where the table has no peak in its middle that falls to half.
        """
        for reach in (min(8, self.half_width), self.half_width):
            coarse = np.arange(0.0, reach + 0.5, 0.5)
            mean = self._mean_at(coarse)
            below = int(np.argmax(mean < 0.5 * mean[0]))
            if below > 0:
                break
        if not (below > 0 and mean[0] > 0.0):
            raise PsfError("the PSF's table has no peak in its middle")
        radius = np.linspace(0.0, coarse[below], 64 * below // 2 + 1)
        profile = self._mean_at(radius)
        first = int(np.argmax(profile < 0.5 * profile[0]))
        low, high = profile[first], profile[first - 1]
        step = radius[1] - radius[0]
        return float(2.0 * (radius[first] - step * (0.5 * profile[0] - low) / (high - low)))

    def _mean_at(self, radius: Float) -> Float:
        """Return the azimuthal mean at radii (n,) [pixel]."""
        angle = np.linspace(0.0, 2.0 * np.pi, 32, endpoint=False)
        dx, dy = np.outer(np.cos(angle), radius), np.outer(np.sin(angle), radius)
        return np.asarray(self.evaluate(dx, dy).mean(axis=0))

    def evaluate(self, dx: npt.ArrayLike, dy: npt.ArrayLike) -> Float:
        """Return the pixel's response at offsets ``dx, dy`` [pixel]; zero beyond the table."""
        x, y = np.broadcast_arrays(np.asarray(dx, np.float64), np.asarray(dy, np.float64))
        flat = np.empty(x.size)
        far = max(float(np.abs(v).max(initial=0.0)) for v in (x, y))
        table = self.core if far < CORE else self
        evaluate_points(
            table.coefficients, self.oversampling, table.centre, x.ravel(), y.ravel(), flat
        )
        return flat.reshape(x.shape)

    def render(
        self,
        image: npt.NDArray[np.floating],
        x: npt.ArrayLike,
        y: npt.ArrayLike,
        flux: npt.ArrayLike,
        half_width: npt.ArrayLike,
    ) -> None:
        """Add stars to ``image`` in place.

        Parameters
        ----------
        image : ndarray, (ny, nx), float32 or float64
        x, y : array, (n,) [pixel]
            Centres, 0-based; stars beyond the edge shine into the image.
        flux : array, (n,)
            In the image's unit.
        half_width : int or array, (n,) [pixel]
            The stamp spans ``2 * half_width + 1`` pixels; at most :attr:`half_width`.
        """
        xs = np.atleast_1d(np.asarray(x, np.float64))
        half = np.minimum(np.broadcast_to(np.asarray(half_width), xs.shape), self.half_width)
        render_stars(
            image,
            self.planes,
            self.oversampling,
            self.centre,
            xs,
            np.atleast_1d(np.asarray(y, np.float64)),
            np.atleast_1d(np.asarray(flux, np.float64)),
            np.ascontiguousarray(half, np.int64),
        )


def mixed(tables: Sequence[PixelPsf], weights: Float) -> PixelPsf:
    """Return Σ weights[k] tables[k], ``weights`` (n,); the tables have one shape."""
    parts = zip(weights, tables, strict=True)
    return PixelPsf(np.sum([w * t.samples for w, t in parts], axis=0), tables[0].oversampling)
