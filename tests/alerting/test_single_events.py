"""One deep event alone is a candidate only when its shape was seen and no other star shows it."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from csstream.alerting.decisions import Rules
from csstream.alerting.single_events import (
    SingleEventRules,
    event_time,
    single_events,
    unshared,
)
from csstream.alerting.thresholds import findings, significance
from csstream.timeseries.kinds import KINDS

TIME = 60000.0 + 0.05 * np.arange(100)  # five days
FLUX = np.ones((3, 100))
RULES = SingleEventRules()


@pytest.fixture
def dip(made):
    """A result in which object 1 shows one event at ``t0`` of ``duration`` days."""

    def build(rows=(1,), t0=60002.0, duration=0.3, **columns):
        base = made.result(crossed=rows)
        n = len(base)
        return dataclasses.replace(
            base,
            crossed=np.zeros(n, bool),
            n_events=np.where(base.crossed, 1, 0),
            t0=np.full(n, t0),
            duration=np.full(n, duration),
            period=np.full(n, 30.0),
            snr_pink=np.where(base.crossed, 20.0, np.nan),
            **columns,
        )

    return build


def test_a_deep_event_is_found_at_its_middle(dip):
    middle = single_events(TIME, FLUX, dip(), RULES)
    assert middle[1] == 60002.0
    assert np.isnan(middle[[0, 2]]).all()


def test_the_middle_lies_in_the_cycle_that_holds_the_data():
    time = np.array([60003.45, 60003.5, 60003.55, 60005.0])
    assert event_time(time, 60000.0, 3.5, 0.3) == 60003.5


@pytest.mark.parametrize(
    "changes",
    [
        {"t0": 60000.05},  # its beginning was not seen
        {"t0": 60004.9},  # its end was not seen
        {"duration": 0.1},  # too few points within
        {"duration": 2.0},  # a trend rather than an event
        {"fap": np.full(3, 1e-3)},
        {"probabilities": np.tile([0.2, 0.8, 0.0, 0.0], (3, 1))},
        {"kind": np.full(3, KINDS.index("pulsating"), np.uint8)},
        {"shortlisted": np.zeros(3, bool)},
        {"depth": np.full(3, -0.1)},
    ],
)
def test_what_is_doubtful_is_left_out(dip, changes):
    assert np.isnan(single_events(TIME, FLUX, dip(**changes), RULES)).all()


def test_weak_events_are_left_out_and_infinite_means_never(dip):
    assert np.isnan(single_events(TIME, FLUX, dip(), SingleEventRules(snr=20.1))).all()
    assert np.isnan(single_events(TIME, FLUX, dip(), SingleEventRules(snr=np.inf))).all()


def test_an_event_that_two_stars_share_is_left_out(dip):
    result = dip(rows=(0, 1))
    middle = single_events(TIME, FLUX, result, RULES)
    assert np.isfinite(middle[:2]).all()
    assert np.isnan(unshared(middle, result.duration)).all()
    alone = np.where([True, False, False], np.nan, middle)  # one of the two mirrors the other
    assert np.isfinite(unshared(alone, result.duration)).tolist() == [False, True, False]


def test_epochs_without_a_flux_do_not_count(dip):
    flux = FLUX.copy()
    flux[1, np.abs(TIME - 60002.0) < 0.12] = np.nan
    assert np.isnan(single_events(TIME, flux, dip(), RULES)).all()


def test_a_single_event_crosses_without_a_period(dip, made):
    result = dip()
    single = single_events(TIME, FLUX, result, RULES)
    look = findings(result, single, np.zeros(3, bool), made.panel(), Rules())
    assert look.crossed.tolist() == [False, True, False]
    assert np.isnan(look.period[1])
    assert look.significance[1] == 20.0


def test_a_periodic_curve_keeps_its_period(made):
    single = np.array([np.nan, 60000.0, np.nan])
    nobody = np.zeros(3, bool)
    look = findings(made.result(crossed=[1]), single, nobody, made.panel(), Rules())
    assert look.crossed.tolist() == [False, True, False]
    assert look.period[1] == 0.5


def test_significance_of_a_pulsator_comes_from_the_sinusoid(made):
    result = dataclasses.replace(
        made.result(crossed=[0, 1]),
        kind=np.array([3, 2, 0], np.uint8),
        power_ls=np.array([0.5, 0.5, np.nan]),
        n_epochs=np.full(3, 400),
        snr_pink=np.array([1.0, np.nan, np.nan]),
    )
    assert significance(result) == pytest.approx([20.0, 30.0, 3.0])


def test_a_mirror_does_not_cross_and_what_is_sure_has_a_false_alarm_probability_to_spare(made):
    result = dataclasses.replace(made.result(crossed=[0, 1, 2]), fap=np.array([1e-9, 6e-5, 1e-9]))
    echo = np.array([False, False, True])
    look = findings(result, np.full(3, np.nan), echo, made.panel(), Rules())
    assert look.crossed.tolist() == [True, True, False]
    assert look.sure.tolist() == [True, False, False]
