"""What a run counts: each record once, whatever is repeated."""

from __future__ import annotations

from typing import Any

import pytest


def test_a_whole_run_is_counted(made: Any) -> None:
    tally = made.tally()
    assert (tally.published, tally.processed, tally.given_up) == (3, 3, 1)
    assert tally.sources == 200
    assert (tally.objects, tally.examinations, tally.panels_examined) == (3, 3, 1)
    assert tally.latencies() == [0.5, 0.5]
    assert tally.all_reported


def test_repeated_records_count_once(made: Any) -> None:
    tally = made.tally()
    repeated = [
        (made.exposure(1), 1000),
        (made.report(1), 9000),
        (made.verdicts(), 9000),
        (made.alert(), 9000),
        (made.dead_letter(), 9000),
    ]
    assert [tally.add(record, time) for record, time in repeated] == [False] * 5
    assert (tally.published, tally.processed, tally.sources) == (3, 3, 200)
    assert (tally.examinations, len(tally.alerts), len(tally.dead_letters)) == (3, 1, 1)
    assert tally.latencies() == [0.5, 0.5]


def test_files_that_were_refused_are_told_apart_by_their_error(made: Any) -> None:
    tally = made.tally()
    assert tally.add(made.dead_letter(error="/b.fits: no FITS file"), 9000)
    assert len(tally.dead_letters) == 2


def test_it_is_not_done_before_each_exposure_has_its_report(made: Any) -> None:
    tally = made.tally()
    tally.add(made.exposure(9), 9000)
    assert not tally.all_reported
    tally.add(made.report(9), 9500)
    assert tally.all_reported


def test_it_is_not_done_before_the_sequence_has_ended(made: Any) -> None:
    tally = type(made.tally())()
    tally.add(made.exposure(1), 0)
    tally.add(made.report(1), 0)
    assert not tally.all_reported


def test_an_examination_that_compaction_took_is_counted_from_its_successor(made: Any) -> None:
    tally = type(made.tally())()
    tally.add(made.verdicts(number=2, previous=made.examination(1), objects=(1, 2, 3, 4)), 0)
    assert tally.panels_examined == 2
    assert (tally.objects, tally.examinations) == (4, 3 + 4)


def test_the_standing_alert_is_the_newest_and_withdrawn_ones_are_gone(made: Any) -> None:
    tally = type(made.tally())()
    tally.add(made.alert("new", object_id=1, visit=40), 1)
    tally.add(made.alert("old", object_id=1, visit=30), 2)
    tally.add(made.alert("first", object_id=2, visit=30), 3)
    tally.add(made.alert("gone", object_id=2, visit=50, reason="withdrawn"), 4)
    assert [r.alert.alert_id for r in tally.latest_alerts()] == ["new"]
    assert len(tally.alerts) == 4


@pytest.mark.parametrize("count", [0, 3, 2])
def test_panels_are_counted_upwards_only(made: Any, count: int) -> None:
    tally = made.tally()
    tally.note_panels(2, 100)
    tally.note_panels(count, 200)
    assert tally.panels == max(2, count)
