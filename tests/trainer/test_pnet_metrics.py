import numpy as np
import pytest

from csstream.trainer.pnet_metrics import (
    fit_calibration,
    partners,
    reliability,
    robust_width,
    score,
)


def test_each_true_star_is_found_once():
    x, y = np.array([1.0, 1.2, 9.0]), np.zeros(3)
    partner = partners(x, y, np.array([1.05, 5.0]), np.zeros(2), 0.5)
    assert partner.tolist() == [0, -1, -1]


def test_scores_by_hand():
    partner = np.array([0, 2, -1, -1])
    result = score(partner, np.array([True, True, True, False]), np.array([True, True, False]))
    assert result.recall == pytest.approx(1 / 2)
    assert result.precision == pytest.approx(2 / 3)
    assert result.f1 == pytest.approx(4 / 7)


def test_nothing_found_scores_nothing():
    none = np.empty(0, np.int64)
    result = score(none, none.astype(bool), np.ones(3, bool))
    assert (result.recall, result.f1) == (0.0, 0.0)


def test_robust_width_of_a_normal_is_its_sigma():
    values = np.random.default_rng(1).normal(3.0, 2.0, 20_000)
    values[:200] = 1e6
    assert robust_width(values) == pytest.approx(2.0, rel=0.05)
    assert np.isnan(robust_width(np.empty(0)))


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
