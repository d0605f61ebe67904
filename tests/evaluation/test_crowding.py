"""Neighbours."""

import numpy as np
import pytest
from star_lists import make_finds, make_truth

from csstream.evaluation.crowding import by_crowding, neighbour_distance
from csstream.evaluation.judged import judge


def test_only_comparable_neighbours_count():
    distance = neighbour_distance([0.0, 2.0, 5.0, 90.0], [0.0] * 4, [20.0, 20.5, 22.0, 20.0])
    # The first two are each other's; the faint third has both, but is nobody's.
    assert distance.tolist() == [2.0, 2.0, 3.0, np.inf]


def test_one_star_has_no_neighbour():
    assert neighbour_distance([0.0], [0.0], [20.0]).tolist() == [np.inf]


def test_recall_by_distance():
    truth = make_truth([0.0, 10.0, 20.0], [0.0] * 3, [20.0] * 3, neighbour=[0.7, 0.7, np.inf])
    rows = by_crowding(judge(make_finds([0.0, 20.0], [0.0] * 2, [20.1, 20.0]), truth))
    near, far = rows[1], rows[-1]
    assert (near["stars"], near["recall"]) == (2, 0.5)
    assert near["mean_abs_dm"] == pytest.approx(0.1)
    assert (far["stars"], far["recall"]) == (1, 1.0)
    assert np.isnan(rows[0]["recall"])
