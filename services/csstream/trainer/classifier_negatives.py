"""What varies and does not repeat: factors on the flux of a constant star."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from csstream.trainer.classifier_canvas import Canvas

Array = npt.NDArray[Any]

LEAST = 0.05  # of the flux that is left


def constant(rng: np.random.Generator, canvas: Canvas, sigma: float) -> Array:
    """Nothing at all."""
    return np.ones(len(canvas.time))


def flare(rng: np.random.Generator, canvas: Canvas, sigma: float) -> Array:
    """One to four flares: up within an epoch, down exponentially within minutes to hours."""
    factor = np.ones(len(canvas.time))
    for _ in range(int(rng.integers(1, 5))):
        start = rng.uniform(canvas.time[0], canvas.time[-1])
        since = canvas.time - start
        decay = float(np.exp(rng.uniform(np.log(0.005), np.log(0.15))))
        height = _size(rng, sigma, 5.0, 100.0)
        factor += height * np.where(since >= 0, np.exp(-np.maximum(since, 0.0) / decay), 0.0)
    return factor


def trend(rng: np.random.Generator, canvas: Canvas, sigma: float) -> Array:
    """A period longer than the series, or a drift."""
    phase = (canvas.time - canvas.time[0]) / np.ptp(canvas.time)
    height = _size(rng, sigma, 2.0, 60.0)
    if rng.uniform() < 0.7:
        cycles = rng.uniform(0.1, 0.6)
        wave = np.cos(2 * np.pi * (cycles * phase + rng.uniform()))
    else:
        wave = np.polynomial.Polynomial(rng.normal(size=3))(2 * phase - 1)
    return _bounded(height * (wave - wave.mean()))


def step(rng: np.random.Generator, canvas: Canvas, sigma: float) -> Array:
    """One to three sudden changes of the level."""
    change = np.zeros(len(canvas.time))
    for _ in range(int(rng.integers(1, 4))):
        moment = rng.uniform(canvas.time[0], canvas.time[-1])
        change += _sign(rng) * _size(rng, sigma, 1.0, 30.0) * (canvas.time > moment)
    return _bounded(change - np.median(change))


def seeing(rng: np.random.Generator, canvas: Canvas, sigma: float) -> Array:
    """Flux that follows the conditions: a blend whose share depends on the width of the PSF."""
    height = _sign(rng) * _size(rng, sigma, 0.7, 8.0)
    power = rng.choice([1.0, 2.0])
    change = np.sign(canvas.seeing) ** (power == 1.0) * np.abs(canvas.seeing) ** power
    return _bounded(height * (change - np.median(change)))


def edge(rng: np.random.Generator, canvas: Canvas, sigma: float) -> Array:
    """Light lost over the edge of the detector, or in a bad column, in part of the pointings."""
    reach, width = rng.uniform(-0.5, 0.95), rng.uniform(0.02, 0.5)
    lost = np.clip((canvas.offset - reach) / width, 0.0, 1.0)
    return _bounded(-rng.uniform(0.02, 0.5) * lost)


def outlier(rng: np.random.Generator, canvas: Canvas, sigma: float) -> Array:
    """Single frames that are off: cosmic rays, trails, failed fits."""
    count = max(int(rng.uniform(0.003, 0.04) * len(canvas.time)), 1)
    change = np.zeros(len(canvas.time))
    hit = rng.choice(len(change), size=count, replace=False)
    low = rng.uniform() < 0.6
    for k in hit:
        change[k] = (-1.0 if low else _sign(rng)) * _size(rng, sigma, 4.0, 60.0)
    return _bounded(change)


NEGATIVES: Final[dict[str, Callable[[np.random.Generator, Canvas, float], Array]]] = {
    "constant": constant,
    "flare": flare,
    "trend": trend,
    "step": step,
    "seeing": seeing,
    "edge": edge,
    "outlier": outlier,
}


def _size(rng: np.random.Generator, sigma: float, low: float, high: float) -> float:
    """Relative flux, uniform in the logarithm between two multiples of the error of an epoch."""
    return float(np.exp(rng.uniform(np.log(low), np.log(high)))) * sigma


def _sign(rng: np.random.Generator) -> float:
    return 1.0 if rng.uniform() < 0.5 else -1.0


def _bounded(change: Array) -> Array:
    return np.maximum(1.0 + change, LEAST)
