"""What aberrations do to a diffraction PSF: the modes of a family of aberrated pupils.

Random wavefronts of the low Zernike polynomials (Noll 1976, JOSA 66, 207) through a circular
pupil give a family of PSFs. Its principal components (Jee et al. 2007, PASP 119, 1403) are few,
and their variances say beforehand how large each may become.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import numpy.typing as npt
import scipy.fft

from csstream.imaging.psf.blur import blur_modes, core_of
from csstream.imaging.psf.pixel_psf import PixelPsf
from csstream.imaging.psf.profiles import pupil_transfer

Float = npt.NDArray[np.float64]

MEMBERS = 200  # of the family
COMPONENTS = 36
RMS = 0.16  # [rad] of each Zernike coefficient
FLOOR = 0.003  # of the peak, added to the profile in the weights


@lru_cache(maxsize=8)
def aberration_modes(psf: PixelPsf) -> tuple[Float, Float]:
    """Return the family's components within the core (q, k, k), and their sigmas (q,).

    Raises ``ValueError`` where the PSF does not know its band limit.
    """
    if psf.band_limit is None:
        raise ValueError("the PSF comes from no pupil of known size")
    core, step = core_of(psf), psf.oversampling
    table = psf.samples[core, core]
    size = int(scipy.fft.next_fast_len(2 * table.shape[0], real=True))
    pupil = _Pupil(psf.band_limit, step, size)
    response = _response(psf, pupil)
    rng = np.random.default_rng(1976)
    waves = RMS * rng.standard_normal((MEMBERS, len(pupil.zernikes)))
    ideal = pupil.image(np.zeros(waves.shape[1]), response, table.shape[0])
    changes = np.stack([pupil.image(wave, response, table.shape[0]) - ideal for wave in waves])
    changes = without_known(changes, table, step)
    root = np.sqrt(1.0 / (np.maximum(table, 0.0) + FLOOR * table.max()))
    weighted = (changes * root).reshape(MEMBERS, -1)
    variances, mixing = np.linalg.eigh(weighted @ weighted.T / MEMBERS)
    best = np.argsort(variances)[::-1][:COMPONENTS]
    sigma = np.sqrt(np.maximum(variances[best], 1e-30))
    modes = np.tensordot(mixing[:, best].T, changes, 1) / (np.sqrt(MEMBERS) * sigma)[:, None, None]
    return np.asarray(modes, np.float64), np.asarray(sigma, np.float64)


def without_known(changes: Float, table: Float, step: int) -> Float:
    """Take out of changes (n, k, k) what flux, position and blur would do to a table (k, k)."""
    down, right = np.gradient(table)
    known = np.concatenate([np.stack([table, right, down]), blur_modes(table, step)])
    weight = 1.0 / (np.maximum(table, 0.0) + FLOOR * table.max())
    rows = (known * weight).reshape(known.shape[0], -1)
    normal = rows @ known.reshape(known.shape[0], -1).T
    scale = 1.0 / np.sqrt(np.diag(normal))
    inverse = np.linalg.inv(normal * scale * scale[:, None]) * scale * scale[:, None]
    amounts = changes.reshape(changes.shape[0], -1) @ rows.T @ inverse
    return np.asarray(changes - np.tensordot(amounts, known, 1))


class _Pupil:
    """A circular pupil on a grid whose lags are the frequencies of the table's transform."""

    def __init__(self, cutoff: float, step: int, size: int) -> None:
        self.size, self.step = size, step
        radius = 0.5 * cutoff * size / step  # [grid]
        reach = int(np.ceil(radius))
        axis = np.arange(-reach, reach + 1) / radius
        v, u = np.meshgrid(axis, axis, indexing="ij")
        self.inside = np.hypot(u, v) <= 1.0
        self.zernikes = _zernikes(u, v) * self.inside
        self.lags = 2 * reach
        self.fft = int(scipy.fft.next_fast_len(4 * reach + 2))

    def transfer(self, waves: Float) -> npt.NDArray[np.complex128]:
        """Optical transfer function of Zernike coefficients [rad]; (2 lags + 1, lags + 1)."""
        field = self.inside * np.exp(1j * np.tensordot(waves, self.zernikes, 1))
        spectrum = scipy.fft.fft2(field, s=(self.fft, self.fft))
        lagged = scipy.fft.ifft2(np.abs(spectrum) ** 2)
        rows = np.arange(-self.lags, self.lags + 1)
        return np.asarray(lagged[rows][:, : self.lags + 1] / lagged[0, 0])

    def frequencies(self) -> tuple[Float, Float]:
        """Frequencies of the transfer function [cycle/pixel]: fy (n, 1), fx (1, m)."""
        fy: Float = np.arange(-self.lags, self.lags + 1, dtype=np.float64) * self.step / self.size
        return fy[:, None], fy[None, self.lags :]

    def image(self, waves: Float, response: Float, side: int) -> Float:
        """Return the table (side, side) of Zernike coefficients [rad]; its sum is one light."""
        plane = np.zeros((self.size, self.size // 2 + 1), np.complex128)
        rows = np.arange(-self.lags, self.lags + 1)
        plane[rows, : self.lags + 1] = self.transfer(waves) * response
        image = scipy.fft.irfft2(plane, s=(self.size, self.size)) * self.step**2
        index = np.arange(-(side // 2), side // 2 + 1)
        return np.asarray(image[np.ix_(index, index)])


def gaussian_variance(psf: PixelPsf, band_limit: float | None = None) -> float:
    """Return the variance of the Gaussian that blurs an ideal pupil to this PSF [pixel²].

    ``band_limit`` [cycle/pixel] instead of the PSF's own.
    """
    limit = float(band_limit or psf.band_limit or 1.0)
    # Cuts through the transform along both axes are transforms of the sums along them.
    f = scipy.fft.rfftfreq(psf.samples.shape[0], 1.0 / psf.oversampling)
    sums = [np.abs(scipy.fft.rfft(psf.samples.sum(axis=axis))) for axis in (0, 1)]
    use = (f > 0.2 * limit) & (f < 0.5 * limit)
    ratio = np.sqrt(sums[0] * sums[1])[use] / sums[0][0]
    ratio = ratio / (pupil_transfer(f[use] / limit) * np.sinc(f[use]))
    return float(np.median(-np.log(ratio) / (2.0 * np.pi**2 * f[use] ** 2)))


def _response(psf: PixelPsf, pupil: _Pupil) -> Float:
    """Transfer function of pixel and Gaussian blur, the blur from the PSF's own spectrum."""
    fy, fx = pupil.frequencies()
    variance = gaussian_variance(psf)
    blur = np.exp(-2.0 * np.pi**2 * max(variance, 0.0) * (fx**2 + fy**2))
    return np.asarray(blur * np.sinc(fx) * np.sinc(fy))


def _zernikes(u: Float, v: Float) -> Float:
    """Defocus, astigmatism, coma, trefoil, spherical; (8, n, n), of unit RMS."""
    r2 = u * u + v * v
    return np.stack(
        [
            np.sqrt(3.0) * (2.0 * r2 - 1.0),
            np.sqrt(6.0) * (u * u - v * v),
            np.sqrt(6.0) * 2.0 * u * v,
            np.sqrt(8.0) * (3.0 * r2 - 2.0) * u,
            np.sqrt(8.0) * (3.0 * r2 - 2.0) * v,
            np.sqrt(8.0) * (u * u - 3.0 * v * v) * u,
            np.sqrt(8.0) * (3.0 * u * u - v * v) * v,
            np.sqrt(5.0) * (6.0 * r2 * r2 - 6.0 * r2 + 1.0),
        ]
    )
