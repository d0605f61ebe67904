"""One-to-one matching of sources to objects."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from csstream.association.matching import match, position_weights


def brute_force(xi, eta, object_xi, object_eta, usable, radius):
    """The same rule without a grid: closest pair first."""
    slots = np.full(len(xi), -1)
    pairs = [
        ((xi[i] - object_xi[j]) ** 2 + (eta[i] - object_eta[j]) ** 2, i, j)
        for i in range(len(xi))
        for j in range(len(object_xi))
        if usable[j]
    ]
    taken: set[int] = set()
    for d, i, j in sorted(pairs):
        if d <= radius**2 and slots[i] < 0 and j not in taken:
            slots[i] = j
            taken.add(j)
    return slots


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32), st.integers(0, 60), st.integers(0, 60), st.floats(0.01, 5.0))
def test_it_agrees_with_brute_force(seed, sources, objects, radius):
    rng = np.random.default_rng(seed)
    xi, eta = rng.uniform(-6, 6, (2, sources))
    object_xi, object_eta = rng.uniform(-5, 5, (2, objects))
    usable = rng.random(objects) < 0.8
    found = match(xi, eta, object_xi, object_eta, usable, radius)
    np.testing.assert_array_equal(
        found, brute_force(xi, eta, object_xi, object_eta, usable, radius)
    )


def test_the_closer_source_wins_and_the_other_takes_what_is_left():
    found = match(
        np.array([0.0, 0.3]), np.zeros(2), np.array([0.1, 0.7]), np.zeros(2), np.ones(2, bool), 0.5
    )
    np.testing.assert_array_equal(found, [0, 1])


def test_a_second_source_within_the_radius_of_a_taken_object_has_none():
    found = match(
        np.array([0.0, 0.2]), np.zeros(2), np.array([0.05]), np.zeros(1), np.ones(1, bool), 0.5
    )
    np.testing.assert_array_equal(found, [0, -1])


def test_crowded_fields_keep_their_stars_apart():
    """0.0253 stars a square pixel, positions good to 0.08 pixel, radius half a pixel."""
    rng = np.random.default_rng(3)
    side = 400.0
    n = int(0.0253 * side**2)
    x, y = rng.uniform(0, side, (2, n))
    found = match(
        x + rng.normal(0, 0.08, n), y + rng.normal(0, 0.08, n), x, y, np.ones(n, bool), 0.5
    )
    assert np.mean(found == np.arange(n)) > 0.995


def test_objects_in_a_row_are_matched_too():
    x = np.linspace(0.0, 100.0, 11)
    found = match(x, np.zeros(11), x, np.zeros(11), np.ones(11, bool), 0.1)
    np.testing.assert_array_equal(found, np.arange(11))


def test_errors_that_are_not_believable_do_not_rule_the_mean():
    weights = position_weights(np.array([0.0, 0.1, np.nan, 50.0]), np.array([0.0, 0.1, 0.1, 50.0]))
    assert weights[0] == pytest.approx(1 / 0.005**2)
    assert weights[1] == pytest.approx(100.0)
    assert weights[2] == weights[3] == pytest.approx(0.25)
