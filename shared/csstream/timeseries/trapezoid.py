"""A trapezoid dip fitted to one curve: period, mid-event, duration and depth with errors.

The box search knows the period to about a tenth of its grid step; a least-squares fit of a shape
with ingress refines it. Depth and level are linear and solved inside.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from numba import njit
from scipy.optimize import least_squares

Array = npt.NDArray[Any]

MOST_EVALUATIONS = 60


@dataclass(frozen=True)
class Trapezoid:
    """Dip of ``depth`` below ``level`` (relative flux - 1), first to last contact ``duration``."""

    period: float  # [day]
    t0: float  # [day] mid-event nearest the middle of the data, relative to the fit's origin
    duration: float  # [day]
    ingress: float  # of half the duration: 0 box … 1 triangle
    depth: float
    level: float
    reduction: float  # in chi² against a constant
    period_err: float
    t0_err: float
    duration_err: float
    depth_err: float

    def __call__(self, time: Array) -> Array:
        """Model (relative flux - 1) at times [day] relative to the fit's origin."""
        dip = shape(np.asarray(time, float), self.period, self.t0, self.duration, self.ingress)
        return self.level - self.depth * dip


@njit(cache=True, nogil=True)
def shape(time: Array, period: float, t0: float, duration: float, ingress: float) -> Array:
    """1 in the flat bottom, 0 outside, linear between."""
    result = np.empty(time.shape[0])
    half = 0.5 * duration
    slope = max(ingress * half, 1e-9)
    for i in range(time.shape[0]):
        cycles = (time[i] - t0) / period
        distance = abs(cycles - np.floor(cycles + 0.5)) * period
        result[i] = min(max((half - distance) / slope, 0.0), 1.0)
    return result


@njit(cache=True, nogil=True)
def _linear(dip: Array, flux: Array, weight: Array) -> tuple[float, float, float]:
    """Best level and depth for a shape, and the weight behind the depth."""
    total, wd, wdd, wf, wfd = 0.0, 0.0, 0.0, 0.0, 0.0
    for i in range(dip.shape[0]):
        total += weight[i]
        wd += weight[i] * dip[i]
        wdd += weight[i] * dip[i] * dip[i]
        wf += weight[i] * flux[i]
        wfd += weight[i] * flux[i] * dip[i]
    spread = wdd - wd * wd / total
    if spread <= 1e-12 * total:
        return wf / total, 0.0, 0.0
    depth = -(wfd - wf * wd / total) / spread
    return (wf + depth * wd) / total, depth, spread


def fit_trapezoid(
    time: Array, flux: Array, weight: Array, period: float, t0: float, duration: float
) -> Trapezoid:
    """Fit from a start value; arrays (m,) of used points, times relative to their middle.

    The period may move by half a duration over the span, so the fit stays on its own peak. Errors
    come from the normal matrix, scaled by the rms of the residuals where that is larger.
    """
    span = max(time[-1] - time[0], 1e-6)
    t0 = t0 - np.round(t0 / period) * period
    reach = 0.5 * duration / max(span / period, 1.0)
    scale = np.array([reach, 0.5 * duration, 0.5 * duration, 0.25])
    start = np.array([period, t0, duration, 0.4])
    root = np.sqrt(weight)

    def residual(step: Array) -> Array:
        p, mid, width, ingress = start + step * scale
        dip = shape(time, p, mid, width, ingress)
        level, depth, _ = _linear(dip, flux, weight)
        return root * (flux - level + depth * dip)

    low = np.array([-1.0, -1.0, -1.2, -1.4])
    high = np.array([1.0, 1.0, min(4.0, (0.45 * period / duration - 1) * 2 + 0.1), 2.4])
    high = np.maximum(high, 0.05)
    found = least_squares(
        residual, np.zeros(4), bounds=(low, high), diff_step=0.02, max_nfev=MOST_EVALUATIONS
    )
    return _described(time, flux, weight, start + found.x * scale, scale, found)


def _described(
    time: Array, flux: Array, weight: Array, values: Array, scale: Array, found: Any
) -> Trapezoid:
    dip = shape(time, *values)
    level, depth, spread = _linear(dip, flux, weight)
    constant = np.sum(weight * flux) / weight.sum()
    after = 2.0 * found.cost
    free = max(len(time) - 6, 1)
    factor = np.sqrt(max(after / free, 1.0))
    normal = found.jac.T @ found.jac
    errors = factor * scale * np.sqrt(np.diag(np.linalg.pinv(normal, rcond=1e-8)))
    return Trapezoid(
        period=float(values[0]),
        t0=float(values[1]),
        duration=float(values[2]),
        ingress=float(values[3]),
        depth=float(depth),
        level=float(level),
        reduction=float(np.sum(weight * (flux - constant) ** 2) - after),
        period_err=float(errors[0]),
        t0_err=float(errors[1]),
        duration_err=float(errors[2]),
        depth_err=float(factor / np.sqrt(spread)) if spread > 0 else float("nan"),
    )
