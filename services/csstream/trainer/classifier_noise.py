"""The simulated noise of crowded photometry, for where no measured constant stars are at hand.

Errors that are stated wrong, white and correlated noise, outliers, fluxes that jump when a
neighbour is missed, residuals of the zero point, dependence on the PSF and on a background that
follows an orbit, and gaps.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from csstream.trainer.classifier_canvas import MOST_STARS, Canvas, correlated

Array = npt.NDArray[Any]

ORBIT = 0.0656  # [day] of a low orbit
CADENCE = 300.0 / 86400.0  # [day]
SHORTEST_SPAN = 0.6  # [day] a shorter series holds no period that is searched
STARE_SHARE = 0.4  # of the panels have equal steps of one cadence
NIGHTLY_SHARE = 0.3  # of the panels are those of a telescope on the ground


class SimulatedNoise:
    """Canvases from the noise model of this module."""

    name = "simulated noise"

    def draw(self, rng: np.random.Generator, part: str) -> Canvas:
        """Draw a new panel of stars, whatever the part."""
        time, nightly = draw_times(rng)
        sigma = np.exp(rng.uniform(np.log(0.002), np.log(0.08), MOST_STARS))
        seeing = draw_seeing(rng, time, nightly)
        conditions = np.exp(0.2 * seeing) * np.exp(rng.normal(0, 0.05, len(time)))
        error = sigma[:, None] * conditions
        flux = 1.0 + noise(rng, time, error, seeing, nightly)
        flux = flux * (1.0 + rng.uniform(0.0003, 0.003) * rng.normal(size=len(time)))
        _drop(rng, flux, seeing)
        stated = error * np.exp(rng.normal(0, 0.15, (len(sigma), 1)))
        level = 10.0 ** rng.uniform(1, 5, (len(sigma), 1))
        offset = rng.uniform(-1.0, 1.0, len(time))
        return Canvas(time, flux * level, stated * level, sigma, seeing, offset)


def draw_times(rng: np.random.Generator) -> tuple[Array, bool]:
    """Time stamps of a space series or of a nightly one [day]; True for nightly."""
    start = 60000.0 + rng.uniform(0, 1)
    if rng.uniform() < NIGHTLY_SHARE:
        nights = int(rng.integers(35, 150))
        per_night = rng.choice([1, 1, 1, 2, 3])
        day = np.repeat(np.arange(nights, dtype=float), per_night)
        time = day + rng.uniform(-0.15, 0.15, len(day)) + 0.05 * np.sin(day / 30)
        kept = rng.uniform(size=len(day)) > rng.uniform(0, 0.4)
        return start + np.sort(time[kept]), True
    count = int(np.exp(rng.uniform(np.log(40), np.log(1000))))
    span = max(count * CADENCE, SHORTEST_SPAN)
    if rng.uniform() > STARE_SHARE:
        span = max(span, float(np.exp(rng.uniform(np.log(SHORTEST_SPAN), np.log(12.0)))))
    grid = np.arange(count) / max(count - 1, 1) * span
    if rng.uniform() < 0.25:
        grid = np.sort(rng.uniform(0, span, count))
    return start + _with_gaps(rng, grid, span), False


def _with_gaps(rng: np.random.Generator, grid: Array, span: float) -> Array:
    """Without what the Earth hides once per orbit, and without one longer gap; both sometimes."""
    kept = np.ones(len(grid), bool)
    if rng.uniform() < 0.3 and len(grid) > 120:
        kept &= np.mod(grid / ORBIT + rng.uniform(), 1.0) > rng.uniform(0.2, 0.45)
    if rng.uniform() < 0.3:
        low = rng.uniform(0, 0.8) * span
        kept &= (grid < low) | (grid > low + 0.15 * span)
    return np.asarray(grid[kept])


def draw_seeing(rng: np.random.Generator, time: Array, nightly: bool) -> Array:
    """Conditions (m,): a slow random walk, and in space a share that follows the orbit."""
    slow = correlated(rng, time, 1, 1.0 if nightly else max(np.ptp(time) / 10, 0.02))[0]
    share = 0.0 if nightly or rng.uniform() < 0.5 else rng.uniform(0.3, 0.9)
    orbit = np.sqrt(2.0) * np.sin(2 * np.pi * (time / ORBIT + rng.uniform()))
    return np.asarray(np.sqrt(1 - share) * slow + np.sqrt(share) * orbit)


def noise(
    rng: np.random.Generator, time: Array, error: Array, seeing: Array, nightly: bool
) -> Array:
    """White and correlated noise, outliers, jumps, drifts and PSF dependence: (n, m)."""
    stars, epochs = error.shape
    sigma = np.median(error, axis=1, keepdims=True)
    total = error * rng.normal(size=error.shape)
    scale = np.exp(rng.uniform(np.log(0.03), np.log(2.0))) * (8.0 if nightly else 1.0)
    red = np.where(rng.uniform(size=(stars, 1)) < 0.4, rng.uniform(0.1, 1.2, (stars, 1)), 0.05)
    total += red * sigma * correlated(rng, time, stars, scale)
    psf = np.where(rng.uniform(size=(stars, 1)) < 0.3, rng.normal(0, 0.8, (stars, 1)), 0.05)
    total += psf * sigma * seeing
    hit = rng.uniform(size=error.shape) < rng.uniform(0, 0.03, (stars, 1)) ** 1.5 * 5
    side = np.where(rng.uniform(size=error.shape) < 0.6, 1.0, -1.0)
    total += hit * side * sigma * np.exp(rng.uniform(np.log(3), np.log(40), error.shape))
    total += jumps(rng, seeing, sigma)
    drift = np.where(rng.uniform(size=(stars, 1)) < 0.15, rng.normal(0, 3, (stars, 1)), 0.0)
    return np.asarray(total + drift * sigma * np.linspace(-0.5, 0.5, epochs))


def jumps(rng: np.random.Generator, seeing: Array, sigma: Array) -> Array:
    """Fluxes that jump while a neighbour is missed, in a fifth of the stars: (n, m)."""
    stars, epochs = len(sigma), len(seeing)
    share = rng.uniform(0.02, 0.5, (stars, 1))
    chance = rng.uniform(size=(stars, epochs))
    driven = np.argsort(np.argsort(seeing)) / epochs
    by_seeing = rng.uniform(size=(stars, 1)) < 0.4
    missed = np.where(by_seeing, 0.7 * driven + 0.3 * chance, chance) > 1.0 - share
    size = rng.uniform(2, 20, (stars, 1)) * np.where(rng.uniform(size=(stars, 1)) < 0.5, 1, -1)
    height = np.clip(size * sigma, -0.6, 2.0)
    return np.asarray((rng.uniform(size=(stars, 1)) < 0.2) * missed * height)


def _drop(rng: np.random.Generator, flux: Array, seeing: Array) -> None:
    """Set missing measurements to NaN, in place: at random and in bad seeing."""
    lost = rng.uniform(0, 0.15, (len(flux), 1)) * (rng.uniform(size=(len(flux), 1)) < 0.5)
    faint = (rng.uniform(size=(len(flux), 1)) < 0.2) * (seeing > 1.0) * 0.7
    flux[rng.uniform(size=flux.shape) < np.maximum(lost, faint)] = np.nan
