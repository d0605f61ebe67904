"""Exact limits of shares, against tables and by what they promise."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binom

from csstream.evaluation.rates import precision_at, rate


def test_limits_of_a_table():
    """Clopper–Pearson limits of 0, 5 and 10 of 10 (any table of them)."""
    assert rate(5, 10)[3:] == pytest.approx((0.18709, 0.81291), abs=1e-5)
    assert rate(0, 10)[3:] == pytest.approx((0.0, 0.30850), abs=1e-5)
    assert rate(10, 10)[3:] == pytest.approx((0.69150, 1.0), abs=1e-5)


def test_nothing_of_nothing_is_not_known():
    assert np.isnan(rate(0, 0).value)
    with pytest.raises(ValueError, match="no share"):
        rate(3, 2)


@given(st.integers(1, 400), st.data())
def test_the_limits_leave_a_fortieth_on_each_side(total, data):
    count = data.draw(st.integers(0, total))
    found = rate(count, total)
    assert found.low <= found.value <= found.high
    if count > 0:
        assert binom.sf(count - 1, total, found.low) == pytest.approx(0.025, rel=1e-5)
    if count < total:
        assert binom.cdf(count, total, found.high) == pytest.approx(0.025, rel=1e-5)


def test_precision_at_a_prevalence():
    found = precision_at(0.02, rate(93, 100), rate(5, 10_000))
    assert found.value == pytest.approx(0.02 * 0.93 / (0.02 * 0.93 + 0.98 * 0.0005))
    assert found.low < found.value < found.high
    assert precision_at(0.02, rate(9, 10), rate(0, 100)).value == 1.0
    assert np.isnan(precision_at(0.02, rate(0, 10), rate(0, 100)).value)
