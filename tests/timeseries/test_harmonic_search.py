"""The batched analysis of variance against astropy's series of several terms."""

from __future__ import annotations

import numpy as np
import pytest
from astropy.timeseries import LombScargle
from scipy.stats import f as fisher

from csstream.timeseries import harmonic_search
from csstream.timeseries.grids import FrequencyGrid
from csstream.timeseries.harmonic_search import aov_statistic, harmonic_panel

GRID = FrequencyGrid(0.21, 0.037, 60)


@pytest.mark.parametrize("common", [True, False])
def test_every_order_equals_astropy(rng, common):
    time = np.sort(rng.uniform(-5, 5, 300))
    error = rng.uniform(0.5, 2.0, (1 if common else 6, 300)) * np.ones((6, 1))
    flux = error * rng.normal(size=(6, 300)) + np.sin(2 * np.pi * 0.7 * time) ** 3
    weight = error**-2.0
    if not common:
        weight[rng.uniform(size=weight.shape) < 0.2] = 0.0
    power = harmonic_panel(time, flux, weight, GRID, 3)
    assert power.shape == (3, 6, 60)
    for row in range(6):
        used = weight[row] > 0
        for terms in (1, 2, 3):
            model = LombScargle(time[used], flux[row, used], error[row, used], nterms=terms)
            theirs = model.power(GRID.frequencies, method="chi2")
            assert np.allclose(power[terms - 1, row], theirs, atol=1e-6)


def test_statistic_of_noise_is_fishers(rng):
    time = np.sort(rng.uniform(-5, 5, 80))
    flux = rng.normal(size=(2000, 80))
    one = FrequencyGrid(0.83, 1.0, 1)
    power = harmonic_panel(time, flux, np.ones(flux.shape), one, 3)[-1, :, 0]
    theta = aov_statistic(power, 3, np.full(2000, 80))
    for share in (0.5, 0.9, 0.99):
        seen = np.mean(theta > fisher.ppf(share, 6, 73))
        assert seen == pytest.approx(1 - share, abs=4 * np.sqrt(share * (1 - share) / 2000))


def test_waves_that_the_sampling_cannot_tell_apart_are_left_out(rng):
    time = np.arange(-50, 50) * 0.1  # a comb: 5 per day is its Nyquist frequency
    flux = rng.normal(size=(3, 100))
    weight = rng.uniform(0.5, 2.0, flux.shape)
    power = harmonic_panel(time, flux, weight, FrequencyGrid(5.0, 5.0, 2), 3)
    assert np.all(np.isfinite(power))
    assert np.all(power < 0.5)
    assert np.all(np.diff(power, axis=0) >= 0)


def test_transforms_and_products_agree(rng, monkeypatch):
    time = np.sort(rng.uniform(-20, 20, 200))
    flux, weight = rng.normal(size=(5, 200)), rng.uniform(0.5, 2.0, (5, 200))
    weight[:, ::7] = 0.0
    products = harmonic_panel(time, flux, weight, GRID, 3)
    monkeypatch.setattr(harmonic_search, "MOST_EPOCHS", 100)
    np.testing.assert_allclose(harmonic_panel(time, flux, weight, GRID, 3), products, atol=2e-6)


def test_work_for_a_long_series_does_not_grow_with_epochs_times_frequencies(rng, monkeypatch):
    work = []
    sums = harmonic_search.fourier_sums
    monkeypatch.setattr(
        harmonic_search, "fourier_sums", lambda *a: work.append(len(a[0]) + a[-1]) or sums(*a)
    )
    time = np.sort(rng.uniform(-50, 50, 20_000))
    flux = 0.1 * np.cos(2 * np.pi * 3.21 * time) + rng.normal(size=(1, 20_000))
    grid = FrequencyGrid(0.1, 0.002, 20_000)
    power = harmonic_panel(time, flux, np.ones(flux.shape), grid, 1)
    assert grid.frequencies[np.argmax(power[0, 0])] == pytest.approx(3.21, abs=0.004)
    assert sum(work) == 2 * 40_000
