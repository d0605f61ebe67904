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

Array = npt.NDArray[Any]

MOST_ITERATIONS = 30
DIFFERENCE = 0.02  # of the scaled parameters, for derivatives
ROUNDS = 3  # in which the steps of the covariance find their size


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
    come from the curvature of chi² over one error, scaled by the rms of the residuals where that is
    larger.
    """
    span = max(time[-1] - time[0], 1e-6)
    t0 = t0 - np.round(t0 / period) * period
    reach = 0.5 * duration / max(span / period, 1.0)
    scale = np.array([reach, 0.5 * duration, 0.5 * duration, 0.25])
    start = np.array([period, t0, duration, 0.4])
    low = np.array([-1.0, -1.0, -1.2, -1.4])
    widest = (0.45 * period / duration - 1.0) * 2.0 + 0.1
    high = np.array([1.0, 1.0, min(4.0, max(widest, 0.05)), 2.4])
    step, cost = _levenberg(time, flux, weight, start, scale, low, high)
    return _described(time, flux, weight, start + step * scale, scale, cost)


@njit(cache=True, nogil=True)
def _residual(time: Array, flux: Array, root: Array, values: Array) -> Array:
    """Normalised residuals of the best depth and level for a shape."""
    dip = shape(time, values[0], values[1], values[2], values[3])
    level, depth, _ = _linear(dip, flux, root * root)
    return root * (flux - level + depth * dip)


@njit(cache=True, nogil=True)
def _jacobian(
    time: Array, flux: Array, root: Array, start: Array, scale: Array, step: Array, here: Array
) -> Array:
    """Differences of the residuals for small moves of each parameter, (m, 4)."""
    result = np.empty((time.shape[0], 4))
    for k in range(4):
        moved = step.copy()
        moved[k] += DIFFERENCE
        result[:, k] = (_residual(time, flux, root, start + moved * scale) - here) / DIFFERENCE
    return result


@njit(cache=True, nogil=True)
def _levenberg(
    time: Array,
    flux: Array,
    weight: Array,
    start: Array,
    scale: Array,
    low: Array,
    high: Array,
) -> tuple[Array, float]:
    """Levenberg–Marquardt in scaled steps from ``start``, kept within bounds.

    Returns the steps (4,) and chi².
    """
    root = np.sqrt(weight)
    step = np.zeros(4)
    here = _residual(time, flux, root, start)
    cost = np.sum(here * here)
    damping = 1e-2
    jacobian = _jacobian(time, flux, root, start, scale, step, here)
    for _ in range(MOST_ITERATIONS):
        normal = jacobian.T @ jacobian
        gradient = jacobian.T @ here
        for k in range(4):
            normal[k, k] = normal[k, k] * (1.0 + damping) + 1e-9 * (cost + 1.0)
        tried = np.minimum(np.maximum(step - np.linalg.solve(normal, gradient), low), high)
        there = _residual(time, flux, root, start + tried * scale)
        new = np.sum(there * there)
        if new < cost:
            done = cost - new < 1e-4 * cost / time.shape[0]
            step, here, cost = tried, there, new
            damping = max(damping * 0.2, 1e-6)
            jacobian = _jacobian(time, flux, root, start, scale, step, here)
            if done:
                break
        else:
            damping *= 8.0
            if damping > 1e6:
                break
    return step, cost


@njit(cache=True, nogil=True)
def _covariance(
    time: Array, flux: Array, weight: Array, values: Array, scale: Array
) -> tuple[Array, Array]:
    """Covariance of the four shape parameters, and the slope of the depth along each.

    The trapezoid has kinks and epochs are discrete, so chi² is a parabola only over about its own
    error: differences are taken over steps that large, found in a few rounds.
    """
    root = np.sqrt(weight)
    step = 0.1 * scale
    slopes = np.zeros(4)
    covariance: Array = np.zeros((4, 4))
    jacobian = np.empty((time.shape[0], 4))
    for _ in range(ROUNDS):
        for k in range(4):
            sides, depths = np.empty((2, time.shape[0])), np.empty(2)
            for side in range(2):
                moved = values.copy()
                moved[k] += (2.0 * side - 1.0) * step[k]
                moved[2] = max(moved[2], 0.05 * values[2])
                moved[3] = min(max(moved[3], 0.0), 1.0)
                dip = shape(time, moved[0], moved[1], moved[2], moved[3])
                level, depths[side], _spread = _linear(dip, flux, weight)
                sides[side] = root * (flux - level + depths[side] * dip)
            jacobian[:, k] = 0.5 * (sides[1] - sides[0]) / step[k]
            slopes[k] = 0.5 * (depths[1] - depths[0]) / step[k]
        normal = jacobian.T @ jacobian
        for k in range(4):  # nothing is less certain than its bounds allow
            normal[k, k] += 1.0 / scale[k] ** 2
        covariance = np.linalg.inv(normal)
        for k in range(4):
            step[k] = min(max(np.sqrt(covariance[k, k]), 0.02 * scale[k]), scale[k])
    return covariance, slopes


def _described(
    time: Array, flux: Array, weight: Array, values: Array, scale: Array, after: float
) -> Trapezoid:
    level, depth, spread = _linear(shape(time, *values), flux, weight)
    constant = np.sum(weight * flux) / weight.sum()
    factor = np.sqrt(max(after / max(len(time) - 6, 1), 1.0))
    covariance, slopes = _covariance(time, flux, weight / factor**2, values, scale)
    errors = np.sqrt(np.diag(covariance))
    depth_variance = factor**2 / spread if spread > 0 else np.nan
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
        depth_err=float(np.sqrt(depth_variance + slopes @ covariance @ slopes)),
    )
