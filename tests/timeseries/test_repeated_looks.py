"""Looking again and again: how many looks there were, and what they do to a probability."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from csstream.evaluate.null_looks import due_counts, smallest_alerted
from csstream.timeseries.false_alarms import LooksTable, shipped_table
from csstream.timeseries.repeated_looks import fap_of_looks, looks_so_far

TABLE = LooksTable(
    np.array([1.0, 5.0, 10.0]),
    np.array([0.0, -1.0]),
    np.array([[1.0, 1.0], [1.5, 3.0], [2.0, 5.0]]),
    5000,
)


def test_the_first_look_is_as_stated():
    assert fap_of_looks(np.array([3e-5]), 1, 1e-4, TABLE)[0] == pytest.approx(3e-5)


def test_factors_follow_looks_and_probability():
    fap = np.array([1e-4, 1e-5, 1e-9])
    np.testing.assert_allclose(fap_of_looks(fap, 10, 1e-4, TABLE), fap * [2.0, 5.0, 5.0])
    np.testing.assert_allclose(fap_of_looks(fap, 15, 1e-4, TABLE), fap * [2.5, 7.0, 7.0])


@given(st.floats(0.0, 1.0), st.integers(1, 80))
def test_no_probability_exceeds_one_or_falls_below_that_of_the_look(fap, looks):
    stated = fap_of_looks(np.array([fap]), looks, 1e-4)[0]
    assert fap <= stated <= 1.0
    assert stated <= fap_of_looks(np.array([fap]), looks + 5, 1e-4)[0]


def test_looks_are_counted_from_the_first_that_can_find_a_period():
    time = 60000.0 + np.arange(1000) * 300.0 / 86400.0
    counts = due_counts(1000)
    useful = [count for count in counts if time[count - 1] - time[0] > 0.21]
    assert looks_so_far(time) == pytest.approx(len(useful), abs=1)
    assert looks_so_far(time[:50]) == 1
    assert looks_so_far(time[:1]) == 1
    sparse = np.linspace(0.0, 300.0, 300)
    assert looks_so_far(sparse) == pytest.approx(len(due_counts(300)), abs=1)


def test_an_alert_needs_two_looks_or_a_sure_last_one():
    fap = np.array([[1e-3, 0.5, 4e-3, np.nan], [9e-3, 8e-3, 0.5, 1e-4], [0.5, 9e-3, 0.5, 0.5]])
    alerted = smallest_alerted(fap, 1e-2)
    np.testing.assert_allclose(alerted[0], [1e-3, np.inf, 4e-3, np.nan])
    np.testing.assert_allclose(alerted[1], [np.inf, 8e-3, 8e-3, 1e-4])
    assert np.all(np.isinf(alerted[2]))


def test_the_shipped_factors_grow_with_the_looks():
    factor = shipped_table().looks.factor
    assert np.all(np.diff(factor, axis=0) >= 0.0)
    assert np.all(factor >= 1.0)
    assert factor[-1, -1] > 1.5
