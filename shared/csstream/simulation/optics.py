"""CSST-like optics: an aberrated pupil, its blur and the pixel, as tables over the field.

GalSim (Rowe et al. 2015, A&C 10, 121) gives the wavefront: the Zernike screen of its OpticalPSF.
The transfer function is the autocorrelation of the pupil, computed on the very frequencies of the
table's transform, so that no wing folds back; it is multiplied by a Gaussian and by the pixel.
GalSim is imported only when optics are made.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import scipy.fft
from scipy.optimize import brentq
from scipy.special import j1

from csstream.imaging.psf.pixel_psf import PixelPsf, PsfError
from csstream.imaging.psf.profiles import ARCSEC_PER_RADIAN, DEFAULT_HALF_WIDTH
from csstream.instruments.instrument import Instrument
from csstream.simulation.optics_field import OpticsField

Float = npt.NDArray[np.float64]
Complex = npt.NDArray[np.complex128]

OVERSAMPLING = 4
LINEAR, CURVED = 0.4, 0.2  # change of a coefficient from the middle to the edge, over its RMS
CENTROID_SIGMA = 1.5  # [pixel] of the window in which a table is centred: wings have no centroid
CENTRING_BLUR = 0.6  # [pixel] of the Gaussian, about what R80 asks for, while a table is centred


class OpticsError(PsfError):
    """Optics cannot be made: GalSim is missing, or the telescope does not fit the model."""


@dataclass(frozen=True, kw_only=True)
class Aberrations:
    """RMS of every Zernike coefficient [wave] in the middle of the field.

    Both components of astigmatism, coma and trefoil have it. The defaults leave a Strehl ratio
    near 0.9, as a telescope well in focus has.
    """

    defocus: float = 0.020
    astigmatism: float = 0.015
    coma: float = 0.012
    trefoil: float = 0.010


ZERNIKES = {
    "defocus": "defocus",
    "astig1": "astigmatism",
    "astig2": "astigmatism",
    "coma1": "coma",
    "coma2": "coma",
    "trefoil1": "trefoil",
    "trefoil2": "trefoil",
}
"""GalSim's name of a coefficient -> the field of :class:`Aberrations` with its RMS."""


def draw_optics(
    rng: np.random.Generator,
    instrument: Instrument,
    shape: tuple[int, int],
    *,
    r80_arcsec: float,
    aberrations: Aberrations | None = None,
    grid: int = 3,
    half_width: int = DEFAULT_HALF_WIDTH,
) -> OpticsField:
    """Draw a telescope's optics: every coefficient a quadratic of the field position.

    Parameters
    ----------
    shape : (ny, nx) [pixel]
        The frame is the whole field: the aberrations change from edge to edge of it.
    r80_arcsec : float
        Radius of 80 % encircled energy of the mean over the grid, before the pixel; it fixes the
        Gaussian.
    grid : int
        Nodes along each axis.

    Raises
    ------
    OpticsError
        GalSim is not installed, the instrument's PSF is no diffraction pattern, or the pupil
        alone is wider than ``r80_arcsec``.
    """
    ny, nx = shape
    places = np.linspace(-1.0, 1.0, grid) if grid > 1 else np.zeros(1)
    v, u = (each.ravel() for each in np.meshgrid(places, places, indexing="ij"))
    coefficients = draw_coefficients(rng, aberrations or Aberrations(), u, v)
    tables = optics_tables(instrument, coefficients, r80_arcsec, half_width)
    return OpticsField(tables, 0.5 * (places + 1.0) * (nx - 1), 0.5 * (places + 1.0) * (ny - 1))


def draw_coefficients(
    rng: np.random.Generator, aberrations: Aberrations, u: Float, v: Float
) -> list[dict[str, float]]:
    """Draw Zernike coefficients [wave] at field positions u, v (n,) in −1 … 1."""
    monomials = np.stack(
        [np.ones(u.size), LINEAR * u, LINEAR * v, CURVED * u * u, CURVED * u * v, CURVED * v * v]
    )
    rms = np.array([getattr(aberrations, kind) for kind in ZERNIKES.values()])
    drawn = rms[:, None] * rng.standard_normal((rms.size, monomials.shape[0]))
    values = drawn @ monomials
    return [dict(zip(ZERNIKES, column.tolist(), strict=True)) for column in values.T]


def optics_tables(
    instrument: Instrument,
    coefficients: list[dict[str, float]],
    r80_arcsec: float,
    half_width: int = DEFAULT_HALF_WIDTH,
) -> tuple[PixelPsf, ...]:
    """Return one table per set of Zernike coefficients [wave], all with one Gaussian blur.

    Raises :class:`OpticsError` as :func:`draw_optics`.
    """
    if instrument.psf.model != "diffraction":
        raise OpticsError(f"{instrument.name}: optics need a diffraction PSF, not a Moffat profile")
    pupil = Pupil.of(instrument, half_width)
    transfers = [pupil.centred(pupil.transfer(each), half_width) for each in coefficients]
    r80 = r80_arcsec / instrument.detector.pixel_scale_arcsec
    sigma = _blur_for_r80(np.mean(transfers, axis=0), pupil, r80)
    return tuple(pupil.table(transfer, sigma, half_width) for transfer in transfers)


@dataclass(frozen=True, eq=False)
class Pupil:
    """A circular pupil sampled so that its lags are the frequencies of the table's transform."""

    galsim: Any
    size: int  # of the table's transform, a side [sample]
    diameter: float  # [m]
    wavelength_nm: float
    u: Float  # (n, n) [m]
    v: Float
    amplitude: Float  # (n, n), one inside and zero outside

    @classmethod
    def of(cls, instrument: Instrument, half_width: int) -> Pupil:
        size = scipy.fft.next_fast_len(4 * (half_width + 1) * OVERSAMPLING, real=True)
        shape, scale = instrument.psf, instrument.detector.pixel_scale_arcsec / ARCSEC_PER_RADIAN
        step = OVERSAMPLING / size * shape.wavelength_nm * 1e-9 / scale
        reach = math.ceil(0.5 * shape.aperture_m / step) + 1
        axis = np.arange(-reach, reach + 1) * step
        v, u = np.meshgrid(axis, axis, indexing="ij")
        # A softened edge would lower the transfer at zero, its square, more than at other lags.
        amplitude = (np.hypot(u, v) <= 0.5 * shape.aperture_m).astype(np.float64)
        values = (size, shape.aperture_m, shape.wavelength_nm, u, v, amplitude)
        return cls(_import_galsim(), *values)

    @property
    def lags(self) -> int:
        """Largest lag at which the pupil meets its own copy."""
        return int(self.u.shape[0] - 1)

    def frequencies(self) -> tuple[Float, Float]:
        """Return fy (2 m + 1, 1) and fx (1, m + 1) of a transfer function [cycle/pixel]."""
        step = OVERSAMPLING / self.size
        positive = np.arange(self.lags + 1, dtype=np.float64) * step
        return np.append(-positive[:0:-1], positive)[:, None], positive[None, :]

    def transfer(self, coefficients: dict[str, float]) -> Complex:
        """Return the optical transfer function at :meth:`frequencies`; 1 at zero."""
        screen = self.galsim.OpticalScreen(
            diam=self.diameter, lam_0=self.wavelength_nm, **coefficients
        )
        waves = screen.wavefront(self.u, self.v, None) / self.wavelength_nm
        field = self.amplitude * np.exp(2j * np.pi * waves)
        size = scipy.fft.next_fast_len(2 * self.u.shape[0])
        spectrum = scipy.fft.fft2(field, s=(size, size))
        lagged = scipy.fft.ifft2(np.abs(spectrum) ** 2)
        rows = np.arange(-self.lags, self.lags + 1)
        return np.asarray(lagged[rows][:, : self.lags + 1] / lagged[0, 0])

    def centred(self, transfer: Complex, half_width: int) -> Complex:
        """Return a transfer function without the shift of the core that coma brings."""
        dx, dy = _centroid(self.table(transfer, CENTRING_BLUR, half_width).samples)
        fy, fx = self.frequencies()
        return np.asarray(transfer * np.exp(2j * np.pi * (fx * dx + fy * dy)))

    def table(self, transfer: Complex, sigma: float, half_width: int) -> PixelPsf:
        """Return the table of a transfer function: Gaussian of ``sigma`` [pixel], then pixel."""
        fy, fx = self.frequencies()
        blur = np.exp(-2.0 * (np.pi * sigma) ** 2 * (fx**2 + fy**2))
        samples = self._image(transfer * blur * np.sinc(fx) * np.sinc(fy), half_width)
        samples *= OVERSAMPLING**2 / samples.sum()
        return PixelPsf(samples, OVERSAMPLING)

    def _image(self, response: Complex, half_width: int) -> Float:
        half_plane = np.zeros((self.size, self.size // 2 + 1), np.complex128)
        half_plane[np.arange(-self.lags, self.lags + 1), : self.lags + 1] = response
        image = scipy.fft.irfft2(half_plane, s=(self.size, self.size))
        index = np.arange(-half_width * OVERSAMPLING, half_width * OVERSAMPLING + 1)
        return np.ascontiguousarray(image[np.ix_(index, index)])


def encircled_energy(
    transfer: Complex, frequencies: tuple[Float, Float], radius: float, sigma: float
) -> float:
    """Share of the light within ``radius`` [pixel] of a blurred transfer function's PSF.

    EE(R) = ∬ OTF(f) R J₁(2πR|f|) / |f| d²f over the whole plane; the half-plane is mirrored.
    """
    fy, fx = frequencies
    f = np.hypot(fx, fy)
    step = float(fx[0, 1])
    kernel = np.where(f > 0.0, j1(2.0 * np.pi * radius * f) / np.maximum(f, 1e-12), 0.0)
    kernel[f == 0.0] = np.pi * radius
    weight = np.where(fx > 0.0, 2.0, 1.0) * np.exp(-2.0 * (np.pi * sigma * f) ** 2)
    return float(radius * step**2 * np.sum(transfer.real * kernel * weight))


def _blur_for_r80(transfer: Complex, pupil: Pupil, r80: float) -> float:
    at = pupil.frequencies()
    if encircled_energy(transfer, at, r80, 0.0) < 0.8:
        raise OpticsError(
            f"the aberrated pupil alone spreads 80 % of the light wider than {r80:.3f} pixel; "
            "ask for a larger R80 or smaller aberrations"
        )
    return float(
        brentq(lambda s: encircled_energy(transfer, at, r80, s) - 0.8, 0.0, r80, xtol=1e-6)
    )


def _centroid(samples: Float) -> tuple[float, float]:
    """Return the centroid of a table's core [pixel]: Gaussian-windowed, the window's pull undone.

    A window of width w around zero leaves a Gaussian core of variance v the share w² / (w² + v)
    of its shift; 1 − (windowed variance) / w² is the same share.
    """
    reach = samples.shape[0] // 2
    offset = np.arange(-reach, reach + 1) / OVERSAMPLING
    window = np.exp(-0.5 * (offset / CENTROID_SIGMA) ** 2)
    light = samples * window[:, None] * window[None, :]
    light /= light.sum()
    squared = 0.5 * float((light.sum(0) + light.sum(1)) @ offset**2)
    share = 1.0 - squared / CENTROID_SIGMA**2
    return float(light.sum(0) @ offset) / share, float(light.sum(1) @ offset) / share


def _import_galsim() -> Any:
    try:
        import galsim
    except ImportError as error:
        raise OpticsError(
            "aberrated optics need GalSim: install it (pip install galsim, or the extra "
            "csstream[train]), or ask for the analytic PSF (--optics analytic)"
        ) from error
    return galsim
