"""Stars that only mirror a bright variable are told from variables of their own."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from csstream.alerting.judging import AlertRules, Look, judge
from csstream.alerting.mirrors import MirrorRules, Swings, mirrored, neighbourhood

ARCSEC = 1.0 / 3600.0
TRANSIT, ECLIPSING, PULSATING = 1, 2, 3
SPAN = 4.0  # [day]
RULES = MirrorRules()
NAN = float("nan")


def star(number=1, east=0.0, kind=ECLIPSING, period=0.7, err=1e-4, t0=0.2, width=0.1, swing=10.0):
    """One varying star, ``east`` [arcsec] of the origin."""
    values = (number, east * ARCSEC / np.cos(np.radians(-29.5)) + 269.0, -29.5, kind)
    columns = (*values, period, err, t0, width, swing)
    names = [each.name for each in dataclasses.fields(Swings)]
    return Swings(**{n: np.array([v]) for n, v in zip(names, columns, strict=True)})


BRIGHT = star(number=9, swing=100.0)


def of(mirror, source=BRIGHT, span=SPAN, rules=RULES):
    return mirrored(mirror, source, span, rules)[0]


def test_a_near_star_with_the_same_events_mirrors_the_one_of_larger_swing():
    assert of(star(east=0.3)) == 9
    assert of(BRIGHT, star(east=0.3)) == 0
    assert of(BRIGHT, BRIGHT) == 0


@pytest.mark.parametrize(
    "changes",
    [
        {"east": 0.9},  # too far
        {"period": 0.78},
        {"t0": 0.4},  # other phase
        {"t0": 0.55},  # antiphase of two sharp events
        {"swing": 101.0},
        {"swing": NAN},
        {"period": 2.1, "t0": 0.2},  # thrice the period
    ],
)
def test_a_star_with_a_variation_of_its_own_is_none(changes):
    assert of(star(**{"east": 0.3, **changes})) == 0


@pytest.mark.parametrize(
    "changes",
    [
        {"period": 1.4, "t0": 0.9},  # every other event
        {"period": 0.35},
        {"period": 0.71},  # half a resolution element off
        {"period": 0.72, "err": 0.01},
        {"t0": 0.2 + 3 * 0.7},
        {"kind": PULSATING, "t0": 0.55},  # its maximum half a period later
        {"kind": PULSATING, "t0": 0.2, "width": NAN},
    ],
)
def test_multiples_errors_and_signs_of_one_variation_agree(changes):
    assert of(star(**{"east": 0.3, **changes})) == 9


def test_a_single_event_is_compared_with_single_and_repeating_ones():
    one = star(east=0.3, period=NAN, err=NAN, t0=0.2 + 2 * 0.7 + 0.04)
    assert of(one) == 9
    assert of(dataclasses.replace(one, t0=np.array([0.5]))) == 0
    alone = dataclasses.replace(BRIGHT, period=np.array([NAN]), t0=np.array([1.6]))
    assert of(one, alone) == 9
    assert of(dataclasses.replace(one, t0=np.array([1.7])), alone) == 0


def test_a_star_does_not_mirror_itself_in_another_band():
    assert of(star(number=1 + (1 << 48))) == 0
    other = dataclasses.replace(BRIGHT, object_id=BRIGHT.object_id + (1 << 48))
    assert of(star(number=1 + (1 << 48), east=0.3), other) == 9 + (1 << 48)


def test_the_strongest_source_is_named_and_no_radius_means_no_mirrors():
    from csstream.alerting.mirrors import join

    both = join([star(number=8, east=0.1, swing=50.0), BRIGHT])
    assert of(star(east=0.3), both) == 9
    assert of(star(east=0.3), rules=MirrorRules(radius_arcsec=0.0)) == 0


def test_right_ascensions_meet_at_the_full_circle():
    left, right = (
        dataclasses.replace(each, ra=np.array([ra]))
        for each, ra in [(star(), 360.0 - 0.1 * ARCSEC), (BRIGHT, 0.1 * ARCSEC)]
    )
    assert of(left, right) == 9


# Whole panels: two stars 0.36 arcsec apart (make_panel), the first ten times as bright.


@pytest.fixture
def two(made):
    """Judge a look of a panel; objects 0 and 1 vary alike, in one panel or in two."""

    def judged(number, crossed, members=(0, 1, 2), flux=(50000.0, 5000.0, 4000.0), **given):
        panel = made.panel(number, objects=3)
        rows = list(members)
        result = made.result(crossed=[rows.index(c) for c in crossed], objects=len(rows))
        curves = np.repeat(np.array(flux)[rows, None], 12, axis=1)
        look = Look(
            examination=number,
            visit=10 * number,
            closing=False,
            object_id=panel.object_id[rows],
            ra=panel.ra[rows],
            dec=panel.dec[rows],
            time=panel.mjd_mid_tai,
            flux=curves,
        )
        values = {"previous": None, "around": [], "rules": AlertRules()} | given
        return judge(look, values.pop("result", result), **values)

    return judged


def test_in_one_panel_the_source_is_alerted_and_names_its_mirror(two, made):
    first = two(1, crossed=(0, 1))
    second = two(2, crossed=(0, 1), previous=first.decision.examination)
    assert second.decision.reason == ("first_crossing", "", "")
    assert second.mirrors(made.first_id).tolist() == [made.first_id + 1]
    assert second.mirror_of(made.first_id + 1) == made.first_id
    assert second.mirror_of(made.first_id) == 0


def test_a_mirror_that_the_science_left_out_is_named_too(two, made):
    kind = np.array([ECLIPSING, ECLIPSING, 0], np.uint8)
    result = dataclasses.replace(
        made.result(crossed=(0, 1)), crossed=np.array([True, False, False]), kind=kind
    )
    judgement = two(1, crossed=(0,), result=result)
    assert judgement.mirrors(made.first_id).tolist() == [made.first_id + 1]


def test_in_two_panels_the_mirror_alerted_first_is_withdrawn(two, made):
    faint = {"members": (1, 2), "crossed": (1,)}
    alone = two(1, **faint)
    sent = two(2, previous=alone.decision.examination, **faint)
    assert sent.decision.reason == ("first_crossing", "")
    # the source's panel is looked at, and names the other panel's star
    bright = two(2, members=(0,), crossed=(0,), around=[neighbourhood(sent.decision.examination)])
    assert bright.mirrors(made.first_id).tolist() == [made.first_id + 1]
    gone = two(
        3,
        previous=sent.decision.examination,
        around=[neighbourhood(bright.decision.examination)],
        **faint,
    )
    assert gone.decision.reason == ("withdrawn", "")
    assert gone.decision.replaces[0] == sent.decision.examination.alert_id[0]
    assert gone.mirror_of(made.first_id + 1) == made.first_id


def test_a_look_taken_again_keeps_its_mirrors_whatever_is_around_by_now(two, made):
    around = [neighbourhood(two(1, members=(1,), crossed=(1,)).decision.examination)]
    first = two(1, members=(0,), crossed=(0,), around=around)
    again = two(1, members=(0,), crossed=(0,), around=[], repeated=first.decision.examination)
    assert again.mirrors(made.first_id).tolist() == [made.first_id + 1]
    assert again.decision.examination.mirror_id.tolist() == [made.first_id + 1]


def test_a_single_event_is_not_lost_to_its_own_mirror(two, made):
    t0 = made.panel().mjd_mid_tai[0] + 0.55
    result = made.dips(made.result(), rows=(0, 1), t0=t0)
    first = two(1, crossed=(), result=result)
    judgement = two(2, crossed=(), result=result, previous=first.decision.examination)
    assert judgement.decision.reason == ("single_event", "", "")
    assert judgement.mirrors(made.first_id).tolist() == [made.first_id + 1]


def test_minima_are_compared_whatever_the_class_says(two, made):
    result = made.result(crossed=(0, 1), kind=np.array([PULSATING, ECLIPSING, 0], np.uint8))
    result = dataclasses.replace(result, t0=result.t0 + np.array([0.12, 0.0, 0.0]))  # its maximum
    judgement = two(1, crossed=(0, 1), result=result)
    assert judgement.mirrors(made.first_id).tolist() == [made.first_id + 1]
