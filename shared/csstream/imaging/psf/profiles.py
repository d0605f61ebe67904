"""Tables of PSFs that a formula gives: a telescope's diffraction, a Moffat profile.

Both are made as transfer functions, multiplied by the pixel's and transformed back.
"""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import numpy.typing as npt
import scipy.fft
from scipy.optimize import brentq
from scipy.special import j1

from csstream.imaging.psf.pixel_psf import PixelPsf, PsfError
from csstream.instruments.instrument import Instrument

Float = npt.NDArray[np.float64]

ARCSEC_PER_RADIAN = 206264.80624709636
DEFAULT_HALF_WIDTH = 80  # [pixel] wide enough for the wings of the brightest stars


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
