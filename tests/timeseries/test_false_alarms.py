"""Troubles of crowded photometry that must not become alerts, without any network."""

from __future__ import annotations

import numpy as np

from csstream.timeseries.examine import examine_panel
from csstream.timeseries.guards import daily_alias, shared_events


def test_cosmic_rays_and_bad_epochs(rng, night_time, make_panel):
    time, flux, error = make_panel(rng, night_time, stars=120)
    hit = rng.uniform(size=flux.shape) < 0.02
    flux[hit] *= rng.choice([0.6, 0.8, 1.3, 3.0], np.count_nonzero(hit))
    assert not examine_panel(time, flux, error).crossed.any()


def test_flux_that_jumps_when_a_neighbour_is_missed(rng, space_time, make_panel):
    time, flux, error = make_panel(rng, space_time, stars=120)
    missed = rng.uniform(size=flux.shape) < rng.uniform(0.03, 0.5, (120, 1))
    flux *= np.where(missed, rng.uniform(0.8, 1.3, (120, 1)), 1.0)
    assert examine_panel(time, flux, error).crossed.sum() == 0


def test_correlated_noise(rng, space_time, make_panel):
    time, flux, error = make_panel(rng, space_time, stars=120)
    walk = np.cumsum(rng.normal(size=flux.shape), axis=1)
    walk -= np.linspace(0, 1, len(time)) * walk[:, -1:]
    flux *= 1.0 + 0.005 * walk / walk.std(axis=1, keepdims=True)
    assert examine_panel(time, flux, error).crossed.sum() <= 1


def test_residuals_of_the_zero_point_and_the_seeing(rng, night_time, make_panel):
    time, flux, error = make_panel(rng, night_time, stars=120, noise=0.003)
    flux *= 1.0 + 0.003 * rng.normal(size=len(time))
    seeing = np.sin(2 * np.pi * time / 29.5) + 0.5 * rng.normal(size=len(time))
    flux *= 1.0 + 0.004 * rng.normal(size=(120, 1)) * seeing
    assert not examine_panel(time, flux, error).crossed.any()


def test_the_rhythm_of_the_nights(night_time):
    period = np.array([1.0, 0.9973, 0.5, 1.999, 0.3334, 2.204, 3.785, np.nan])
    refused = daily_alias(night_time, period, 0.3)
    assert list(refused) == [True, True, True, True, True, False, False, False]
    assert not daily_alias(np.linspace(0, 90, 5000), period, 0.3).any()


def test_events_that_stars_share():
    time = np.linspace(0.0, 10.0, 300)
    period = np.array([1.5, 1.5, 1.5001, 2.0, 1.5, np.nan])
    t0 = np.array([0.4, 0.4, 0.4, 0.4, 0.9, 0.4])
    width = np.full(6, 0.1)
    flux = np.array([1.0, 1.1, 0.9, 1.0, 1.0, 1.0])
    refused = shared_events(time, period, t0, width, flux, 3)
    assert list(refused) == [True, True, True, False, False, False]
    leader = np.array([9.0, 1.1, 0.9, 1.0, 1.0, 1.0])
    assert list(shared_events(time, period, t0, width, leader, 3))[:3] == [False, True, True]
    assert not shared_events(time, period[:2], t0[:2], width[:2], flux[:2], 3).any()


def test_single_events_that_stars_share():
    time, one = np.linspace(0.0, 10.0, 300), np.ones(5)
    t0, width = np.array([4.0, 4.03, 3.96, 4.3, 4.0]), np.array([0.2, 0.25, 0.15, 0.2, 1.0])
    refused = shared_events(time, np.nan * one, t0, width, one, 3)
    assert list(refused) == [True, True, True, False, False]
