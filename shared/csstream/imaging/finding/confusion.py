"""What the stars that no list holds do to the fluxes of those that it holds.

A crowded field has stars too faint, or too close to a brighter one, to be listed. Their light
enters the fit of their neighbours: it shifts the typical flux upwards and widens the scatter. What
cannot be listed is what the noise hides, so both go with the noise; and with counts that rise as
a power law, both depend on one more number alone: the listed stars per effective area of the PSF,
ν = n · 4πσ². A bright star hides brighter neighbours, so its shift is a little larger. How much a
finder leaves unlisted is its own: each brings its :class:`Confusion`, calibrated on simulated
skies. In a sparse field ν vanishes, and so does the correction.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Float = npt.NDArray[np.float64]

FWHM_TO_SIGMA = 2.3548
BRIGHT_SNR = 30.0


@dataclass(frozen=True, kw_only=True)
class Confusion:
    """A finder's incompleteness, per unit of crowding ν."""

    shift: float = 0.0  # [flux error] of the typical flux
    shift_per_decade: float = 0.0  # [flux error] more per decade of S/N above BRIGHT_SNR
    flux_variance: float = 0.0  # [flux error²] added
    position_variance: float = 0.0  # [position error²] added


def crowding(stars: int, shape: tuple[int, int], fwhm: float) -> float:
    """Return ν, the listed stars per effective area of a PSF of ``fwhm`` [pixel]."""
    sigma = fwhm / FWHM_TO_SIGMA
    return stars / (shape[0] * shape[1]) * 4.0 * np.pi * sigma**2


def decades(snr: Float) -> Float:
    """Return how many decades S/N (n,) lies above :data:`BRIGHT_SNR`; zero below."""
    return np.log10(np.maximum(snr, BRIGHT_SNR) / BRIGHT_SNR)


def freed(flux: Float, error: Float, lack: Confusion, nu: float) -> Float:
    """Return fluxes (n,) without the typical light of unlisted neighbours.

    ``error`` (n,) is the fit's own, before it is widened; where it is nan nothing is taken away.
    """
    known = np.isfinite(error) & (error > 0.0)
    snr = np.divide(flux, error, out=np.zeros_like(flux), where=known)
    shift = nu * (lack.shift + lack.shift_per_decade * decades(snr))
    return flux - np.where(known, shift * error, 0.0)


def widened(error: Float, variance: float, nu: float, chi2: Float) -> Float:
    """Return errors (n,) with the light of unlisted neighbours in them.

    A star whose own residuals exceed the noise, reduced ``chi2`` (n,) above one, has more of it
    than the field.
    """
    own = np.sqrt(np.maximum(np.where(np.isfinite(chi2), chi2, 1.0), 1.0))
    return error * own * np.sqrt(1.0 + variance * nu)
