"""Shift, rotation and distortion of a list against a frame."""

import numpy as np
import pytest

from csstream.imaging.reference.alignment import Alignment, fit_alignment
from csstream.imaging.reference.first_look import first_alignment

SHAPE = (900, 1000)


def places(n, seed):
    rng = np.random.default_rng(seed)
    return rng.uniform(0, SHAPE[1], n), rng.uniform(0, SHAPE[0], n), rng


def bent(x, y):
    u, v = (x - 500) / 500, (y - 450) / 450
    return x + 0.3 + 0.1 * v + 0.05 * u * v + 0.03 * u**3, y - 0.2 - 0.09 * u + 0.04 * u**2


def test_a_distortion_is_recovered_and_outliers_do_not_matter():
    x, y, rng = places(500, 1)
    seen = [v + 0.01 * rng.standard_normal(500) for v in bent(x, y)]
    seen[0][:25] += rng.uniform(-0.5, 0.5, 25)
    found = fit_alignment((x, y), (seen[0], seen[1]), np.full(500, 0.01), SHAPE)
    there = found.apply(x, y)
    assert np.max(np.hypot(*(a - b for a, b in zip(there, bent(x, y), strict=True)))) < 0.01
    assert found.degree == 3


def test_noise_alone_asks_for_no_distortion():
    x, y, rng = places(300, 2)
    seen = (x + 0.01 * rng.standard_normal(300), y + 0.01 * rng.standard_normal(300))
    assert fit_alignment((x, y), seen, np.full(300, 0.01), SHAPE).degree == 0


def test_undo_is_the_way_back():
    x, y, _ = places(50, 3)
    seen = bent(x, y)
    found = fit_alignment((x, y), seen, np.full(50, 0.001), SHAPE)
    back = found.undo(*found.apply(x, y))
    np.testing.assert_allclose(back, (x, y), atol=1e-6)


def test_two_stars_change_nothing():
    x, y, _ = places(2, 4)
    found = fit_alignment((x, y), (x + 1, y), np.full(2, 0.01), SHAPE)
    assert not found.coefficients.any()


@pytest.mark.parametrize("shift", [(0.0, 0.0), (11.3, -7.8), (-26.0, 20.5)])
def test_the_first_look_finds_the_shift(shift):
    x, y, rng = places(400, 5)
    flux = rng.pareto(1.0, 400) + 1.0
    seen = (x + shift[0], y + shift[1], flux * rng.uniform(0.8, 1.2, 400))
    found = first_alignment(seen, x, y, flux, SHAPE)
    dx, dy = found.shift(x, y)
    assert np.median(dx) == pytest.approx(shift[0], abs=0.01)
    assert np.median(dy) == pytest.approx(shift[1], abs=0.01)


def test_a_large_turn_is_found_by_the_pattern():
    x, y, rng = places(400, 6)
    flux = rng.pareto(1.0, 400) + 1.0
    u, v = x - 500, y - 450
    angle = np.deg2rad(20.0)
    seen = (
        u * np.cos(angle) - v * np.sin(angle) + 500,
        u * np.sin(angle) + v * np.cos(angle) + 450,
    )
    found = first_alignment((*seen, flux), x, y, flux, SHAPE)
    there = found.apply(x, y)
    assert np.median(np.hypot(there[0] - seen[0], there[1] - seen[1])) < 0.05


def test_few_stars_are_taken_where_they_should_be():
    none = Alignment.none(SHAPE)
    x = np.array([10.0, 50.0])
    found = first_alignment((x, x, x), x, x, x, SHAPE)
    np.testing.assert_array_equal(found.coefficients, none.coefficients)
