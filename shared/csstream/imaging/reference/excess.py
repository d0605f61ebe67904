"""By how much a frame's noise exceeds what its photons say, from the list's own stars.

Flat fields, resampling, fringes and a PSF that is not quite right add noise that is correlated over
a star's pixels: the residual hardly shows it, and no gain explains it. The listed fluxes do: in
every frame they should scatter about the list's by their errors.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Float = npt.NDArray[np.float64]
Bool = npt.NDArray[np.bool_]

FAINT_SNR, BRIGHT_SNR = 30.0, 200.0
LEAST_STARS = 10
LEAST_EXCESS = 1.1  # of the pulls' width; the list's own errors are not known better
SURE = 3.0  # [sigma] of the width beyond one
MAD_ERROR = 1.16  # relative error of 1.4826 MAD of n normal values, times the root of n
LARGEST_SHARE = 0.5
HALVINGS = 40


@dataclass(frozen=True)
class Excess:
    """What is done to a frame's quoted errors; (1, 0) where the photons explain the scatter."""

    factor: float = 1.0  # on every error
    share: float = 0.0  # of its flux, that is added to each star's in quadrature

    def widened(self, flux: Float, flux_err: Float) -> Float:
        """Return errors (n,) with the excess in them."""
        return np.hypot(self.factor * flux_err, self.share * flux)


def excess_noise(
    flux: Float, flux_err: Float, expected: Float, expected_err: Float, lone: Bool
) -> Excess:
    """Compare a frame's fluxes with the list's.

    Parameters
    ----------
    flux, flux_err : ndarray, (n,)
        Of the listed stars in the frame, tied to the list's scale; nan where there is none.
    expected, expected_err : ndarray, (n,)
        The list's, in the same unit.
    lone : ndarray, (n,), bool
        Stars that no neighbour disturbs.

    Notes
    -----
    The faint stars' pulls give the factor, then the bright ones' the share: what flat field and
    PSF leave of every star. Widths are medians of absolute values, so variables do not count. A
    width that may be one within its error, or is below 1.1, is taken for one.
    """
    usable = lone & np.isfinite(flux) & np.isfinite(flux_err) & (expected > 0.0)
    off, own, listed = (v[usable] for v in (flux - expected, flux_err, expected_err))
    light = expected[usable]
    faint, bright = light < FAINT_SNR * own, light > BRIGHT_SNR * own
    factor = _clear(_width(off[faint], np.hypot(own, listed)[faint]), int(faint.sum()))
    noise = np.hypot(factor * own, listed)[bright]
    if _clear(_width(off[bright], noise), int(bright.sum())) == 1.0:
        return Excess(factor)
    return Excess(factor, _share(off[bright] / light[bright], noise / light[bright]))


def _width(off: Float, sigma: Float) -> float:
    return 1.4826 * float(np.median(np.abs(off) / sigma)) if off.size else 1.0


def _clear(width: float, stars: int) -> float:
    """Return the width of ``stars`` pulls, or one where they do not clearly say more."""
    if stars < LEAST_STARS:
        return 1.0
    least = max(LEAST_EXCESS, 1.0 + SURE * MAD_ERROR / np.sqrt(stars))
    return width if width > least else 1.0


def _share(off: Float, sigma: Float) -> float:
    """Return which relative error brings the pulls' width to one, by halving the interval."""
    low, high = 0.0, LARGEST_SHARE
    for _ in range(HALVINGS):
        middle = 0.5 * (low + high)
        if _width(off, np.hypot(sigma, middle)) > 1.0:
            low = middle
        else:
            high = middle
    return high
