"""Matching: one to one, symmetric, nearest first."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from csstream.imaging.matching import match_pixels, match_sky, merge_close

points = st.lists(
    st.tuples(st.floats(0, 20, width=32), st.floats(0, 20, width=32)), min_size=0, max_size=25
)


def columns(rows):
    array = np.array(rows, np.float64).reshape(-1, 2)
    return array[:, 0], array[:, 1]


@settings(deadline=None, max_examples=80)
@given(points, points, st.floats(0.1, 5.0))
def test_pairs_are_one_to_one_and_within_the_radius(one, two, radius):
    x1, y1 = columns(one)
    x2, y2 = columns(two)
    i, j, distance = match_pixels(x1, y1, x2, y2, radius)
    assert len(set(i.tolist())) == len(i)
    assert len(set(j.tolist())) == len(j)
    assert np.all(distance <= radius)
    np.testing.assert_allclose(distance, np.hypot(x1[i] - x2[j], y1[i] - y2[j]), atol=1e-9)


@settings(deadline=None, max_examples=80)
@given(points, points, st.floats(0.1, 5.0))
def test_swapping_the_lists_swaps_the_pairs(one, two, radius):
    x1, y1 = columns(one)
    x2, y2 = columns(two)
    i, j, _ = match_pixels(x1, y1, x2, y2, radius)
    b, a, _ = match_pixels(x2, y2, x1, y1, radius)
    assert len(i) == len(a)
    np.testing.assert_allclose(
        np.sort(np.hypot(x1[i] - x2[j], y1[i] - y2[j])),
        np.sort(np.hypot(x1[a] - x2[b], y1[a] - y2[b])),
    )


@settings(deadline=None, max_examples=60)
@given(points, points, st.floats(0.1, 5.0))
def test_no_free_pair_is_left(one, two, radius):
    x1, y1 = columns(one)
    x2, y2 = columns(two)
    i, j, _ = match_pixels(x1, y1, x2, y2, radius)
    free1 = np.setdiff1d(np.arange(x1.size), i)
    free2 = np.setdiff1d(np.arange(x2.size), j)
    gap = np.hypot(x1[free1, None] - x2[free2], y1[free1, None] - y2[free2])
    assert gap.size == 0 or gap.min() > radius * (1 - 1e-12)


def test_the_nearer_wins():
    i, j, _ = match_pixels([0.0, 0.6], [0.0, 0.0], [0.5], [0.0], 1.0)
    assert (i.tolist(), j.tolist()) == ([1], [0])


def test_what_is_not_finite_matches_nothing():
    i, _, _ = match_pixels([np.nan, 1.0], [0.0, 1.0], [1.0, np.nan], [1.0, 0.0], 5.0)
    assert i.tolist() == [1]


def test_sky_distances_are_in_arcsec_also_across_zero_and_at_the_pole():
    i, _, distance = match_sky([359.9999], [10.0], [0.0001], [10.0], 2.0)
    assert i.size == 1
    assert distance[0] == pytest.approx(0.0002 * 3600 * np.cos(np.radians(10)), rel=1e-6)
    i, _, _ = match_sky([0.0], [89.9999], [180.0], [89.9999], 1.0)
    assert i.size == 1


def test_merging_keeps_the_brighter_of_a_pair():
    x, y = np.array([0.0, 0.3, 0.6, 5.0]), np.zeros(4)
    assert merge_close(x, y, np.array([1.0, 9.0, 2.0, 1.0]), 0.4).tolist() == [
        False,
        True,
        False,
        True,
    ]
    # the middle one goes, so the two outer ones are no pair
    assert merge_close(x, y, np.array([9.0, 1.0, 2.0, 1.0]), 0.4).tolist() == [
        True,
        False,
        True,
        True,
    ]
