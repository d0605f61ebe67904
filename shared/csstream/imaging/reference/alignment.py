"""Where the listed stars lie on one frame: what the frame corrects of its WCS's prediction.

Pointing, guiding and optics shift, turn and bend a frame by hundredths of a pixel and more. What
all stars share is fitted first, so that a narrow prior around each star's own place is right.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from csstream.imaging.psf.blur import exponents

Float = npt.NDArray[np.float64]

STARS_PER_DEGREE = (3, 12, 60, 200)
FLOOR = 0.003  # [pixel] of a star's position error: no star carries the fit
CLIP = 4.0  # [robust sigma]
ROUNDS = 4
GAIN_PER_NUMBER = 6.0  # of chi2, that a higher degree must bring for each of its numbers


@dataclass(frozen=True, eq=False)
class Alignment:
    """Polynomials of the place on the frame that are added to predicted positions."""

    shape: tuple[int, int]  # (ny, nx) of the frame
    coefficients: Float  # (2, K) [pixel] of x and y
    degree: int
    stars: int = 0  # that it was made of
    rms: float = math.nan  # [pixel] of their residuals, per axis

    @classmethod
    def none(cls, shape: tuple[int, int]) -> Alignment:
        """Return the alignment that leaves positions as they are."""
        return cls(shape, np.zeros((2, 1)), 0)

    def shift(self, x: Float, y: Float) -> tuple[Float, Float]:
        """Return what is added at places x, y (n,) [pixel]."""
        dx, dy = self.coefficients @ basis(x, y, self.shape, self.degree).T
        return dx, dy

    def apply(self, x: Float, y: Float) -> tuple[Float, Float]:
        """Return where stars predicted at x, y (n,) lie [pixel]."""
        dx, dy = self.shift(x, y)
        return x + dx, y + dy

    def undo(self, x: Float, y: Float) -> tuple[Float, Float]:
        """Return which predicted places x, y (n,) come from [pixel]."""
        u, v = x, y
        for _ in range(3):
            dx, dy = self.shift(u, v)
            u, v = x - dx, y - dy
        return u, v


def basis(x: Float, y: Float, shape: tuple[int, int], degree: int) -> Float:
    """Return the monomials at x, y (n,), in units of half a frame from its middle; (n, K)."""
    ny, nx = shape
    u, v = (x - 0.5 * (nx - 1)) / (0.5 * nx), (y - 0.5 * (ny - 1)) / (0.5 * ny)
    return np.stack([u**i * v**j for i, j in exponents(degree)], axis=1)


def fit_alignment(
    predicted: tuple[Float, Float],
    seen: tuple[Float, Float],
    sigma: Float,
    shape: tuple[int, int],
    most_degree: int = 3,
) -> Alignment:
    """Fit the polynomials that bring predicted positions to those seen.

    Parameters
    ----------
    predicted, seen : (x, y), (n,) each [pixel]
    sigma : ndarray, (n,) [pixel]
        Error of a star's distance, per axis.

    Notes
    -----
    A higher degree must be asked for by the data. Stars off by more than four robust sigma are
    left out. Fewer than three stars change nothing.
    """
    miss = np.stack([seen[0] - predicted[0], seen[1] - predicted[1]])
    weight = 1.0 / (sigma**2 + FLOOR**2)
    best, least = Alignment.none(shape), math.inf
    if sigma.size < STARS_PER_DEGREE[0]:
        return best
    keep = _near_median(miss, weight)
    for degree in range(most_degree + 1):
        if np.count_nonzero(keep) < STARS_PER_DEGREE[degree]:
            break
        design = basis(*predicted, shape, degree)
        coefficients, used = _clipped(design, miss, weight, keep)
        rest = (miss - coefficients @ design.T)[:, used]
        chi2 = float(np.sum(weight[used] * rest**2))
        noise = max(chi2 / max(2 * rest.shape[1] - 2 * design.shape[1], 1), 1e-12)
        numbers = coefficients.size - best.coefficients.size
        held = _chi2(miss, weight, best, predicted, used)
        if degree == 0 or held - chi2 > GAIN_PER_NUMBER * noise * numbers:
            rms = math.sqrt(float(np.mean(rest**2)))
            best, least = Alignment(shape, coefficients, degree, rest.shape[1], rms), chi2
            keep = used
    return best if math.isfinite(least) else Alignment.none(shape)


def _near_median(miss: Float, weight: Float) -> npt.NDArray[np.bool_]:
    """Which stars are not far from the typical shift; wide enough for rotations."""
    off = miss - np.median(miss, axis=1)[:, None]
    spread = 1.4826 * np.median(np.abs(off), axis=1)[:, None]
    return np.asarray(np.all(np.abs(off) <= 8.0 * np.maximum(spread, FLOOR), axis=0))


def _clipped(
    design: Float, miss: Float, weight: Float, keep: npt.NDArray[np.bool_]
) -> tuple[Float, npt.NDArray[np.bool_]]:
    """Weighted least squares, stars far off left out; (2, K) and which stars were used."""
    used = keep
    for _ in range(ROUNDS):
        root = np.sqrt(weight[used])
        solution, *_ = np.linalg.lstsq(
            design[used] * root[:, None], miss[:, used].T * root[:, None]
        )
        pull = np.hypot(*(miss - solution.T @ design.T)) * np.sqrt(weight)
        # the median of a Rayleigh distribution is 1.18 sigma
        bound = CLIP * max(float(np.median(pull[used])) / 1.18, 1.0)
        fresh = keep & (pull <= bound)
        if np.count_nonzero(fresh) <= design.shape[1] or np.array_equal(fresh, used):
            break
        used = fresh
    return np.asarray(solution.T), used


def _chi2(
    miss: Float,
    weight: Float,
    alignment: Alignment,
    predicted: tuple[Float, Float],
    used: npt.NDArray[np.bool_],
) -> float:
    dx, dy = alignment.shift(predicted[0][used], predicted[1][used])
    rest = miss[:, used] - np.stack([dx, dy])
    return float(np.sum(weight[used] * rest**2))
