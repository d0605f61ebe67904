"""The point-spread function as a table: a cubic B-spline over oversampled pixel responses.

A sample of the table is the response of a *whole detector pixel* whose centre lies at that offset
from the star, so rendering a star is interpolation and nothing else. Interpolating samples at
four per pixel with cubic B-splines (Unser 1999, IEEE Signal Proc. Mag. 16, 22) errs by about 1e-4
of the peak. All pixels of one star share one sub-sample phase; the coefficients are therefore
also kept as polyphase planes, in which the sixteen taps of a row of pixels are contiguous.

Offsets are always ``dx = pixel centre − star`` in pixels.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import numpy.typing as npt
import scipy.fft
from scipy.ndimage import spline_filter
from scipy.optimize import brentq
from scipy.special import j1

from csstream.imaging.psf.kernels import evaluate_points, render_stars
from csstream.instruments.instrument import Instrument

Float = npt.NDArray[np.float64]

ARCSEC_PER_RADIAN = 206264.80624709636
CORE = 12  # [pixel]
CORE_MARGIN = 10  # [pixel] kept around it
DEFAULT_HALF_WIDTH = 80  # [pixel] wide enough for the wings of the brightest stars


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


def psf_from_instrument(
    instrument: Instrument,
    *,
    r80_arcsec: float | None = None,
    fwhm_arcsec: float | None = None,
    oversampling: int = 4,
    half_width: int = DEFAULT_HALF_WIDTH,
    ellipticity: tuple[float, float] = (0.0, 0.0),
) -> PixelPsf:
    """Make the nominal PSF of an instrument, or one of another width.

    Parameters
    ----------
    r80_arcsec : float, optional
        Radius of 80 % encircled energy before the pixel, instead of the instrument's;
        diffraction only.
    fwhm_arcsec : float, optional
        FWHM of the Moffat profile before the pixel, instead of the instrument's; Moffat only.
    half_width : int [pixel]
        The table reaches this far.
    ellipticity : (e1, e2)
        Stretch the profile by 1 + e1 along x and 1 − e1 along y, and by e2 along the diagonal.

    Raises
    ------
    PsfError
        The diffraction limit is already wider than ``r80_arcsec``, or a width that belongs to
        the other model was given.
    """
    shape, scale = instrument.psf, instrument.detector.pixel_scale_arcsec
    if shape.model == "diffraction":
        if fwhm_arcsec is not None:
            raise PsfError(f"{instrument.name}: a diffraction PSF takes r80_arcsec, not FWHM")
        cutoff = shape.aperture_m / (shape.wavelength_nm * 1e-9) / ARCSEC_PER_RADIAN * scale
        r80 = (shape.r80_arcsec if r80_arcsec is None else r80_arcsec) / scale
        return diffraction_psf(cutoff, r80, oversampling, half_width, ellipticity)
    if r80_arcsec is not None:
        raise PsfError(f"{instrument.name}: a Moffat PSF takes fwhm_arcsec, not r80_arcsec")
    fwhm = (shape.fwhm_arcsec if fwhm_arcsec is None else fwhm_arcsec) / scale
    return moffat_psf(fwhm, shape.beta, oversampling, half_width, ellipticity)


def diffraction_psf(
    cutoff: float,
    r80: float,
    oversampling: int,
    half_width: int,
    ellipticity: tuple[float, float] = (0.0, 0.0),
) -> PixelPsf:
    """Circular pupil × Gaussian blur × pixel, multiplied as transfer functions.

    ``cutoff`` is the pupil's cut-off frequency D/λ [cycle/pixel]; ``r80`` [pixel] the radius of
    80 % encircled energy before the pixel, which fixes the Gaussian. Raises :class:`PsfError`
    when the bare pupil is already wider.
    """
    sigma = _blur_for_r80(cutoff, r80)
    size = _grid_size(half_width, oversampling)
    fx = scipy.fft.rfftfreq(size, d=1.0 / oversampling)
    fy = scipy.fft.fftfreq(size, d=1.0 / oversampling)
    radial = np.sqrt(_stretched(fx, fy, ellipticity))
    transfer = pupil_transfer(radial / cutoff) * np.exp(-2.0 * (np.pi * sigma * radial) ** 2)
    return replace(_table(transfer, oversampling, half_width), band_limit=cutoff)


def moffat_psf(
    fwhm: float,
    beta: float,
    oversampling: int,
    half_width: int,
    ellipticity: tuple[float, float] = (0.0, 0.0),
) -> PixelPsf:
    """Moffat profile ∝ (1 + r²/α²)^−β of ``fwhm`` [pixel], convolved with the pixel."""
    if not (fwhm > 0.0 and beta > 1.0):
        raise PsfError(f"Moffat profile needs FWHM > 0 and beta > 1, not {fwhm} and {beta}")
    alpha = 0.5 * fwhm / math.sqrt(2.0 ** (1.0 / beta) - 1.0)
    size = _grid_size(half_width, oversampling)
    offset = scipy.fft.fftfreq(size, d=1.0 / size) / oversampling
    opposite = (-ellipticity[0], -ellipticity[1])  # frequencies shrink where positions stretch
    profile = (1.0 + _stretched(offset, offset, opposite) / alpha**2) ** -beta
    transfer = scipy.fft.rfft2(profile).real
    return _table(transfer / transfer[0, 0], oversampling, half_width)


def pupil_transfer(ratio: npt.NDArray[np.floating]) -> Float:
    """Optical transfer function of a circular pupil at ``ratio`` = frequency / cut-off."""
    r = np.clip(ratio, 0.0, 1.0)
    return 2.0 / np.pi * (np.arccos(r) - r * np.sqrt(1.0 - r * r))


def encircled_energy(radius: float, cutoff: float, sigma: float) -> float:
    """Share of a star's light within ``radius`` [pixel]: pupil and Gaussian, before the pixel.

    EE(R) = 2πR ∫ OTF(f) J₁(2πRf) df, by the midpoint rule.
    """
    f = (np.arange(4096) + 0.5) * (cutoff / 4096)
    transfer = pupil_transfer(f / cutoff) * np.exp(-2.0 * (np.pi * sigma * f) ** 2)
    kernel = transfer * j1(2.0 * np.pi * radius * f)
    return float(2.0 * np.pi * radius * kernel.sum() * (cutoff / 4096))


def _blur_for_r80(cutoff: float, r80: float) -> float:
    if encircled_energy(r80, cutoff, 0.0) < 0.8:
        raise PsfError(
            f"diffraction alone spreads 80 % of the light wider than {r80:.3f} pixel; "
            "ask for a larger R80 or check aperture and wavelength"
        )
    return float(brentq(lambda s: encircled_energy(r80, cutoff, s) - 0.8, 0.0, r80))


def _stretched(
    along_x: npt.NDArray[np.floating],
    along_y: npt.NDArray[np.floating],
    ellipticity: tuple[float, float],
) -> Float:
    """Return the squared radius of a grid after the stretch, (ny, nx)."""
    e1, e2 = ellipticity
    x, y = along_x[None, :], along_y[:, None]
    squared = ((1.0 + e1) * x + e2 * y) ** 2 + (e2 * x + (1.0 - e1) * y) ** 2
    return np.asarray(squared, np.float64)


def _grid_size(half_width: int, oversampling: int) -> int:
    # Twice the table: the transform is periodic and the wings must not fold back into it.
    return int(scipy.fft.next_fast_len(4 * (half_width + 1) * oversampling, real=True))


def _table(transfer: Float, oversampling: int, half_width: int) -> PixelPsf:
    """Make the table of a transfer function given on the half-plane of a real transform."""
    size = transfer.shape[0]
    pixel_x = np.sinc(scipy.fft.rfftfreq(size, d=1.0 / oversampling))
    pixel_y = np.sinc(scipy.fft.fftfreq(size, d=1.0 / oversampling))
    response = scipy.fft.irfft2(transfer * pixel_x[None, :] * pixel_y[:, None], s=(size, size))
    reach = half_width * oversampling
    index = np.arange(-reach, reach + 1)
    samples = response[np.ix_(index, index)]
    samples = samples * (oversampling**2 / samples.sum())
    return PixelPsf(np.ascontiguousarray(samples, np.float64), oversampling)
