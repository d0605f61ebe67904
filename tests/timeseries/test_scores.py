"""Scores of the best box and sinusoid, their noise, and the table that turns them to rates."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from csstream.timeseries.calibration import prepare_panel
from csstream.timeseries.errors import TimeseriesError
from csstream.timeseries.examine import search_panel
from csstream.timeseries.false_alarms import (
    false_alarms,
    read_table,
    shipped_table,
    write_table,
)
from csstream.timeseries.noise_growth import AVERAGES, Growth, drawn_to_panel
from csstream.timeseries.null_curves import inverted, quiet, scrambled
from csstream.timeseries.scores import box_score, box_trials, wave_score
from csstream.timeseries.settings import ExamineSettings

NONE = np.array([0.0])


def growth(value=1.0, doubt=0.0):
    return Growth(np.array([value]), np.array([doubt]), np.array([value]))


def searched(rng, noise, time):
    flux = 1.0 + 0.01 * noise
    panel = prepare_panel(time, flux, np.full_like(flux, 0.01))
    return search_panel(panel, ExamineSettings(search_harmonics=1))


def test_one_trial_is_the_gaussian_tail():
    assert box_score(np.array([3.0]), growth(), np.array([1.0]))[0] == pytest.approx(
        2.8697, abs=1e-3
    )


def test_one_sinusoid_is_the_power_of_the_rest():
    score = wave_score(np.array([0.3]), np.array([50.0]), growth(), 1.0)[0]
    assert score == pytest.approx(-np.log10(0.7 ** (47 / 2)), abs=1e-3)


def test_an_uncertain_growth_makes_the_tail_heavier():
    sure = box_score(np.array([8.0]), growth(), np.array([1e4]))[0]
    assert box_score(np.array([8.0]), growth(doubt=0.1), np.array([1e4]))[0] < sure - 2.0


def test_a_long_event_of_a_planet_pays_for_few_others():
    planet, spike = box_trials(3.5, np.array([0.5, 5.0]), np.array([0.1, 0.0035]))
    assert planet < 0.02 * spike


def test_a_quiet_panel_takes_its_stars_doubt_away(rng):
    error = np.sqrt(1.5 * AVERAGES)
    log = rng.normal(0.0, error, (128, len(AVERAGES)))
    log[0] = 1.8  # one star that is red for sure
    mean, variance = drawn_to_panel(log)
    assert np.std(mean[1:, -1]) < 0.4 * error[-1]
    assert mean[0, 2] > 1.2
    assert np.all(variance >= 0.0)


def test_red_noise_is_not_taken_for_a_signal(rng, space_time):
    walk = np.zeros((128, len(space_time)))
    kept = np.exp(-(space_time[1] - space_time[0]) / (2.0 / 24.0))
    for k in range(1, walk.shape[1]):
        walk[:, k] = kept * walk[:, k - 1] + np.sqrt(1 - kept**2) * rng.normal(size=128)
    search = searched(rng, rng.normal(size=walk.shape) + 0.6 * walk, space_time)
    assert search.scores.box_growth.usual[0] > 1.1
    assert np.count_nonzero(search.fap < 1e-3) <= 3


def test_one_outlier_is_no_event(rng):
    time = np.sort(rng.uniform(0.0, 3.5, 150))
    noise = rng.normal(size=(40, 150))
    noise[:, 70] = -9.0
    time_apart = time[70]
    noise[:, np.abs(time - time_apart) < 0.02] = -0.5
    noise[:, 70] = -9.0
    search = searched(rng, noise, time)
    assert np.median(search.fap) > 0.01


def test_a_transit_of_two_events_is_found(rng, space_time):
    noise = rng.normal(size=(60, len(space_time)))
    phase = (space_time - space_time[0] - 0.6) / 1.9
    noise[0] -= 4.0 * (np.abs(phase - np.round(phase)) * 1.9 < 0.05)
    search = searched(rng, noise, space_time)
    assert search.fap[0] < 1e-6
    assert search.alarms.extrapolated[0]
    assert not search.alarms.extrapolated[1:].any()


def test_the_shipped_table_holds_for_white_noise(rng):
    time = np.arange(200) * 0.01
    faps = np.concatenate([searched(rng, rng.normal(size=(128, 200)), time).fap for _ in range(12)])
    assert np.mean(faps <= 0.1) == pytest.approx(0.1, abs=0.04)
    assert np.mean(faps <= 0.01) < 0.02


def test_probabilities_fall_with_the_score():
    table = shipped_table()
    score = np.linspace(0.0, 40.0, 200)
    scores = searched(
        np.random.default_rng(1),
        np.random.default_rng(2).normal(size=(30, 100)),
        np.arange(100) * 0.02,
    ).scores
    flat = Growth(np.ones(200), np.full(200, 0.03), np.ones(200))
    scores = replace(scores, box=score, wave=np.zeros(200), box_growth=flat, wave_growth=flat)
    fap = false_alarms(scores, np.full(200, 300), table).probability
    assert np.all(np.diff(fap) <= 0)
    assert fap[0] == 1.0
    assert 0.0 < fap[-1] < 1e-15


def test_a_table_survives_its_file(tmp_path):
    write_table(tmp_path / "table.json", shipped_table())
    again = read_table(tmp_path / "table.json")
    np.testing.assert_allclose(again.box.score, shipped_table().box.score, atol=1e-3)
    (tmp_path / "bad.json").write_text('{"note": "x"}')
    with pytest.raises(TimeseriesError) as caught:
        read_table(tmp_path / "bad.json")
    assert caught.value.reason == "null_table"


def test_scrambling_keeps_the_values_and_loses_the_period(rng):
    time = np.linspace(0.0, 4.0, 400)
    flux = np.tile(np.sin(2 * np.pi * time / 0.5), (3, 1))
    mixed, weight = scrambled(time, flux, np.ones_like(flux), 0.3, rng)
    np.testing.assert_allclose(np.sort(mixed, axis=1), np.sort(flux, axis=1))
    assert np.all(np.abs(np.mean(mixed * flux, axis=1)) < 0.35)
    assert np.all(weight == 1.0)
    np.testing.assert_array_equal(inverted(flux), -flux)


def test_neighbours_of_signals_are_no_null():
    kept = quiet(
        np.array([1e-9, 0.5, 0.5, np.nan]), np.array([0.0, 3.0, 30.0, 60.0]), np.zeros(4), 1e-3, 5.0
    )
    assert list(kept) == [False, False, True, False]
