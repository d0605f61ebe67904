"""The dip that is scored: chosen by chance, refined between the search's frequencies."""

from __future__ import annotations

import numpy as np
import pytest

from csstream.timeseries.dip_kernels import BINS, INNER, OUTER, best_dip, subtract_dip
from csstream.timeseries.grids import FrequencyGrid
from csstream.timeseries.scores import score_panel

STEP = 0.004  # [1/day]


def transit(time, frequency, width):
    phase = np.abs((time * frequency + 0.3) % 1.0 - 0.5) / frequency
    return -np.clip((0.5 * width - phase) / (0.15 * width), 0.0, 1.0)


def chosen(time, flux, frequencies):
    share = np.full(len(time), 1.0 / len(time))
    off = flux - flux.mean()
    product = share * off / off.std()
    index, running = np.empty(len(time), np.int64), np.empty((2, 2 * BINS + 1))
    frequencies = np.array(frequencies, float)
    found = best_dip(time, product, share, frequencies, STEP, len(time), index, running)
    return found, (product, share, flux.mean(), off.std(), index)


@pytest.mark.parametrize("part", [-0.8, -0.4, 0.0, 0.4, 0.8])
def test_frequencies_between_those_of_the_grid_are_tried(part):
    time = np.linspace(-1.75, 1.75, 1000)
    true = 0.5 + part * STEP
    (frequency, _, size), _ = chosen(time, transit(time, true, 0.04), [0.5])
    assert frequency == pytest.approx(true, abs=0.41 * STEP)
    assert (OUTER + INNER)[size] / (2 * BINS * frequency) == pytest.approx(0.034, rel=0.3)


def test_the_dip_that_chance_gives_least_is_taken(rng):
    time = np.linspace(-1.75, 1.75, 1000)
    flux = rng.normal(size=1000) + 1.5 * transit(time, 0.5, 0.1)
    assert chosen(time, flux, [0.0, 0.5, 4.7])[0][0] == pytest.approx(0.5, abs=STEP)
    assert chosen(time, flux, [4.7, 0.0, 0.5])[0][0] == pytest.approx(0.5, abs=STEP)


def test_a_curve_that_only_rises_has_no_dip():
    time = np.linspace(-1.75, 1.75, 400)
    (frequency, _, size), _ = chosen(time, np.zeros(400) + (time > 1.7499), [0.0, 0.0])
    assert (frequency, size) == (0.0, -1)


def test_nothing_is_left_of_a_box():
    time = np.linspace(-1.75, 1.75, 700)
    flux = 2.0 - 0.1 * (np.abs((0.5 * time + 0.3) % 1.0 - 0.5) < 0.04)
    (_, start, size), (product, share, mean, scatter, index) = chosen(time, flux, [0.5])
    residual, kept = np.empty(700), np.empty(700)
    taken, firm = subtract_dip(
        flux, np.ones(700), product, share, mean, scatter, start, size, index, residual, kept
    )
    assert taken > 0.9
    assert 0.9 * taken < firm < taken
    assert np.all(kept[flux < 1.95] == 0.0)
    np.testing.assert_allclose(residual[kept > 0], 0.0, atol=0.004)


def test_a_refined_transit_scores_higher(rng):
    """The dip of a period between two of the grid, against that of the grid's frequency alone."""
    time = np.linspace(-1.75, 1.75, 1000)
    grid = FrequencyGrid(0.3, STEP, 200)
    true = grid.frequencies[60] + 0.5 * STEP
    flux = 0.01 * rng.normal(size=(32, 1000)) + 0.013 * transit(time, true, 0.08)
    common = np.full((32, 1), grid.frequencies[60]), np.full(32, 3.0)
    weight = np.full(flux.shape, 1e4)
    refined = score_panel(time, flux, weight, common[0], STEP, common[1], 3.0, 100.0)
    plain = score_panel(time, flux, weight, common[0], 0.0, common[1], 3.0, 100.0)
    assert np.mean(refined.snr_bls) > 1.01 * np.mean(plain.snr_bls)
    assert np.all(refined.snr_bls >= 0.97 * plain.snr_bls)
