"""Harmonic fits: the fast reductions against plain least squares."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from csstream.timeseries.harmonics import fit_harmonics, harmonics_allowed, reductions


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 10_000), order=st.integers(1, 6))
def test_reductions_equal_least_squares(seed, order):
    rng = np.random.default_rng(seed)
    time = np.sort(rng.uniform(-10, 10, 120))
    weight = rng.uniform(0.5, 2.0, 120)
    flux = np.cos(2 * np.pi * 0.31 * time) + rng.normal(0, 0.3, 120)
    fast = reductions(time, flux, weight, np.array([0.31]), 6)[0]
    slow = fit_harmonics(time, flux, weight, 0.31, order)
    assert np.isclose(fast[order - 1], slow.reduction, rtol=1e-6)
    assert np.all(np.diff(fast) >= 0)


def test_amplitude_and_phase_are_those_put_in():
    time = np.linspace(0, 7, 300)
    flux = 0.3 * np.cos(2 * np.pi * 0.9 * time + 0.4) + 0.1 * np.cos(4 * np.pi * 0.9 * time - 1.0)
    fit = fit_harmonics(time, flux, np.ones(300), 0.9, 3)
    assert np.isclose(fit.amplitude(1), 0.3)
    assert np.isclose(fit.phase(1), 0.4)
    assert np.isclose(fit.amplitude(2), 0.1)
    assert np.isclose(fit.phase(2), -1.0)
    assert np.allclose(fit(time), flux)


def test_few_points_carry_few_harmonics():
    assert harmonics_allowed(10) == 1
    assert harmonics_allowed(1000) == 8
