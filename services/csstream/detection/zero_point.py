"""Ties a frame's zero point to the reference frame: the same stars, the same magnitudes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
MAG_PER_LN = 2.5 / np.log(10.0)
SOFTENING = 0.01  # [mag] added to each star's error: no star's weight can dwarf the others
MIN_STARS = 3
CLIP = 3.0  # Huber's bend, in units of the robust scatter
ROUNDS = 20


@dataclass(frozen=True, kw_only=True)
class ZeroPointTie:
    """Result of :func:`tie_zero_point`."""

    zero_point: float  # [mag]
    error: float  # [mag]
    stars: int  # that took part


def tie_zero_point(
    flux: Floats, flux_err: Floats, reference_mag: Floats, reference_mag_err: Floats
) -> ZeroPointTie | None:
    """Return the zero point that puts a frame's stars on their reference magnitudes.

    Parameters
    ----------
    flux, flux_err : (n,) [electron/s]
        Positive fluxes of the frame's stars.
    reference_mag, reference_mag_err : (n,) [mag]
        The same stars in the reference frame.

    Returns
    -------
    ZeroPointTie or None
        Huber's M-estimate of location with weights 1 / (σ² + 0.01²), scale from the median
        absolute deviation; variables count for little. None for fewer than 3 stars.
    """
    if len(flux) < MIN_STARS:
        return None
    offset = reference_mag + 2.5 * np.log10(flux)
    variance = (MAG_PER_LN * flux_err / flux) ** 2 + reference_mag_err**2 + SOFTENING**2
    weight = 1.0 / variance
    location = _weighted_median(offset, weight)
    for _ in range(ROUNDS):
        pull = np.abs(offset - location) * np.sqrt(weight)
        scale = max(1.0, 1.4826 * float(np.median(pull)))
        robust = weight * np.minimum(1.0, CLIP * scale / np.maximum(pull, 1e-12))
        location = float(np.sum(robust * offset) / np.sum(robust))
    error = scale / np.sqrt(float(np.sum(robust)))
    return ZeroPointTie(zero_point=location, error=float(error), stars=len(flux))


def _weighted_median(values: Floats, weights: Floats) -> float:
    order = np.argsort(values, kind="stable")
    half = np.cumsum(weights[order]) - 0.5 * weights[order]
    return float(np.interp(0.5 * np.sum(weights), half, values[order]))
