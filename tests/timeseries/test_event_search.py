"""Single dips: found where they are, with the right depth and error, and nothing else."""

from __future__ import annotations

import numpy as np
import pytest

from csstream.timeseries.event_search import event_durations, single_events

NOISE = 0.01


def _panel(rng, stars=20, epochs=500):
    time = 60000.0 + np.linspace(0.0, 3.5, epochs)
    flux = rng.normal(0, NOISE, (stars, epochs))
    return time, flux, np.full(flux.shape, NOISE**-2.0)


def test_a_dip_is_found_with_its_place_depth_and_length(rng):
    time, flux, weight = _panel(rng)
    flux[3, np.abs(time - 60001.3) < 0.07] -= 0.03
    found = single_events(time, flux, weight)
    assert found.middle[3] == pytest.approx(60001.3, abs=0.02)
    assert found.duration[3] == pytest.approx(0.14, rel=0.3)
    assert found.depth[3] == pytest.approx(0.03, rel=0.2)
    assert found.points[3, 1] == pytest.approx(20, abs=6)
    assert np.all(found.points[3, [0, 2]] > 15)
    assert found.snr[3] > 2 * np.max(np.delete(found.snr, 3))


def test_signal_to_noise_is_that_of_the_box(rng):
    time, flux, weight = _panel(rng)
    weight *= rng.uniform(0.5, 2.0, weight.shape) * (rng.uniform(size=weight.shape) > 0.2)
    flux[:, 200:230] -= 0.02
    found = single_events(time, flux, weight)
    for row in range(len(flux)):
        offset, length = time - found.middle[row], found.duration[row]
        inside = np.abs(offset) < 0.5 * length
        low = np.average(flux[row, inside], weights=weight[row, inside])
        ratios = []
        for side in (offset <= -0.5 * length, offset >= 0.5 * length):
            side &= np.abs(offset) < 2.5 * length
            depth = np.average(flux[row, side], weights=weight[row, side]) - low
            error = np.sqrt(1 / weight[row, inside].sum() + 1 / weight[row, side].sum())
            ratios.append(depth / error)
        assert found.snr[row] == pytest.approx(min(ratios), rel=0.15)  # an epoch at each edge


def test_noise_alone_stays_low_and_of_unit_scale(rng):
    found = single_events(*_panel(rng, stars=300, epochs=300))
    assert np.max(found.snr) < 6.0
    assert 2.0 < np.median(found.snr) < 4.0


def test_a_trend_is_no_dip_and_a_step_at_the_end_neither(rng):
    time, flux, weight = _panel(rng)
    flux[0] += 0.2 * (time - time[0])
    flux[1, -15:] -= 0.2  # nothing is seen after it
    found = single_events(time, flux, weight)
    assert found.snr[0] < 6.0
    assert found.snr[1] < 6.0


def test_scale_and_unused_points_do_not_matter(rng):
    time, flux, weight = _panel(rng)
    weight[:, ::7] = 0.0
    one = single_events(time, flux, weight)
    flux[:, ::7] = 1e6
    other = single_events(time, 1e9 * flux, 1e-18 * weight)
    assert np.allclose(one.snr, other.snr, rtol=1e-9)
    assert np.array_equal(one.middle, other.middle)


@pytest.mark.parametrize("epochs", [0, 1, 2, 5])
def test_too_short_a_series_has_none(epochs):
    found = single_events(np.arange(epochs) * 1.0, np.ones((3, epochs)), np.ones((3, epochs)))
    assert np.all(found.snr == 0)
    assert np.all(np.isnan(found.middle))
    assert found.points.shape == (3, 3)


def test_equal_times_have_none():
    assert len(event_durations(np.full(9, 3.0))) == 0


def test_a_constant_star_has_none(rng):
    time, flux, weight = _panel(rng, stars=2)
    flux[0] = 0.0
    weight[1] = 0.0
    assert np.all(single_events(time, flux, weight).snr == 0)
