"""Curves and panels that the tests of this folder share."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(20_26)


@pytest.fixture
def make_panel() -> Callable:
    """Panel of white noise around 1000: (time, flux, flux_err); the noise is relative."""

    def make(rng, time, stars=24, noise=0.005):
        flux = 1000.0 * (1.0 + noise * rng.normal(size=(stars, len(time))))
        return time, flux, np.full_like(flux, 1000.0 * noise)

    return make


@pytest.fixture
def space_time() -> np.ndarray:
    """300 epochs over 3.5 days."""
    return 60000.0 + np.linspace(0.0, 3.5, 300)


@pytest.fixture
def night_time() -> np.ndarray:
    """98 epochs, one a night at a changing hour."""
    rng = np.random.default_rng(5)
    return 55922.7 + np.arange(98) + rng.uniform(-0.12, 0.12, 98)
