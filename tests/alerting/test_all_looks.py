"""The false-alarm probability that an alert states counts the looks before it."""

from __future__ import annotations

import numpy as np
import pytest

from csstream.alerting.decisions import Rules
from csstream.alerting.judging import of_all_looks

TIME = 60000.0 + np.arange(1000) * 300.0 / 86400.0


def test_periodic_stars_pay_for_the_looks_and_single_events_do_not(made):
    fap, period = np.array([1e-6, 1e-6, 0.9]), np.array([1.0, np.nan, np.nan])
    seen = made.result(objects=3, fap=fap, period=period)
    told = of_all_looks(seen, TIME, Rules()).fap
    assert 1.2e-6 < told[0] < 5e-5
    np.testing.assert_array_equal(told[1:], fap[1:])


def test_the_first_look_pays_for_no_other(made):
    seen = made.result(objects=1, fap=np.array([1e-6]), period=np.array([0.2]))
    assert of_all_looks(seen, TIME[:60], Rules()).fap[0] == pytest.approx(1.25e-6, rel=0.25)
