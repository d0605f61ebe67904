"""Panels of simulated curves: noise of many kinds, and two percent of variables among it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]

SAMPLINGS: Final = ("dense", "gaps", "orbit", "sparse", "nightly")
SAMPLING_SHARES: Final = (0.315, 0.255, 0.21, 0.18, 0.04)
NOISES: Final = ("white", "red", "mixed")
NOISE_SHARES: Final = (0.4, 0.35, 0.25)
STARS: Final = 128
VARIABLE_SHARE: Final = 0.02
CADENCE: Final = 300.0 / 86400.0  # [day]
ORBIT: Final = 95.0 / 1440.0  # [day]
EPOCHS: Final = (40, 1100)
EPOCH_SLOPE: Final = -0.6  # of the number of panels per unit of log epochs: long ones are costly
MOST_NIGHTS: Final = 250
SHORTEST_SPAN: Final = 0.4  # [day] two of the shortest period
MISSING_SHARE: Final = 0.5  # of the panels: up to 4 % of the points of each star are missing
HEAVY_SHARE: Final = 0.15  # of the panels: noise of Student's t with 6 degrees of freedom


@dataclass(frozen=True, eq=False)
class NullPanel:
    """Fluxes (n, m) around the stars' levels; ``is_null`` (n,): not one of the variables."""

    time: Array
    flux: Array
    flux_err: Array
    is_null: Array
    sampling: str
    noise: str


def draw_panel(
    rng: np.random.Generator, sampling: str | None = None, noise: str | None = None
) -> NullPanel:
    """One panel of 128 stars; sampling and noise are drawn unless given."""
    sampling = sampling or str(rng.choice(SAMPLINGS, p=SAMPLING_SHARES))
    noise = noise or str(rng.choice(NOISES, p=NOISE_SHARES))
    time = draw_times(rng, sampling)
    while time[-1] - time[0] < SHORTEST_SPAN:
        time = draw_times(rng, sampling)
    sigma = np.exp(rng.uniform(np.log(0.003), np.log(0.1), STARS))[:, None]
    breathing = np.exp(0.15 * rng.normal(size=len(time)) * rng.uniform(0.0, 1.0))
    error = sigma * breathing
    flux = error * draw_noise(rng, time, noise)
    variable = rng.random(STARS) < VARIABLE_SHARE
    for star in np.flatnonzero(variable):
        flux[star] += draw_signal(rng, time, float(sigma[star, 0]))
    common = 0.002 * rng.normal(size=len(time)) * rng.uniform(0.0, 1.0)
    flux = (1.0 + flux) * (1.0 + common)
    if rng.random() < MISSING_SHARE:
        flux[rng.random(flux.shape) < rng.uniform(0.0, 0.04)] = np.nan
    stated = error * np.exp(rng.uniform(-0.2, 0.2, (STARS, 1)))
    return NullPanel(time, flux, stated, ~variable, sampling, noise)


def draw_times(rng: np.random.Generator, sampling: str) -> Array:
    """Times [day] of one kind of sampling, increasing."""
    low, high = np.array(EPOCHS) ** EPOCH_SLOPE
    count = int((low + rng.random() * (high - low)) ** (1.0 / EPOCH_SLOPE))
    if sampling == "nightly":
        count = min(count, MOST_NIGHTS)
        return np.arange(count) * rng.choice([1.0, 2.0]) + rng.uniform(-0.15, 0.15, count)
    if sampling == "sparse":
        return np.sort(rng.uniform(0.0, rng.uniform(1.5, 5.0), count))
    if sampling == "dense":
        return CADENCE * (np.arange(count) + 1e-3 * rng.random(count))
    time = CADENCE * np.arange(int(1.7 * count) + 10)
    if sampling == "orbit":
        seen = (time / ORBIT + rng.random()) % 1.0 < rng.uniform(0.55, 0.7)
    else:
        seen = _outside_gaps(rng, time)
    return time[seen][:count]


def _outside_gaps(rng: np.random.Generator, time: Array) -> Array:
    """Epochs outside one to three long gaps."""
    seen = np.ones(len(time), bool)
    for _ in range(int(rng.integers(1, 4))):
        start, length = rng.uniform(0.1, 0.8) * time[-1], rng.uniform(0.03, 0.15) * time[-1]
        seen &= (time < start) | (time > start + length)
    return seen


def draw_noise(rng: np.random.Generator, time: Array, noise: str) -> Array:
    """Noise of unit white part, (STARS, m); in ``mixed`` panels a third of the stars is red."""
    shape = (STARS, len(time))
    white = rng.standard_normal(shape)
    if rng.random() < HEAVY_SHARE:
        white = rng.standard_t(6.0, shape) / np.sqrt(1.5)
    if noise == "white":
        return white
    ratio = rng.uniform(0.05, 0.4, STARS)
    if noise == "mixed":
        ratio *= rng.random(STARS) < 1.0 / 3.0
    scale = np.exp(rng.uniform(np.log(0.5), np.log(6.0), STARS)) / 24.0
    return white + ratio[:, None] * correlated(rng, time, scale)


def correlated(rng: np.random.Generator, time: Array, scale: Array) -> Array:
    """Noise of unit variance whose correlation falls as exp(-lag / scale [day]); (n, m)."""
    result = rng.standard_normal((len(time), len(scale)))
    for k, gap in enumerate(np.diff(time), start=1):
        kept = np.exp(-gap / scale)
        result[k] = kept * result[k - 1] + np.sqrt(1.0 - kept**2) * result[k]
    return result.T


def draw_signal(rng: np.random.Generator, time: Array, sigma: float) -> Array:
    """A transit, a binary, a sinusoid or a sawtooth, relative flux (m,)."""
    span = float(time[-1] - time[0])
    period = np.exp(rng.uniform(np.log(0.1), np.log(max(0.5 * span, 0.2))))
    phase = (time / period + rng.random()) % 1.0
    size = sigma * np.exp(rng.uniform(np.log(0.5), np.log(20.0)))
    kind = rng.integers(4)
    if kind == 0:
        return np.asarray(-min(size, 0.3) * (np.abs(phase - 0.5) < 0.03))
    if kind == 1:
        return np.asarray(-0.6 * np.clip(1.0 - np.abs(phase - 0.5) / 0.08, 0.0, 1.0))
    if kind == 2:
        return np.asarray(min(size, 0.5) * np.cos(2.0 * np.pi * phase))
    return np.asarray(min(size, 0.5) * (phase - 0.5))
