"""When an alert is due: examples of every rule, and what holds for any course of looks."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from csstream.alerting.decisions import (
    CLASS,
    DOUBLED,
    FIRST,
    PERIOD,
    SINGLE,
    WITHDRAWN,
    Findings,
    Rules,
    decide,
)
from csstream.alerting.identity import alert_id, object_key, panel_key
from csstream.contracts.codec import decode, encode
from csstream.contracts.records import Examination, Verdicts

RULES = Rules()
TRANSIT, ECLIPSING, PULSATING = 1, 2, 3
NO_PERIOD = float("nan")


def look(
    number,
    crossed=True,
    kind=ECLIPSING,
    period=1.5,
    err=1e-4,
    significance=20.0,
    ids=(7,),
    closing=False,
    sure=False,
    echo=False,
):
    """One look at objects that all show the same."""
    n = len(ids)
    return Findings(
        examination=number,
        visit=10 * number,
        closing=closing,
        object_id=np.array(ids, np.int64),
        crossed=np.full(n, crossed),
        sure=np.full(n, sure),
        echo=np.full(n, echo),
        kind=np.full(n, kind, np.uint8),
        period=np.full(n, period),
        period_err=np.full(n, err),
        significance=np.full(n, significance, np.float32),
    )


def course(*looks, rules=RULES):
    """Reasons of the first object, look by look."""
    previous, reasons = None, []
    for each in looks:
        decision = decide(each, previous, rules)
        previous = decision.examination
        reasons.append(decision.reason[0])
    return reasons


def test_alert_is_sent_at_the_second_look_that_crosses():
    assert course(look(1), look(2)) == ["", FIRST]


def test_one_look_that_crosses_is_not_enough():
    assert course(look(1), look(2, crossed=False), look(3)) == ["", "", ""]


def test_first_look_of_all_never_sends():
    assert course(look(1, significance=1e6)) == [""]


def test_known_variable_is_not_repeated():
    assert course(*[look(n) for n in range(1, 6)]) == ["", FIRST, "", "", ""]


def test_two_looks_with_unlike_periods_do_not_agree():
    assert course(look(1, period=1.5), look(2, period=1.1)) == ["", ""]


@pytest.mark.parametrize("factor", [2, 0.5, 3, 1.5])
def test_simple_multiples_of_a_period_agree(factor):
    assert course(look(1), look(2, period=1.5 * factor)) == ["", FIRST]


def test_an_uncertain_period_agrees_within_its_error():
    looks = [look(1, period=1.5, err=0.03), look(2, period=1.57, err=0.01)]
    assert course(*looks) == ["", FIRST]


def test_new_class_is_sent_when_two_looks_agree_on_it():
    looks = [look(1), look(2), look(3, kind=TRANSIT), look(4, kind=TRANSIT)]
    assert course(*looks) == ["", FIRST, "", CLASS]


def test_class_that_flickers_is_not_sent():
    looks = [look(1), look(2), look(3, kind=TRANSIT), look(4), look(5, kind=PULSATING), look(6)]
    assert course(*looks) == ["", FIRST, "", "", "", ""]


def test_moved_period_is_sent_when_two_looks_agree_on_it():
    looks = [look(1), look(2), look(3, period=3.0), look(4, period=3.0)]
    assert course(*looks) == ["", FIRST, "", PERIOD]


def test_small_move_of_the_period_is_left_unsaid():
    looks = [look(1), look(2), look(3, period=1.501), look(4, period=1.501)]
    assert course(*looks) == ["", FIRST, "", ""]


def test_doubled_significance_is_sent_at_once_and_once():
    looks = [look(1), look(2), look(3, significance=39.9), look(4, significance=40.0)]
    assert course(*looks, look(5, significance=50.0)) == ["", FIRST, "", DOUBLED, ""]


def test_withdrawn_after_two_looks_that_do_not_cross():
    looks = [look(1), look(2), look(3, crossed=False), look(4, crossed=False)]
    assert course(*looks, look(5, crossed=False)) == ["", FIRST, "", WITHDRAWN, ""]


def test_one_look_that_does_not_cross_withdraws_nothing():
    assert course(look(1), look(2), look(3, crossed=False), look(4)) == ["", FIRST, "", ""]


def test_what_was_withdrawn_comes_back_as_a_change_of_class():
    gone = [look(3, crossed=False), look(4, crossed=False)]
    back = [look(5), look(6)]
    assert course(look(1), look(2), *gone, *back) == ["", FIRST, "", WITHDRAWN, "", CLASS]


def test_single_event_then_its_second_event_at_once():
    one = [look(1, period=NO_PERIOD, err=NO_PERIOD), look(2, period=NO_PERIOD, err=NO_PERIOD)]
    assert course(*one, look(3, period=1.5)) == ["", SINGLE, PERIOD]


def test_a_single_event_is_not_withdrawn():
    one = [look(n, period=NO_PERIOD, err=NO_PERIOD) for n in (1, 2)]
    gone = [look(n, crossed=False) for n in (3, 4, 5)]
    assert course(*one, *gone, look(6, period=1.5)) == ["", SINGLE, "", "", "", PERIOD]


def test_a_single_event_of_a_known_periodic_star_changes_nothing():
    one = {"period": NO_PERIOD, "kind": TRANSIT, "significance": 90.0}
    course_of_looks = [look(1), look(2), look(3, **one), look(4, **one), look(5)]
    assert course(*course_of_looks) == ["", FIRST, "", "", ""]


def test_second_event_before_the_single_one_was_sent_is_a_first_crossing():
    one = look(1, period=NO_PERIOD, err=NO_PERIOD)
    assert course(one, look(2, period=1.5)) == ["", FIRST]


def test_the_closing_look_alone_is_enough_where_it_is_sure():
    assert course(look(1, crossed=False), look(2, closing=True, sure=True)) == ["", FIRST]
    assert course(look(1, closing=True, sure=True)) == [FIRST]


def test_the_closing_look_alone_is_not_enough_where_it_is_not_sure():
    assert course(look(1, crossed=False), look(2, closing=True)) == ["", ""]
    assert course(look(1, crossed=False), look(2, sure=True)) == ["", ""]


def test_a_single_event_of_the_closing_look_is_sent():
    last = look(2, period=NO_PERIOD, err=NO_PERIOD, closing=True, sure=True)
    assert course(look(1, crossed=False), last) == ["", SINGLE]


def test_the_closing_look_updates_class_and_period_at_once():
    known = [look(1), look(2)]
    assert course(*known, look(3, kind=TRANSIT, closing=True, sure=True))[2] == CLASS
    assert course(*known, look(3, period=2.0, closing=True, sure=True))[2] == PERIOD
    assert course(*known, look(3, kind=TRANSIT, closing=True))[2] == ""


def test_the_closing_look_alone_withdraws_nothing():
    assert course(look(1), look(2), look(3, crossed=False, closing=True)) == ["", FIRST, ""]


def test_after_a_closing_look_that_repeats_nothing_new_is_sent():
    assert course(look(1), look(2), look(3, closing=True, sure=True), look(4))[2:] == ["", ""]


def test_a_mirror_is_withdrawn_at_once_and_does_not_come_back():
    echo = [look(n, crossed=False, echo=True) for n in (3, 4, 5)]
    assert course(look(1), look(2), *echo) == ["", FIRST, WITHDRAWN, "", ""]


def test_a_single_event_that_turns_out_to_be_a_mirror_is_withdrawn():
    one = [look(n, period=NO_PERIOD, err=NO_PERIOD) for n in (1, 2)]
    assert course(*one, look(3, crossed=False, echo=True)) == ["", SINGLE, WITHDRAWN]


def test_update_replaces_the_alert_before():
    first = decide(look(2), decide(look(1), None, RULES).examination, RULES)
    update = decide(look(3, significance=99.0), first.examination, RULES)
    assert first.replaces == ("",)
    assert update.replaces == first.examination.alert_id
    assert update.examination.alert_id == (alert_id(7, 30, 3, DOUBLED),)


def test_objects_are_matched_by_id_when_the_panel_has_grown():
    before = decide(look(1, ids=(9, 7)), None, RULES).examination
    decision = decide(look(2, ids=(7, 8, 9)), before, RULES)
    assert decision.reason == (FIRST, "", FIRST)
    assert decision.rows() == [0, 2]


def test_an_empty_panel_gives_an_empty_look():
    assert decide(look(1, ids=()), None, RULES).reason == ()


def test_ids_depend_on_every_part_and_have_32_digits():
    ids = {
        alert_id(1, 2, 3, FIRST),
        alert_id(2, 2, 3, FIRST),
        alert_id(1, 3, 3, FIRST),
        alert_id(1, 2, 4, FIRST),
        alert_id(1, 2, 3, SINGLE),
    }
    assert len(ids) == 5
    assert all(len(each) == 32 and int(each, 16) >= 0 for each in ids)


def test_keys_sort_as_numbers():
    assert object_key(258) == bytes([0, 0, 0, 0, 0, 0, 1, 2])
    assert panel_key(1, 2) == bytes([0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 2])


FEW = settings(max_examples=40, deadline=None)
PERIODS = st.sampled_from([1.5, 1.5005, 1.52, 3.0, 0.7, NO_PERIOD])


@st.composite
def courses(draw):
    """A course of looks at a panel that grows."""
    sizes = sorted(draw(st.lists(st.integers(1, 4), min_size=1, max_size=12)))
    return [draw(any_look(number, size)) for number, size in enumerate(sizes, start=1)]


@st.composite
def any_look(draw, number, n):
    def column(values):
        return np.array(draw(st.lists(values, min_size=n, max_size=n)))

    return Findings(
        examination=number,
        visit=3 * number,
        closing=draw(st.booleans()),
        object_id=np.arange(1, n + 1, dtype=np.int64),
        crossed=(crossed := column(st.booleans())),
        sure=column(st.booleans()) & crossed,
        echo=column(st.booleans()) & ~crossed,
        kind=column(st.sampled_from([TRANSIT, ECLIPSING, PULSATING])).astype(np.uint8),
        period=column(PERIODS).astype(float),
        period_err=column(st.sampled_from([1e-4, 0.02, NO_PERIOD])).astype(float),
        significance=column(st.floats(0, 100, width=32)).astype(np.float32),
    )


def run(looks):
    """Per look: (reasons by object, ids by object, replaced ids by object)."""
    previous, sent = None, []
    for each in looks:
        decision = decide(each, previous, RULES)
        previous = decision.examination
        for r in decision.rows():
            sent.append(
                (
                    int(each.object_id[r]),
                    decision.reason[r],
                    previous.alert_id[r],
                    decision.replaces[r],
                )
            )
    return sent


@FEW
@given(courses())
def test_an_object_is_never_first_seen_twice_and_its_alerts_are_a_chain(looks):
    sent = run(looks)
    for object_id in {each[0] for each in sent}:
        chain = [each for each in sent if each[0] == object_id]
        assert chain[0][1] in (FIRST, SINGLE)
        assert all(each[1] not in (FIRST, SINGLE) for each in chain[1:])
        assert [each[3] for each in chain] == ["", *[each[2] for each in chain[:-1]]]


@FEW
@given(courses())
def test_alert_ids_are_distinct(looks):
    ids = [each[2] for each in run(looks)]
    assert len(set(ids)) == len(ids)


@FEW
@given(courses())
def test_only_a_standing_alert_is_withdrawn_and_only_while_nothing_crosses(looks):
    crossed = {
        (f.examination, int(i)): bool(c)
        for f in looks
        for i, c in zip(f.object_id, f.crossed, strict=True)
    }
    previous = None
    for each in looks:
        decision = decide(each, previous, RULES)
        for r in decision.rows():
            here = crossed[each.examination, int(each.object_id[r])]
            assert here == (decision.reason[r] != WITHDRAWN)
        previous = decision.examination


@FEW
@given(courses())
def test_memory_that_went_through_bytes_decides_alike(looks):
    previous = stored = None
    for each in looks:
        direct, again = decide(each, previous, RULES), decide(each, stored, RULES)
        assert direct.reason == again.reason
        previous = direct.examination
        verdicts = Verdicts(cell=1, panel=0, previous=stored, latest=again.examination)
        payload = encode(verdicts)
        assert payload == encode(dataclasses.replace(verdicts, latest=direct.examination))
        stored = decode(payload, Verdicts).latest


@FEW
@given(courses(), st.randoms())
def test_the_order_of_objects_in_a_look_does_not_matter(looks, random):
    def shuffled(each):
        order = list(range(len(each.object_id)))
        random.shuffle(order)
        columns = (
            *("object_id", "crossed", "sure", "echo"),
            *("kind", "period", "period_err", "significance"),
        )
        return dataclasses.replace(each, **{c: getattr(each, c)[order] for c in columns})

    assert sorted(run(looks)) == sorted(run([shuffled(each) for each in looks]))


def test_a_look_is_remembered_in_full():
    examination = decide(look(2), decide(look(1), None, RULES).examination, RULES).examination
    assert isinstance(examination, Examination)
    assert examination.alert_kind.tolist() == [ECLIPSING]
    assert examination.alert_period.tolist() == [1.5]
    assert examination.alert_significance.tolist() == [20.0]
    assert examination.crossed.dtype == np.uint8
