"""Who is whom, and what counts."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from star_lists import make_finds, make_truth

from csstream.evaluation.judged import joined, judge
from csstream.evaluation.scores import by_magnitude, false_bright, score_judged


@pytest.fixture
def truth():
    """Four stars on a line: two scored, one too faint, one outside the frame."""
    return make_truth(
        [0.0, 10.0, 20.0, 30.0],
        [0.0, 0.0, 0.0, 0.0],
        [20.0, 24.0, 25.5, 22.0],
        inside=[True, True, True, False],
    )


def test_lenient_and_strict_by_hand(truth):
    finds = make_finds([0.05, 10.3, 20.0, 50.0, 30.0], [0.0] * 5, [20.0, 24.1, 24.9, 24.0, 22.0])
    judged = judge(finds, truth)
    # Two scored stars, both found; of five finds brighter than 25 four are stars.
    assert score_judged(judged, 0.5) == pytest.approx((1.0, 0.8, 2 * 0.8 / 1.8))
    assert score_judged(judged, 0.25) == pytest.approx((0.5, 0.6, 0.6 / 1.1))
    # Strictly the star of 25.5 does not count as one.
    assert score_judged(judged, 0.5, strict=True).precision == pytest.approx(0.6)
    assert judged.strict_star.tolist() == [0, 1, -1, -1, 3]


def test_a_find_measured_too_faint_costs_no_precision(truth):
    finds = make_finds([0.0, 50.0, 60.0], [0.0] * 3, [20.0, 25.3, np.nan])
    assert score_judged(judge(finds, truth), 0.5).precision == 1.0


def test_scenes_joined_count_as_one(truth):
    one = judge(make_finds([0.0], [0.0], [20.0]), truth)
    two = judge(make_finds([10.1, 40.0], [0.0, 0.0], [24.0, 24.0]), truth)
    both = joined([one, two])
    assert both.star.tolist() == [0, 5, -1]
    assert score_judged(both, 0.5).recall == pytest.approx(2 / 4)
    assert score_judged(both, 0.5).precision == pytest.approx(2 / 3)
    assert both.hit(0.5).tolist() == [True, *[False] * 4, True, False, False]


def test_no_finds_and_no_truth():
    nothing = make_finds([], [], [])
    empty = make_truth([], [], [], inside=[])
    assert score_judged(judge(nothing, empty), 0.5) == (1.0, 1.0, 1.0)
    assert judge(make_finds([1.0], [1.0], [20.0]), empty).star.tolist() == [-1]


def test_scores_by_magnitude_by_hand(truth):
    finds = make_finds([0.0, 50.0], [0.0, 0.0], [20.0, 24.2])
    low, high = by_magnitude(judge(finds, truth), (19.0, 22.0, 25.0), 0.5)
    assert (low["stars"], low["recall"], low["precision"]) == (1, 1.0, 1.0)
    assert (high["stars"], high["finds"], high["recall"], high["f1"]) == (1, 1, 0.0, 0.0)


def test_false_bright_finds_are_counted_per_thousand(truth):
    finds = make_finds([0.0, 50.0, 60.0], [0.0] * 3, [20.0, 22.9, 23.1])
    assert false_bright(judge(finds, truth)) == (1, 500.0, 1000.0)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_smaller_radii_find_no_more_and_everyone_at_most_once(seed):
    rng = np.random.default_rng(seed)
    truth = make_truth(*rng.uniform(0, 6, (2, 30)), rng.uniform(20, 26, 30))
    finds = make_finds(*rng.uniform(0, 6, (2, 40)), rng.uniform(20, 26, 40))
    judged = judge(finds, truth)
    recalls = [score_judged(judged, radius).recall for radius in (0.1, 0.25, 0.5)]
    assert recalls == sorted(recalls)
    matched = judged.star[judged.star >= 0]
    assert len(set(matched.tolist())) == matched.size
    strict = score_judged(judged, 0.5, strict=True)
    assert strict.precision <= score_judged(judged, 0.5).precision + 1e-12
