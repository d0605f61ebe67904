"""Fits of several harmonics of one frequency to the curve of one star."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from numba import njit

from csstream.numerics.cholesky import forward

Array = npt.NDArray[Any]

MOST_HARMONICS = 8
DEPENDENT = 1e-6  # of a term's weight: with less of its own it is left out
NEWTON_STEPS = 4
POINTS_PER_TERM = 4  # a harmonic needs this many points for each of its two terms


@dataclass(frozen=True, eq=False)
class HarmonicFit:
    """``mean + Σ_k a_k cos(2π k f t) + b_k sin(2π k f t)`` of one star."""

    frequency: float  # [1/day]
    coefficients: Array  # (2 K + 1,): mean, a_1, b_1, a_2, b_2 …
    reduction: float  # in chi² against a constant
    covariance: Array  # (2 K + 1, 2 K + 1) of the coefficients, by the weights

    @property
    def harmonics(self) -> int:
        """Number of harmonics K."""
        return (len(self.coefficients) - 1) // 2

    def amplitude(self, harmonic: int) -> float:
        """Semi-amplitude of one harmonic; 0 where it is not in the model."""
        if harmonic > self.harmonics:
            return 0.0
        return float(np.hypot(*self.coefficients[2 * harmonic - 1 : 2 * harmonic + 1]))

    def phase(self, harmonic: int) -> float:
        """Phase [rad] of one harmonic, as in A cos(2π k f t + phase)."""
        if harmonic > self.harmonics:
            return 0.0
        a, b = self.coefficients[2 * harmonic - 1 : 2 * harmonic + 1]
        return float(np.arctan2(-b, a))

    def __call__(self, time: Array) -> Array:
        """Model at times [day] relative to the origin of the fit."""
        return _design(np.asarray(time, float), self.frequency, self.harmonics) @ self.coefficients

    def extreme(self, start: float) -> tuple[float, float]:
        """The maximum or minimum nearest to ``start`` and its error, by the weights [day].

        A few steps of Newton's method on the slope; none may leave a tenth of the shortest wave.
        """
        reach = 0.1 / (self.frequency * self.harmonics)
        time = start
        for _ in range(NEWTON_STEPS):
            slope, bend = (float(row @ self.coefficients) for row in self._derivatives(time))
            if bend == 0.0:
                return start, float("nan")
            time = float(np.clip(time - slope / bend, start - reach, start + reach))
        row, bending = self._derivatives(time)
        bend = float(bending @ self.coefficients)
        return time, float(np.sqrt(row @ self.covariance @ row)) / max(abs(bend), 1e-300)

    def difference_err(self, first: float, second: float) -> float:
        """Error of the model's difference between two times [day], by the weights."""
        rows = _design(np.array([first, second], float), self.frequency, self.harmonics)
        row = rows[0] - rows[1]
        return float(np.sqrt(row @ self.covariance @ row))

    def _derivatives(self, time: float) -> tuple[Array, Array]:
        """Rows whose products with the coefficients are slope and bend of the model."""
        rate = 2.0 * np.pi * self.frequency * np.arange(1, self.harmonics + 1)
        row = _design(np.array([time]), self.frequency, self.harmonics)[0]
        slope, bend = np.zeros_like(row), np.zeros_like(row)
        slope[1::2], slope[2::2] = -rate * row[2::2], rate * row[1::2]
        bend[1::2], bend[2::2] = -(rate**2) * row[1::2], -(rate**2) * row[2::2]
        return slope, bend


def harmonics_allowed(points: int) -> int:
    """How many harmonics a curve of so many points can carry."""
    return int(np.clip(points // (2 * POINTS_PER_TERM) - 1, 1, MOST_HARMONICS))


def fit_harmonics(
    time: Array, flux: Array, weight: Array, frequency: float, harmonics: int
) -> HarmonicFit:
    """Weighted least squares of one star at one frequency; arrays of shape (m,)."""
    design = _design(time, frequency, harmonics)
    root = np.sqrt(weight)
    scaled = design * root[:, None]
    inverse = np.linalg.pinv(scaled.T @ scaled, rcond=1e-10, hermitian=True)
    solution = inverse @ (scaled.T @ (flux * root))
    constant = np.sum(weight * flux) / weight.sum()
    before = np.sum(weight * (flux - constant) ** 2)
    after = np.sum(weight * (flux - design @ solution) ** 2)
    return HarmonicFit(frequency, solution, float(before - after), inverse)


def _design(time: Array, frequency: float, harmonics: int) -> Array:
    angle = 2.0 * np.pi * frequency * time[:, None] * np.arange(1, harmonics + 1)
    columns = np.empty((len(time), 2 * harmonics + 1))
    columns[:, 0] = 1.0
    columns[:, 1::2] = np.cos(angle)
    columns[:, 2::2] = np.sin(angle)
    return columns


@njit(cache=True, nogil=True)
def reductions(time: Array, flux: Array, weight: Array, frequencies: Array, most: int) -> Array:
    """Reduction in chi² by 1 … ``most`` harmonics at each frequency: (k, most), float64.

    One Cholesky factorisation serves all orders: the squares of the forward solution add up.
    Terms that the sampling makes dependent are left out.
    """
    terms = 2 * most + 1
    result = np.zeros((frequencies.shape[0], most))
    normal = np.empty((terms, terms))
    right = np.empty(terms)
    sums = np.empty((2, 2 * most + 1))
    for k in range(frequencies.shape[0]):
        _sums(time, flux, weight, frequencies[k], sums, right)
        _normal_matrix(sums, normal)
        forward(normal, right, DEPENDENT, 0.0)
        total = 0.0
        for h in range(most):
            total += right[2 * h + 1] ** 2 + right[2 * h + 2] ** 2
            result[k, h] = total
    return result


@njit(cache=True, nogil=True, fastmath={"reassoc", "contract", "arcp"})
def cos_sin(phase: Array, cosine: Array, sine: Array) -> None:
    """Fill cos and sin of 2π times a phase [cycles], good to 4e-16; compiled to vector code.

    Power series of the half angle, which is within ± π/2, and the formulas of the double angle.
    """
    for i in range(phase.shape[0]):
        u = np.pi * (phase[i] - np.floor(phase[i] + 0.5))
        y = u * u
        odd, even = 1.0, 1.0
        for k in range(10, 0, -1):
            odd = 1.0 - odd * y / (2.0 * k * (2.0 * k + 1.0))
            even = 1.0 - even * y / (2.0 * k * (2.0 * k - 1.0))
        s = u * odd
        cosine[i] = 1.0 - 2.0 * s * s
        sine[i] = 2.0 * s * even


@njit(cache=True, nogil=True, fastmath={"reassoc", "contract"})
def _sums(
    time: Array, flux: Array, weight: Array, frequency: float, sums: Array, right: Array
) -> None:
    """Weighted sums of cos and sin of all multiples (2, 2 K + 1), and of flux times 1 … K."""
    n, most = time.shape[0], (right.shape[0] - 1) // 2
    c1, s1 = np.empty(n), np.empty(n)
    cos_sin(time * frequency, c1, s1)
    c, s = weight.copy(), np.zeros(n)
    sums[:] = 0.0
    sums[0, 0], right[0] = np.sum(weight), np.sum(weight * flux)
    for h in range(1, 2 * most + 1):
        total_c, total_s, flux_c, flux_s = 0.0, 0.0, 0.0, 0.0
        for i in range(n):
            new_c = c[i] * c1[i] - s[i] * s1[i]
            new_s = s[i] * c1[i] + c[i] * s1[i]
            c[i], s[i] = new_c, new_s
            total_c += new_c
            total_s += new_s
            flux_c += new_c * flux[i]
            flux_s += new_s * flux[i]
        sums[0, h], sums[1, h] = total_c, total_s
        if h <= most:
            right[2 * h - 1], right[2 * h] = flux_c, flux_s


@njit(cache=True, nogil=True)
def _normal_matrix(sums: Array, normal: Array) -> None:
    """Lower half of the normal matrix of 1, cos, sin, cos 2 … from sums of single waves."""
    for a in range(normal.shape[0]):
        ha, sine_a = (a + 1) // 2, a % 2 == 0 and a > 0
        for b in range(a + 1):
            hb, sine_b = (b + 1) // 2, b % 2 == 0 and b > 0
            up, down = ha + hb, ha - hb
            if sine_a and sine_b:
                normal[a, b] = 0.5 * (sums[0, down] - sums[0, up])
            elif sine_a:
                normal[a, b] = 0.5 * (sums[1, up] + sums[1, down])
            elif sine_b:
                normal[a, b] = 0.5 * (sums[1, up] - sums[1, down])
            else:
                normal[a, b] = 0.5 * (sums[0, up] + sums[0, down])
