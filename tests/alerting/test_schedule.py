"""When panels fall due."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from csstream.alerting.schedule import Schedule, phase


def due_counts(schedule: Schedule, panel: int, epochs: int) -> list[int]:
    return [n for n in range(1, epochs + 1) if schedule.due(7, panel, n - 1, n)]


def test_nothing_is_due_before_the_first_epochs():
    for panel in range(50):
        first = due_counts(Schedule(30, 1.1), panel, 40)[0]
        assert 30 <= first <= 33


def test_counts_grow_by_the_factor():
    counts = np.array(due_counts(Schedule(30, 1.1), 3, 2000))
    assert np.all(np.abs(counts[1:] / counts[:-1] - 1.1) < 0.04)


def test_all_examinations_together_look_at_about_ten_times_the_data():
    schedule = Schedule(30, 1.1)
    looked = [sum(due_counts(schedule, panel, 1000)) / 1000 for panel in range(20)]
    assert 9.0 < np.mean(looked) < 11.5


def test_panels_do_not_fall_due_together():
    schedule = Schedule(30, 1.1)
    load = np.zeros(801)
    for panel in range(150):
        load[due_counts(schedule, panel, 800)] += 1
    assert load[200:].max() < 0.15 * 150
    assert 0.0 <= phase(7, 3) < 1.0


@given(
    st.integers(0, 10**9),
    st.integers(0, 10**4),
    st.lists(st.integers(1, 40), min_size=1, max_size=30),
)
def test_jumps_in_the_count_lose_no_due_count_and_double_none(cell, panel, jumps):
    schedule, before, by_jump = Schedule(10, 1.2), 0, 0
    for jump in jumps:
        exact = [schedule.due(cell, panel, n, n + 1) for n in range(before, before + jump)]
        assert schedule.due(cell, panel, before, before + jump) == any(exact)
        by_jump += any(exact)
        before += jump
    assert by_jump <= len(jumps)


@pytest.mark.parametrize(("first", "growth"), [(1, 1.1), (30, 1.0)])
def test_a_schedule_that_never_moves_on_is_refused(first, growth):
    with pytest.raises(ValueError, match="first must be at least 2"):
        Schedule(first, growth)
