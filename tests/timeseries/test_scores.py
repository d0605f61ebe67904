"""Scores of the best box and sinusoid, their noise, and the table that turns them to rates."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.special import ndtr

from csstream.timeseries.calibration import prepare_panel
from csstream.timeseries.errors import TimeseriesError
from csstream.timeseries.examine import search_panel
from csstream.timeseries.false_alarms import (
    false_alarms,
    read_table,
    shipped_table,
    write_table,
)
from csstream.timeseries.noise_growth import AVERAGES, VARIANCE, Growth, drawn_to_panel
from csstream.timeseries.null_curves import inverted, quiet, scrambled
from csstream.timeseries.scores import box_score, box_trials, wave_score
from csstream.timeseries.settings import ExamineSettings

NONE = np.array([0.0])


def growth(value=1.0, share=0.0, shape=1e9):
    """Of a star that follows its panel; with a share, one that may have more of its own."""
    return Growth(*(np.array([number]) for number in (value, value, shape, share, share / shape)))


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


def test_a_growth_of_its_own_makes_the_tail_heavier():
    snr, trials = np.array([8.0]), np.array([1e4])
    sure = box_score(snr, growth(), trials)[0]
    own = box_score(snr, growth(share=1.0, shape=5.0), trials)[0]
    perhaps = box_score(snr, growth(share=0.1, shape=5.0), trials)[0]
    assert own < sure - 2.0
    assert perhaps == pytest.approx(own + 1.0, abs=0.02)


def test_the_tail_is_the_average_over_the_growth(rng):
    noise = growth(share=1.0, shape=4.0)
    widths = 4.0 / rng.gamma(4.0, size=200_000)
    expected = -np.log10(np.mean(ndtr(-4.0 / np.sqrt(widths))))
    assert box_score(np.array([4.0]), noise, np.ones(1))[0] == pytest.approx(expected, abs=0.02)
    height = -np.log(1.0 - 0.1) * (53.0 - 3.0) / 2.0
    expected = -np.log10(np.mean(np.exp(-height / widths)))
    wave = wave_score(np.array([0.1]), np.array([53.0]), noise, 1.0)[0]
    assert wave == pytest.approx(expected, abs=0.02)


def test_a_long_event_of_a_planet_pays_for_few_others():
    planet, spike = box_trials(3.5, np.array([0.5, 5.0]), np.array([0.1, 0.0035]), 2.0)
    assert planet < 0.02 * spike


def test_trials_follow_the_range_of_periods():
    few, many = (box_trials(3.5, np.ones(1), np.array([0.1]), range_)[0] for range_ in (0.5, 2.0))
    assert many == pytest.approx(4.0 * few)


def test_a_quiet_panel_takes_its_stars_doubt_away(rng):
    free = 2.0 / VARIANCE
    measured = rng.chisquare(free, (128, len(AVERAGES))) / free
    measured[0] = 6.0  # one star that is red for sure
    usual, own, share = drawn_to_panel(measured)
    np.testing.assert_allclose(usual, 1.0, atol=0.25)
    assert np.all(share[1:, 2] < 0.3)
    assert share[0, 2] > 0.99
    assert own[0, 2] == pytest.approx(6.0, rel=0.2)


def test_stars_of_their_own_are_counted(rng):
    free = 2.0 / VARIANCE[2]
    growth = np.where(np.arange(128) < 40, 2.0 / rng.gamma(2.0, size=128), 1.0)
    measured = (growth * rng.chisquare(free, 128) / free)[:, None]
    share = drawn_to_panel(measured, VARIANCE[[2]])[2]
    assert 0.1 < share.mean() < 0.5
    assert np.median(share[:40]) > 3.0 * np.median(share[40:])


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
    flat = Growth(*(np.ones(200),) * 4, np.full(200, 0.03))
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
