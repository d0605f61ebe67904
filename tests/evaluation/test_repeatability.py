"""Scatter from frame to frame."""

import numpy as np
import pytest
from star_lists import make_finds, make_truth

from csstream.evaluation.repeatability import magnitudes_over_frames, repeatability

FRAMES, STARS = 50, 300


def test_scatter_over_the_bound_without_what_is_constant():
    rng = np.random.default_rng(6)
    x = np.arange(STARS) * 5.0
    mag = rng.uniform(20.0, 21.0, STARS)
    truth = make_truth(x, np.zeros(STARS), mag, sigma=0.01)
    offset = rng.normal(0.0, 0.05, STARS)  # of each star, in all frames alike
    frames = [
        make_finds(x, np.zeros(STARS), mag + offset + rng.normal(0.0, 0.015, STARS))
        for _ in range(FRAMES)
    ]
    (row,) = repeatability(truth, magnitudes_over_frames(truth, frames), (20.0, 21.0))
    assert row["found"] == 1.0
    assert row["over_bound"] == pytest.approx(1.5, rel=0.05)
    assert row["scatter"] == pytest.approx(0.015, rel=0.05)


def test_a_star_found_seldom_is_left_out():
    truth = make_truth([0.0, 9.0], [0.0, 0.0], [20.5, 20.5])
    both, one = make_finds([0.0, 9.0], [0.0] * 2, [20.5] * 2), make_finds([0.0], [0.0], [20.5])
    series = magnitudes_over_frames(truth, [both, one, one])
    assert np.isnan(series[1:, 1]).all()
    (row,) = repeatability(truth, series, (20.0, 21.0))
    assert (row["stars"], row["found"]) == (2, 0.5)
