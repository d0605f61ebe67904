"""The batched Lomb–Scargle against astropy's direct method."""

from __future__ import annotations

import numpy as np
from astropy.timeseries import LombScargle
from hypothesis import given, settings
from hypothesis import strategies as st

from csstream.timeseries.grids import FrequencyGrid, sinusoid_grid
from csstream.timeseries.lomb_scargle import lomb_scargle_panel


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 10_000), points=st.integers(20, 200))
def test_equals_astropy(seed, points):
    rng = np.random.default_rng(seed)
    time = np.sort(rng.uniform(-10, 10, points))
    error = rng.uniform(0.5, 2.0, points)
    flux = np.sin(2 * np.pi * 0.7 * time) + error * rng.normal(size=points)
    grid = FrequencyGrid(0.05, 0.013, 150)
    ours = lomb_scargle_panel(time, flux[None], error[None] ** -2.0, grid)[0]
    theirs = LombScargle(time, flux, error).power(grid.frequencies, method="cython")
    assert np.allclose(ours, theirs, atol=2e-5)


def test_panel_with_gaps_equals_stars_alone(rng):
    time = np.sort(rng.uniform(-5, 5, 120))
    flux = rng.normal(size=(5, 120))
    weight = (rng.uniform(size=(5, 120)) > 0.3).astype(float)
    grid = sinusoid_grid(10.0, 0.5, 6.0)
    together = lomb_scargle_panel(time, flux, weight, grid)
    for row in range(5):
        used = weight[row] > 0
        alone = lomb_scargle_panel(
            time[used], flux[row : row + 1, used], weight[row : row + 1, used], grid
        )
        assert np.allclose(alone[0], together[row], atol=1e-5)


def test_constant_star_has_no_power():
    time = np.linspace(-5, 5, 50)
    power = lomb_scargle_panel(
        time, np.zeros((1, 50)), np.ones((1, 50)), FrequencyGrid(0.1, 0.1, 20)
    )
    assert np.all(power == 0)
