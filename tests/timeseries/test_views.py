"""Folding and views by hand-computed cases."""

from __future__ import annotations

import numpy as np
import pytest

from csstream.timeseries.folding import (
    cycle_of,
    event_points,
    first_event,
    phase_coverage,
    phase_of,
)
from csstream.timeseries.views import fold_views, median_bins, normalise_view


def test_phase_is_half_open():
    assert np.allclose(phase_of(np.array([0.0, 1.0, 1.5, 2.0]), 2.0, 0.0), [0.0, -0.5, -0.25, 0.0])


def test_cycle_is_that_of_the_nearest_event():
    assert list(cycle_of(np.array([-1.1, 0.9, 1.1, 2.0]), 2.0, 0.0)) == [-1, 0, 1, 1]


def test_events_are_counted_with_their_points():
    cycles, counts = event_points(np.array([-0.05, 0.04, 0.5, 2.01, 3.0]), 1.0, 0.0, 0.2)
    assert list(cycles) == [0, 2, 3]
    assert list(counts) == [2, 1, 1]


@pytest.mark.parametrize(
    ("t0", "start", "wanted"), [(0.3, 5.0, 6.3), (7.3, 5.0, 5.3), (5.0, 5.0, 5.0)]
)
def test_first_event_lies_in_the_first_cycle(t0, start, wanted):
    assert np.isclose(first_event(t0, 2.0 if wanted != 6.3 else 1.5, start), wanted)


def test_coverage_of_half_a_cycle():
    assert phase_coverage(np.linspace(0.0, 0.499, 500), 1.0) == 0.5


def test_bins_overlap_and_may_be_empty():
    phase = np.array([-0.4, -0.1, 0.0, 0.1, 0.12])
    flux = np.array([5.0, 1.0, 2.0, 3.0, 9.0])
    found, scatter = median_bins(phase, flux, 0.5, 0.5, 0.3, 5)  # centres -0.4, -0.2, 0, 0.2, 0.4
    assert np.allclose(found, [5.0, 1.0, 2.5, 6.0, np.nan], equal_nan=True)
    own = (2.25 + 0.25 + 0.25 + 42.25) / 4  # around 2.5: 1, 2, 3 and 9
    wanted = [0.5, 0.5, np.sqrt((0.25 / 4 + own) / 4), np.sqrt((0.25 + 18.0) / 2 / 2), np.nan]
    assert np.allclose(scatter, wanted, equal_nan=True)


def test_view_has_median_zero_and_dip_minus_one():
    medians = np.array([1.0, 1.0, 1.0, 0.9, np.nan, 1.02])
    view, scatter = normalise_view(np.stack([medians, np.full(6, 0.05)]))
    assert np.nanmin(view) == -1.0
    assert np.nanmedian(view) == 0.0
    assert np.isnan(view[4])
    assert scatter == pytest.approx(0.5)  # in depths


def test_scatter_of_a_bin_is_the_error_of_its_median(rng):
    time = np.sort(rng.uniform(0, 10, 4000))
    flux = 1.0 + 0.01 * rng.normal(size=4000) - 0.1 * (np.abs(phase_of(time, 1.3, 0.4)) < 0.05)
    whole, _ = fold_views(time, flux, 1.3, 0.4, 0.13)
    level = np.abs(np.arange(201) - 100) > 20
    assert np.median(whole[1, level]) == pytest.approx(np.std(whole[0, level]) / 1.25, rel=0.2)


def test_event_is_in_the_middle_of_both_views(rng):
    time = np.sort(rng.uniform(0, 10, 2000))
    flux = np.where(np.abs(phase_of(time, 1.3, 0.4)) * 1.3 < 0.05, 0.98, 1.0)
    whole, near = fold_views(time, flux, 1.3, 0.4, 0.1)
    assert whole.shape == (2, 201)
    assert near.shape == (2, 61)
    whole, near = whole[0], near[0]
    assert np.all(whole[97:104] == -1.0)
    assert np.all(near[25:36] == -1.0)
    assert np.all(near[:14] == 0.0)
    assert np.all(near[-14:] == 0.0)
