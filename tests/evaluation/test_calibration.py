import numpy as np
import pytest

from csstream.evaluation.calibration import fit_calibration, reliability


def test_calibration_recovers_the_share_that_is_right():
    rng = np.random.default_rng(2)
    logit = rng.normal(0.0, 2.0, 50_000)
    truth = 1 / (1 + np.exp(-(1.7 * logit - 0.4)))
    knots, shares = fit_calibration(logit, rng.random(logit.size) < truth)
    assert np.abs(np.interp(logit, knots, shares) - truth)[np.abs(logit) < 3].max() < 0.08
    assert (np.diff(knots) > 0).all()
    assert (np.diff(shares) > 0).all()


def test_calibration_pools_what_does_not_rise():
    logit = np.arange(8.0)
    right = np.array([0, 0, 1, 1, 0, 0, 1, 1], bool)
    knots, shares = fit_calibration(logit, right, knots=4)
    assert knots.tolist() == [0.5, 3.5, 6.5]
    assert shares.tolist() == [0.0, 0.5, 1.0]


def test_reliability_by_hand():
    table = reliability(np.array([0.05, 0.95, 0.97, 1.0]), np.array([False, True, False, True]))
    assert [row["number"] for row in table] == [1, 3]
    assert table[1]["right"] == pytest.approx(2 / 3)
