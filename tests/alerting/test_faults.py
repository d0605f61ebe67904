"""Events that many stars of a panel show at once belong to frames, unless they mirror one star."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from csstream.alerting.faults import FaultRules, faulty_events
from csstream.alerting.judging import AlertRules, Look, judge
from csstream.alerting.single_events import SingleEventRules, with_single_events

TIME = 60000.0 + 0.05 * np.arange(100)  # five days
N = 6
RULES = FaultRules()
ARCSEC = 1.0 / 3600.0


def flux_of(levels=(1000.0,) * N):
    """Curves (n, m) of these mean fluxes [nJy]."""
    return np.array(levels)[:, None] * np.ones(len(TIME))


@pytest.fixture
def faulty(made):
    """Which single events are taken for faults of frames."""

    def told(rows, flux=None, weak=(), **columns):
        result = made.dips(made.result(objects=N), rows=rows, **columns)
        fap = np.where(np.isin(np.arange(N), weak), 5e-3, result.single_fap)
        result = dataclasses.replace(result, single_fap=fap)
        flux = flux_of() if flux is None else flux
        seen = with_single_events(TIME, flux, result, SingleEventRules())
        return faulty_events(TIME, flux, seen, np.zeros(N, bool), RULES)

    return told


def test_three_stars_with_one_event_show_a_fault_and_two_do_not(faulty):
    assert faulty((0, 2, 4)).tolist() == [True, False, True, False, True, False]
    assert not faulty((0, 2)).any()


def test_weak_dips_at_the_same_time_are_witnesses(faulty):
    assert faulty((0, 2, 4), weak=(2, 4)).tolist() == [True, *[False] * 5]


def test_other_times_and_other_lengths_are_other_events(faulty):
    number = np.array([0.0, np.nan, 0.5, np.nan, 1.0, np.nan])
    assert not faulty((0, 2, 4), single_t0=60001.0 + number).any()
    assert not faulty((0, 2, 4), single_duration=0.1 * 4.0**number).any()


def test_a_far_stronger_star_is_not_lost_to_those_that_mirror_it(faulty):
    levels = (9000.0, 1000.0, 1000.0, 1000.0, 1000.0, 1000.0)
    found = faulty((0, 2, 4), flux=flux_of(levels))
    assert found.tolist() == [False, False, True, False, True, False]


def judged(made, result, flux, east):
    """Judge one look at stars that lie ``east`` [arcsec] of the first."""
    look = Look(
        examination=1,
        visit=10,
        closing=True,
        object_id=made.first_id + np.arange(N),
        ra=269.0 + np.array(east) * ARCSEC / np.cos(np.radians(-29.5)),
        dec=np.full(N, -29.5),
        time=TIME,
        flux=flux,
    )
    return judge(look, result, previous=None, around=[], rules=AlertRules())


LEVELS = (1000.0, 700.0, 500.0, 2000.0, 2000.0, 2000.0)  # the first swings most, not by far
CROWDED = (0.0, 0.3, 0.6, 50.0, 60.0, 70.0)


def test_in_a_crowded_group_the_variable_is_alerted_and_its_two_mirrors_are_not(made):
    result = made.result(objects=N, crossed=(0, 1, 2))
    judgement = judged(made, result, flux_of(LEVELS), CROWDED)
    assert judgement.decision.reason == ("first_crossing", "", "", "", "", "")
    assert judgement.mirrors(made.first_id).tolist() == [made.first_id + 1, made.first_id + 2]


def test_so_is_the_star_of_a_single_event(made):
    result = made.dips(made.result(objects=N), rows=(0, 1, 2))
    judgement = judged(made, result, flux_of(LEVELS), CROWDED)
    assert judgement.decision.reason == ("single_event", "", "", "", "", "")
    assert judgement.mirrors(made.first_id).tolist() == [made.first_id + 1, made.first_id + 2]


def test_far_apart_the_same_three_show_a_fault_of_frames(made):
    apart = (0.0, 20.0, 40.0, 50.0, 60.0, 70.0)
    for result in (
        made.result(objects=N, crossed=(0, 1, 2)),
        made.dips(made.result(objects=N), rows=(0, 1, 2)),
    ):
        assert not any(judged(made, result, flux_of(LEVELS), apart).decision.reason)


def test_two_variables_alike_and_far_apart_are_both_alerted(made):
    result = made.result(objects=N, crossed=(0, 1))
    apart = (0.0, 20.0, 40.0, 50.0, 60.0, 70.0)
    reason = judged(made, result, flux_of(LEVELS), apart).decision.reason
    assert reason == ("first_crossing", "first_crossing", "", "", "", "")
