"""A frame's zero point over its field, from the catalogue's calibrators; no star sees its own.

A star that helped to fix its own zero point would hide a part of its own transit: half of it on
a sliver of a few stars. So each star gets the fit without itself, by the leave-one-out formula
of linear least squares: with leverage h and fitted value p of a value d it is (p − h d) / (1 − h)
(Cook & Weisberg 1982, Residuals and Influence in Regression, 2.2).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from csstream.imaging.reference.alignment import basis

Float = npt.NDArray[np.float64]
Bool = npt.NDArray[np.bool_]

LEAST_STARS = 3
STARS_PER_DEGREE = (LEAST_STARS, 40, 100)
GAIN_PER_NUMBER = 6.0  # of chi2, that a higher degree must bring for each of its numbers
ERROR_FLOOR = 0.003  # [mag] added in quadrature: what the PSF's errors leave of the brightest
MOST_WEIGHT = 0.1  # of all weights together, that one star may have
LEAST_SNR = 20.0  # magnitudes of fainter stars are skewed
REACH = 4.685  # [robust sigma] where Tukey's weights reach zero
ROUNDS = 8
SETTLED = 1e-6  # [mag]
MOST_LEVERAGE = 0.99


@dataclass(frozen=True, eq=False)
class ZeroPointMap:
    """A frame's zero point, and what every star's own differs from it."""

    zero_point: float  # [mag] of one electron per second, over the calibrators
    error: float  # [mag] nan where it is not tied
    offset: Float  # (n,) [mag] of each star's place, without the star itself
    offset_err: Float  # (n,) [mag]
    degree: int
    stars: int


def zero_point_map(
    x: Float,
    y: Float,
    flux: Float,
    flux_err: Float,
    reference_mag: Float,
    reference_err: Float,
    calibrator: Bool,
    shape: tuple[int, int],
    assumed: float,
) -> ZeroPointMap:
    """Tie a frame's fluxes to the catalogue's magnitudes.

    Parameters
    ----------
    x, y : ndarray, (n,) [pixel]
    flux, flux_err : ndarray, (n,) [electron/s]
        Of the frame.
    reference_mag, reference_err : ndarray, (n,) [mag]
        Of the catalogue.
    calibrator : ndarray, (n,), bool
        Which stars may tie.
    assumed : float [mag]
        What is returned where fewer than three calibrators can be used.
    """
    with np.errstate(invalid="ignore", divide="ignore"):
        good = calibrator & (flux > LEAST_SNR * flux_err) & np.isfinite(reference_mag)
        good &= np.isfinite(reference_err)
        sigma = np.hypot(1.0857 * flux_err / flux, reference_err)
        local = reference_mag + 2.5 * np.log10(flux)
    chosen = np.flatnonzero(good)
    none = np.zeros(x.size)
    if chosen.size < LEAST_STARS:
        return ZeroPointMap(assumed, math.nan, none, none, 0, 0)
    sigma, local = np.hypot(sigma[chosen], ERROR_FLOOR), local[chosen]
    place = (x[chosen], y[chosen])
    fit = _best(place, local, sigma, shape)
    places = basis(x, y, shape, fit.degree)
    return _as_map(fit, chosen, local, places)


class _Fit(NamedTuple):
    """A polynomial through the calibrators."""

    degree: int
    values: Float  # (K,) [mag]
    weight: Float  # (n,) [1/mag²] of the calibrators


def _best(place: tuple[Float, Float], local: Float, sigma: Float, shape: tuple[int, int]) -> _Fit:
    """Return the polynomial of the degree that the calibrators ask for."""
    best = _Fit(0, *_robust(basis(*place, shape, 0), local, sigma))
    for degree, least in enumerate(STARS_PER_DEGREE[1:], start=1):
        if local.size < least:
            break
        design = basis(*place, shape, degree)
        values, weight = _robust(design, local, sigma)
        before = local - basis(*place, shape, best.degree) @ best.values
        after = local - design @ values
        noise = float(weight @ after**2) / max(local.size - values.size, 1)
        gain = float(weight @ (before**2 - after**2))
        if gain > GAIN_PER_NUMBER * max(noise, 1.0) * (values.size - best.values.size):
            best = _Fit(degree, values, weight)
    return best


def _robust(design: Float, local: Float, sigma: Float) -> tuple[Float, Float]:
    """Weighted least squares with Tukey's weights; coefficients (K,) and the weights (n,)."""
    capped = _capped(1.0 / sigma**2)
    values = np.zeros(design.shape[1])
    values[0] = _weighted_median(local, capped)
    weight = capped
    for _ in range(ROUNDS):
        pull = np.abs(local - design @ values) / sigma
        spread = max(1.0, 1.4826 * float(np.median(pull)))
        weight = capped * np.maximum(1.0 - (pull / (REACH * spread)) ** 2, 0.0) ** 2
        before, values = (
            values,
            np.linalg.solve(_normal(design, weight), design.T @ (weight * local)),
        )
        if float(np.abs(values - before).max()) < SETTLED:
            break
    return values, weight


def _normal(design: Float, weight: Float) -> Float:
    normal = design.T @ (weight[:, None] * design)
    return np.asarray(normal + 1e-9 * np.trace(normal) * np.eye(normal.shape[0]))


def _capped(weight: Float) -> Float:
    """Weights of which none exceeds its share of the sum, as far as there are stars enough."""
    share = max(MOST_WEIGHT, 1.5 / weight.size)
    for _ in range(ROUNDS):
        weight = np.minimum(weight, share * float(weight.sum()))
    return weight


def _as_map(fit: _Fit, chosen: npt.NDArray[np.int64], local: Float, places: Float) -> ZeroPointMap:
    """Evaluate the polynomial at all stars, basis ``places`` (n, K); calibrators without selves."""
    design, weight = places[chosen], fit.weight
    inverse = np.linalg.inv(_normal(design, weight))
    fitted = design @ fit.values
    leverage = weight * np.einsum("ni,ij,nj->n", design, inverse, design)
    # From the scatter that is there, and at least a part of what the photons make.
    scatter = np.maximum(weight**2 * (local - fitted) ** 2, 0.25 * weight)
    covariance = inverse @ (design.T @ (scatter[:, None] * design)) @ inverse
    own = places @ fit.values
    own[chosen] = (fitted - leverage * local) / (1.0 - np.minimum(leverage, MOST_LEVERAGE))
    error = np.sqrt(np.einsum("ni,ij,nj->n", places, covariance, places))
    zero_point, middle = float(np.mean(fitted)), design.mean(axis=0)
    return ZeroPointMap(
        zero_point=zero_point,
        error=math.sqrt(float(middle @ covariance @ middle)),
        offset=own - zero_point,
        offset_err=error,
        degree=fit.degree,
        stars=int(np.count_nonzero(weight)),
    )


def _weighted_median(values: Float, weight: Float) -> float:
    order = np.argsort(values, kind="stable")
    total = np.cumsum(weight[order])
    return float(values[order][np.searchsorted(total, 0.5 * total[-1])])
