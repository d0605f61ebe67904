"""Scatter, bias and pulls."""

import numpy as np
import pytest
from star_lists import make_finds, make_truth

from csstream.evaluation.judged import judge
from csstream.evaluation.photometry import (
    magnitude_edges,
    magnitude_errors,
    pairs_of,
    photometry_by_magnitude,
)

N = 4000


@pytest.fixture(scope="module")
def pairs():
    """Stars on a grid measured with twice the bound's scatter and half of it quoted."""
    rng = np.random.default_rng(4)
    x, y = np.arange(N) % 80 * 5.0, np.arange(N) // 80 * 5.0
    mag = rng.uniform(19.0, 24.5, N)
    truth = make_truth(x, y, mag, sigma=0.01, place=0.01)
    finds = make_finds(
        x + rng.normal(0.0, 0.02, N),
        y + rng.normal(0.0, 0.02, N),
        mag + 0.005 + rng.normal(0.0, 0.02, N),
        mag_err=0.01,
        place=0.01,
    )
    return pairs_of(judge(finds, truth))


def test_widths_are_over_the_bound_and_pulls_over_what_is_quoted(pairs):
    for row in photometry_by_magnitude(pairs, magnitude_edges()):
        assert row["width_over_bound"] == pytest.approx(2.0, rel=0.15)
        assert row["bias_over_sigma"] == pytest.approx(0.5, abs=0.35)
        assert row["position_over_bound"] == pytest.approx(2.0, rel=0.15)
    errors = magnitude_errors(pairs)
    assert errors["flux_pull"] == pytest.approx(2.0, rel=0.05)
    assert errors["position_pull"] == pytest.approx(2.0, rel=0.05)
    assert errors["position_scatter"] == pytest.approx(0.02, rel=0.05)


def test_bins_of_the_pinned_scene_are_those_that_must_hold():
    assert magnitude_edges(25.0) == (18.5, 20.0, 21.0, 22.0, 23.0, 24.0, 24.5)


def test_mean_and_median_by_hand():
    truth = make_truth([0.0, 10.0, 20.0], [0.0] * 3, [20.0, 21.0, 25.5])
    finds = make_finds([0.0, 10.0, 20.0], [0.0] * 3, [20.1, 20.7, 22.0])
    errors = magnitude_errors(pairs_of(judge(finds, truth)))
    assert errors["mean_abs_dm"] == pytest.approx(0.2)  # the third star is not scored
    assert errors["median_abs_dm"] == pytest.approx(0.2)


def test_a_flux_too_high_by_its_error_pulls_by_one():
    truth = make_truth([0.0], [0.0], [20.0])
    finds = make_finds([0.0], [0.0], [20.0 - 2.5 * np.log10(1.1)], mag_err=1.0857362 * 0.1 / 1.1)
    assert pairs_of(judge(finds, truth)).flux_pull[0] == pytest.approx(1.0, rel=1e-6)


def test_without_pairs_nothing_is_known():
    nothing = pairs_of(judge(make_finds([], [], []), make_truth([0.0], [0.0], [20.0])))
    assert np.isnan(magnitude_errors(nothing)["mean_abs_dm"])
    assert np.isnan(photometry_by_magnitude(nothing, (19.0, 21.0))[0]["width_over_bound"])
