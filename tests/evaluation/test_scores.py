import numpy as np
import pytest

from csstream.evaluation.scores import partners, score


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
