"""Filters, starting points, progress, text and JSON of the subscriber."""

from __future__ import annotations

import json
import math
from datetime import datetime

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from csstream.subscriber.as_json import to_json
from csstream.subscriber.filters import REASONS, AlertFilter
from csstream.subscriber.progress import Progress, Seen
from csstream.subscriber.rows import fitting, heading, row
from csstream.subscriber.start import parse_start
from csstream.subscriber.text import fap_text, probabilities_text, with_error

NAN = math.nan


@pytest.mark.parametrize(
    ("conditions", "passes"),
    [
        ({}, True),
        ({"kinds": frozenset({"eclipsing"})}, True),
        ({"kinds": frozenset({"transit"})}, False),
        ({"max_fap": 1e-7}, True),
        ({"max_fap": 9e-8}, False),
        ({"reasons": frozenset({"withdrawn"})}, False),
        ({"objects": frozenset({1001})}, True),
        ({"objects": frozenset({5})}, False),
    ],
)
def test_every_condition_must_hold(alert, conditions, passes):
    assert AlertFilter(**conditions).matches(alert(1)) == passes


def test_withdrawals_pass_conditions_on_class_and_chance(alert):
    gone = alert(1, kind="none", reason="withdrawn", fap=1.0)
    wanted = AlertFilter(kinds=frozenset({"transit"}), max_fap=1e-9)
    assert wanted.matches(gone)
    assert not AlertFilter(reasons=frozenset({"first_crossing"})).matches(gone)


def test_a_class_or_reason_that_is_not_there_is_named():
    with pytest.raises(ValueError, match="no class is called nova; there are none, transit"):
        AlertFilter(kinds=frozenset({"nova"}))
    with pytest.raises(ValueError, match="no reason is called why"):
        AlertFilter(reasons=frozenset({"why"}))
    assert "single_event" in REASONS


@pytest.mark.parametrize(
    ("text", "start"),
    [
        ("earliest", "earliest"),
        ("latest", "latest"),
        ("1970-01-01T00:00:01Z", 1000),
        ("1970-01-01T01:00:01+01:00", 1000),
        ("1970-01-02", 86_400_000),
        (datetime(1970, 1, 1, 0, 1), 60_000),
    ],
)
def test_starting_points(text, start):
    assert parse_start(text) == start


def test_a_start_that_is_no_time_says_what_is():
    with pytest.raises(ValueError, match="'yesterday': give earliest, latest or a time"):
        parse_start("yesterday")


@given(st.permutations(range(6)))
def test_progress_is_the_first_alert_that_is_still_open(order):
    progress = Progress()
    for offset in range(6):
        progress.handed_out(f"a{offset}", 0, offset)
    still_open = set(range(6))
    for offset in order:
        still_open.discard(offset)
        assert progress.done(f"a{offset}") == (0, min(still_open, default=6))


def test_progress_goes_past_what_needs_no_attention():
    progress = Progress()
    progress.handed_out("a", 1, 4)
    progress.passed(1, 5)
    assert progress.done("a") == (1, 6)
    with pytest.raises(KeyError):
        progress.done("a")


def test_ids_are_repeated_while_they_are_remembered():
    seen = Seen(size=2)
    assert [seen.repeated(i) for i in "aabcba"] == [False, True, False, False, True, False]


@pytest.mark.parametrize(
    ("value", "error", "text"),
    [
        (1.234567, 0.00012, "1.23457 ± 0.00012 d"),
        (10.0, 0.5, "10.00 ± 0.50 d"),
        (123.4, 20.0, "123 ± 20 d"),
        (1.5, NAN, "1.5 d"),
        (1.5, 0.0, "1.5 d"),
        (NAN, 0.1, "–"),
    ],
)
def test_numbers_carry_as_many_digits_as_their_error(value, error, text):
    assert with_error(value, error, "d") == text


@pytest.mark.parametrize(
    ("extrapolated", "texts"),
    [
        (False, ["3e-05", "<1e-99", "<1e-99", "–"]),
        (True, ["~3e-05", "~<1e-99", "~<1e-99", "–"]),
    ],
)
def test_small_chances(alert, extrapolated, texts):
    told = [alert(1, fap=f, fap_extrapolated=extrapolated) for f in (3e-5, 1e-120, 0.0, NAN)]
    assert [fap_text(each) for each in told] == texts


def test_probabilities_are_ranked(alert):
    assert probabilities_text(alert(1)) == "eclipsing 0.96, transit 0.02, pulsating 0.02"


def test_rows_line_up_with_the_heading(alert):
    head, line = heading().plain, row(alert(1)).plain
    assert line[head.index("object") + 6 - 4 : head.index("object") + 6] == "1001"
    assert line[head.index("class") :].startswith("eclipsing")
    assert "1.23450 ± 0.00012" in line
    assert "–" in row(alert(1, period=NAN, period_err=NAN)).plain
    longest = row(alert(1, fap=0.0, fap_extrapolated=True)).plain
    assert longest[: head.index("FAP") + 3].endswith("~<1e-99")
    assert longest[head.index("probable") :].startswith("E0.96")


@pytest.mark.parametrize("width", [100, 120, 160, 300])
def test_rows_fit_the_terminal_and_keep_what_matters(alert, width):
    columns = fitting(width)
    line = row(alert(1), columns).plain
    assert len(line) <= width
    assert "1.23450 ± 0.00012" in line
    assert "E0.96" in line
    assert len(columns) == 12 or width < 170


def test_json_holds_everything_and_no_nan(alert):
    sent = alert(1, period=NAN)
    text = to_json(sent)
    assert "\n" not in text
    back = json.loads(text)
    assert back["period"] is None
    assert back["probabilities"]["eclipsing"] == 0.96
    np.testing.assert_array_equal(np.array(back["flux"], np.float32), sent.flux)
    assert set(back) == set(vars(sent))


def test_json_turns_empty_bins_into_null(alert):
    view = np.full(201, np.nan, np.float32)
    assert json.loads(to_json(alert(1, global_view=view)))["global_view"] == [None] * 201
