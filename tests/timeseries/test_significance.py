"""Each statistic by a case that can be done by hand or counted."""

from __future__ import annotations

import numpy as np
import pytest

from csstream.timeseries import significance


def test_snr_bls_of_equal_errors():
    # 10 points in, 90 out, error 0.01: error of depth is 0.01 sqrt(1/10 + 1/90)
    snr = significance.snr_bls(0.02, 10 / 0.01**2, 90 / 0.01**2)
    assert snr == pytest.approx(0.02 / (0.01 * np.sqrt(1 / 10 + 1 / 90)))


def test_pink_equals_white_without_red_noise():
    counts = np.array([5, 7, 0])
    assert significance.snr_pink(0.02, counts, 0.01, 0.0) == pytest.approx(
        0.02 / 0.01 * np.sqrt(12)
    )


def test_red_noise_leaves_the_number_of_events():
    counts = np.full(4, 1000)
    assert significance.snr_pink(0.02, counts, 0.01, 0.005) == pytest.approx(8.0, rel=0.01)


def test_red_noise_is_measured(rng):
    time = np.linspace(0, 10, 2000)
    white = rng.normal(0, 0.01, 2000)
    level = np.repeat(rng.normal(0, 0.006, 100), 20)  # common to 0.1 d
    weight = np.ones(2000)
    assert significance.red_noise(time, white, weight, 0.1)[1] < 0.002
    assert significance.red_noise(time, white + level, weight, 0.1)[1] == pytest.approx(
        0.006, rel=0.25
    )


def test_sde_of_a_known_spectrum():
    spectrum = np.array([[0.0, 0.0, 0.0, 4.0]])  # mean 1, deviation sqrt(3)
    assert significance.sde(spectrum)[0] == pytest.approx(3 / np.sqrt(3))


def test_fap_of_one_sinusoid_is_the_analytic_one():
    # one trial, floating mean: (1 - p) ** ((n - 3) / 2)
    fap = significance.fap_harmonics(np.array([0.3]), 1, 50, 1.0)[0]
    assert fap == pytest.approx(0.7 ** (47 / 2))


def test_fap_of_sinusoids_holds_for_white_noise(rng):
    from csstream.timeseries.grids import sinusoid_grid
    from csstream.timeseries.lomb_scargle import lomb_scargle_panel

    time = np.sort(rng.uniform(-5, 5, 100))
    grid = sinusoid_grid(10.0, 0.5, 6.0)
    power = lomb_scargle_panel(time, rng.normal(size=(2000, 100)), np.ones((2000, 100)), grid)
    fap = significance.fap_harmonics(power.max(axis=1), 1, 100, grid.count / 5.0)
    assert 0.05 < np.mean(fap < 0.1) < 0.25  # analytic, within a factor 2.5


def test_counts_see_through_a_star_that_jumps(rng):
    flux = np.where(rng.uniform(size=400) < 0.2, -0.1, 0.0) + rng.normal(0, 0.005, 400)
    inside = np.zeros(400, bool)
    inside[np.flatnonzero(flux < -0.05)[:7]] = True  # the luckiest box there can be
    assert significance.fap_counts(flux, inside, 0.1, 1e5) > 0.1
    clean = np.where(inside, -0.1, 0.0) + rng.normal(0, 0.005, 400)
    assert significance.fap_counts(clean, inside, 0.1, 1e5) < 1e-6


def test_rms_and_amplitude_of_a_box_and_a_sinusoid():
    box = np.where(np.arange(1000) < 45, -1.0, 0.0)
    assert significance.snr_rms(box, 0.5) == pytest.approx(2.0 * np.sqrt(0.045 * 0.955))
    wave = np.sin(2 * np.pi * np.arange(1000) / 1000)
    assert significance.snr_rms(wave, 1.0) == pytest.approx(np.sqrt(0.5))
