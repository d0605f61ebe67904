"""One event alone is a candidate when noise hardly makes its like and its shape was seen."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from csstream.alerting.decisions import Rules
from csstream.alerting.single_events import (
    LENGTH,
    SingleEventRules,
    candidates,
    dip_kind,
    with_single_events,
)
from csstream.alerting.thresholds import findings, significance
from csstream.timeseries.kinds import KINDS

TIME = 60000.0 + 0.05 * np.arange(100)  # five days
FLUX = 1000.0 * (1.0 - 0.02 * (np.abs(TIME - 60002.0) < 0.15)) * np.ones((3, 1))
RULES = SingleEventRules()
NOBODY = np.zeros(3, bool)


def test_a_deep_event_crosses_and_is_told_by_itself(made):
    before = made.dips(made.result())
    seen = with_single_events(TIME, FLUX, before, RULES)
    assert seen.crossed.tolist() == [False, True, False]
    assert np.isnan(seen.period).all()
    assert (seen.t0[1], seen.duration[1], seen.depth[1]) == (60002.0, LENGTH * 0.3, 0.02)
    assert (seen.fap[1], seen.fap_extrapolated[1], seen.n_events[1]) == (1e-9, True, 1)
    assert 0.0 < seen.t0_err[1] < 0.1
    assert seen.depth_err[1] == pytest.approx(0.002)
    assert seen.probabilities[1].sum() == pytest.approx(1.0)
    assert seen.probabilities[1, seen.kind[1]] > 0.99
    for name in ("t0", "fap", "kind", "probabilities", "global_view", "single_t0"):
        old, new = getattr(before, name), getattr(seen, name)
        assert old.dtype == new.dtype
        np.testing.assert_array_equal(old[[0, 2]], new[[0, 2]])


def test_the_views_show_the_whole_curve_with_the_event_in_the_middle(made):
    seen = with_single_events(TIME, FLUX, made.dips(made.result()), RULES)
    assert np.flatnonzero(seen.global_view[1] < -0.5).mean() == pytest.approx(100, abs=2)
    assert np.flatnonzero(seen.local_view[1] < -0.5).mean() == pytest.approx(30, abs=2)
    assert np.nanmax(seen.global_view[1]) == 0.0


@pytest.mark.parametrize(
    "changes",
    [
        {"single_fap": np.full(3, 1e-4)},
        {"single_points": np.full((3, 3), 4)},  # too few in it
        {
            "single_points": np.array([[9, 9, 9], [3, 9, 9], [9, 9, 9]])
        },  # its beginning was not seen
        {"single_points": np.array([[9, 9, 9], [9, 9, 3], [9, 9, 9]])},  # its end was not seen
        {"single_shape": np.full(3, 0.2)},  # one outlier
        {"single_edge": np.full(3, 0.5)},  # begins and ends within pauses
        {"single_depth": np.full(3, 0.002)},
        {"crossed": np.ones(3, bool)},  # it has a period
    ],
)
def test_what_is_doubtful_is_left_out(made, changes):
    result = made.dips(made.result(), **changes)
    assert not candidates(result, RULES).any()
    assert with_single_events(TIME, FLUX, result, RULES) is result


def test_no_false_alarm_allowed_means_never(made):
    result = made.dips(made.result(), single_fap=np.zeros(3))
    assert not candidates(result, SingleEventRules(fap=0.0)).any()


def test_the_network_names_the_class_and_the_depth_where_it_did_not_look(made):
    chances = np.array([[0.9, 0.08, 0.02, 0.0], [0.9, 0.02, 0.08, 0.0], [1.0, 0.0, 0.0, 0.0]])
    result = made.dips(made.result(), rows=(0, 1, 2), probabilities=chances)
    assert [KINDS[k] for k in dip_kind(result)] == ["transit", "eclipsing", "transit"]
    deep = dataclasses.replace(result, single_depth=np.full(3, 0.1))
    assert [KINDS[k] for k in dip_kind(deep)] == ["transit", "eclipsing", "eclipsing"]


def test_epochs_without_a_flux_are_not_in_the_views(made):
    flux = FLUX.copy()
    flux[1, :20] = np.nan
    seen = with_single_events(TIME, flux, made.dips(made.result()), RULES)
    assert np.isnan(seen.global_view[1, :50]).any()


def test_a_single_event_has_its_own_significance(made):
    seen = with_single_events(TIME, FLUX, made.dips(made.result()), RULES)
    look = findings(seen, NOBODY, NOBODY, made.panel(), Rules())
    assert look.crossed.tolist() == [False, True, False]
    assert look.sure.tolist() == [False, True, False]
    assert np.isnan(look.period[1])
    assert look.significance[1] == 10.0


def test_a_periodic_curve_keeps_its_period(made):
    result = made.dips(made.result(crossed=[1]))
    seen = with_single_events(TIME, FLUX, result, RULES)
    assert seen.crossed.tolist() == [False, True, False]
    assert seen.period[1] == 0.5


def test_significance_of_a_pulsator_comes_from_the_sinusoid(made):
    result = dataclasses.replace(
        made.result(crossed=[0, 1]),
        kind=np.array([3, 2, 0], np.uint8),
        power_ls=np.array([0.5, 0.5, np.nan]),
        n_epochs=np.full(3, 400),
        snr_pink=np.array([1.0, np.nan, np.nan]),
    )
    assert significance(result) == pytest.approx([20.0, 30.0, 3.0])


def test_mirrors_and_faults_do_not_cross_and_what_is_sure_has_probability_to_spare(made):
    result = made.result(objects=4, crossed=[0, 1, 2, 3], fap=np.array([1e-9, 6e-5, 1e-9, 1e-9]))
    echo, faulty = np.array([False, False, True, False]), np.array([False, False, False, True])
    look = findings(result, echo, faulty, made.panel(objects=4), Rules())
    assert look.crossed.tolist() == [True, True, False, False]
    assert look.sure.tolist() == [True, False, False, False]
