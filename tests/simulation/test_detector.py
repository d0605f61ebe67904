"""Detector effects against the arithmetic of charge and noise."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from csstream.instruments.instrument import load_instrument
from csstream.simulation.detector import (
    ALL_EFFECTS,
    PLAIN,
    add_cosmic_rays,
    bleed,
    draw_defects,
    expose,
    sky_pattern,
    with_defects,
)
from csstream.simulation.detector_kernels import add_tracks
from csstream.simulation.frames import add_noise

SHAPE = (60, 50)


@pytest.fixture(scope="module")
def instrument():
    return load_instrument("csst-i")


def test_noise_has_the_variance_of_the_expectation_and_of_reading(instrument):
    expectation = np.full((500, 500), 249.0, np.float32)
    image = expose(np.random.default_rng(1), expectation, instrument)
    assert image.mean() == pytest.approx(249.0, abs=0.15)
    assert image.var() == pytest.approx(249.0 + 25.0, rel=0.012)


def test_plain_exposure_is_noise_and_clipping(instrument):
    expectation = np.full(SHAPE, 300.0, np.float32)
    expectation[3, 4] = 4e5
    image = expose(np.random.default_rng(2), expectation, instrument)
    noisy = add_noise(np.random.default_rng(2), expectation, 5.0, 90000.0)
    assert np.array_equal(image, noisy)
    assert image[3, 4] == 90000.0
    assert image[2, 4] < 1000


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 10**6), stars=st.integers(0, 6))
def test_bleeding_conserves_charge(seed, stars):
    rng = np.random.default_rng(seed)
    image = rng.uniform(0, 500, SHAPE).astype(np.float32)
    for _ in range(stars):
        image[rng.integers(SHAPE[0]), rng.integers(SHAPE[1])] += rng.uniform(500, 30000)
    before = image.sum(axis=0, dtype=float)
    lost = bleed(image, 1000.0)
    assert image.max() <= 1000.0
    assert lost >= 0
    after = image.sum(axis=0, dtype=float)
    assert np.all(after <= before + 0.1)
    assert after.sum() + lost == pytest.approx(before.sum(), abs=1.0)


def test_charge_bleeds_up_and_down_its_column():
    image = np.zeros(SHAPE, np.float32)
    image[30, 20] = 1100.0
    image[33, 20] = 100.0  # already full: charge passes over it
    assert bleed(image, 100.0) == 0.0
    column = image[:, 20]
    assert np.flatnonzero(image.sum(axis=0)).tolist() == [20]
    assert np.flatnonzero(column).tolist() == list(range(25, 37))
    assert np.all(column[25:37] == 100.0)


def test_charge_that_reaches_the_end_of_a_column_is_lost():
    image = np.zeros(SHAPE, np.float32)
    image[1, 5] = 1100.0
    assert bleed(image, 100.0) == pytest.approx(400.0)


def test_pixels_with_a_full_well_read_saturation(instrument):
    expectation = np.full(SHAPE, 200.0, np.float32)
    expectation[30, 20] = 1e6
    image = expose(np.random.default_rng(3), expectation, instrument, effects=ALL_EFFECTS)
    full = np.flatnonzero(image[:, 20] == 90000.0)
    assert 10 <= full.size <= 12
    assert np.all(np.diff(full) == 1)
    assert image.max() == 90000.0


def test_a_track_leaves_its_charge_along_its_length():
    image = np.zeros(SHAPE, np.float32)
    ends = (np.array([10.0]), np.array([20.0]), np.array([0.0]), np.array([15.0]))
    add_tracks(image, *ends, np.array([8000.0]), 0.3)
    assert image.sum() == pytest.approx(8000.0, rel=1e-4)
    hit = np.flatnonzero(image[20] > 100)
    assert (hit.min(), hit.max()) == (10, 25)
    assert image[20, 12:24].std() < 0.05 * image[20, 12:24].mean()


def test_cosmic_rays_come_at_their_rate():
    image = np.zeros((400, 400), np.float32)
    effects = replace(ALL_EFFECTS, cosmic_rays=1e-5)
    count = add_cosmic_rays(np.random.default_rng(4), image, effects, 300.0)
    assert count == pytest.approx(480, abs=90)
    hit = np.count_nonzero(image > 50) / count
    assert 3 < hit < 15
    assert image.sum() / count == pytest.approx(800 * 2 * 1.5 * np.exp(0.125), rel=0.3)


def test_defects_are_dead_hot_and_listed():
    effects = replace(ALL_EFFECTS, bad_columns=40.0, dead_pixels=0.01, hot_pixels=0.01)
    defects = draw_defects(np.random.default_rng(5), (200, 200), replace(effects, known_defects=1))
    image = with_defects(np.full((200, 200), 100.0, np.float32), defects, 300.0)
    assert np.all(image.flat[defects.dead] <= 50.0 + 300 * 5 * 100)
    only_hot = np.setdiff1d(defects.hot, defects.dead)
    assert np.all(image.flat[only_hot] > 100.0)
    assert np.array_equal(np.flatnonzero(image != 100.0), np.flatnonzero(defects.known))
    columns = np.count_nonzero((image == 0).sum(axis=0) > 20)
    assert 3 <= columns <= 16
    hidden = draw_defects(np.random.default_rng(5), (200, 200), replace(effects, known_defects=0))
    assert not hidden.known.any()
    assert np.array_equal(hidden.dead, defects.dead)


def test_the_sky_is_uneven_as_much_as_it_should_be():
    patterns = [sky_pattern(np.random.default_rng(k), (120, 160), 0.05) for k in range(60)]
    assert np.mean([p.mean() for p in patterns]) == pytest.approx(1.0, abs=0.002)
    assert np.mean([p.std() for p in patterns]) == pytest.approx(0.05, rel=0.1)
    steps = [np.abs(np.diff(p, axis=1)).max() for p in patterns]
    assert max(steps) < 0.005


def test_plain_has_no_effect_and_every_effect_can_be_switched_off(instrument):
    defects = draw_defects(np.random.default_rng(6), SHAPE, PLAIN)
    assert defects.dead.size == defects.hot.size == 0
    expectation = np.full(SHAPE, 300.0, np.float32)
    with_none = expose(
        np.random.default_rng(7), expectation, instrument, effects=PLAIN, defects=defects
    )
    assert np.array_equal(with_none, expose(np.random.default_rng(7), expectation, instrument))
    assert expectation.min() == expectation.max() == 300.0
