"""What the bound allows."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from star_lists import make_truth

from csstream.evaluation.bound_table import bound_table, recalls
from csstream.evaluation.limits import best_recall, chance_within, separable


def test_round_errors_follow_rayleigh():
    chance = chance_within(0.1, np.array([0.05, 0.1, 1.0]), np.array([0.05, 0.1, 1.0]))
    expected = -np.expm1(-0.5 * (0.1 / np.array([0.05, 0.1, 1.0])) ** 2)
    assert chance == pytest.approx(expected, rel=1e-9)


@settings(max_examples=15, deadline=None)
@given(st.floats(0.02, 0.5), st.floats(0.02, 0.5))
def test_unequal_errors_as_drawn(sigma_x, sigma_y):
    rng = np.random.default_rng(5)
    drawn = rng.standard_normal((2, 40_000))
    share = np.mean(np.hypot(sigma_x * drawn[0], sigma_y * drawn[1]) < 0.1)
    chance = chance_within(0.1, np.array([sigma_x]), np.array([sigma_y]))
    assert chance[0] == pytest.approx(share, abs=0.012)


def test_unknown_errors_allow_nothing():
    nothing = chance_within(0.5, np.array([np.nan, np.inf, 0.0]), np.array([0.1, 0.1, 0.1]))
    assert nothing.tolist() == [0.0, 0.0, 0.0]


def test_best_recall_is_over_scored_separable_stars():
    truth = make_truth(
        [0.0, 1.0, 2.0, 3.0],
        [0.0] * 4,
        [20.0, 21.0, 25.5, 22.0],
        place=1e-4,
        snr=[10.0, 4.4, 10.0, 10.0],
        inside=[True, True, True, False],
    )
    assert separable(truth).tolist() == [True, False, True, True]
    assert best_recall(truth, 0.1) == pytest.approx(0.5)
    assert recalls(truth, 25.0)["recall_0.5"] == pytest.approx(0.5)
    assert np.isnan(best_recall(truth.select(np.zeros(4, bool)), 0.1))


def test_table_by_hand():
    truth = make_truth([0.0, 1.0], [0.0, 0.0], [19.8, 20.2], sigma=[0.01, 0.03], place=1e-4)
    (row,) = bound_table(truth, (20.0,), np.array([0.005]), np.array([0.002]))
    assert (row["stars"], row["isolated_mag"], row["crowded_mag"]) == (2, 0.005, 0.02)
    assert row["recall_0.1"] == pytest.approx(1.0)
