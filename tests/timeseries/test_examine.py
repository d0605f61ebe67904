"""Whole examinations: what is found, with which period, and what is not alerted."""

from __future__ import annotations

import numpy as np
import pytest

from csstream.simulation.variables.curves import eclipsing, pulsator, transit
from csstream.timeseries.examine import examine_panel
from csstream.timeseries.kinds import KINDS
from csstream.timeseries.settings import ExamineSettings


def _planet(time, period, t0):
    return transit(time, period, t0, radius_ratio=0.16, axis_ratio=6.0, impact=0.2)


def _binary(time, period, t0):
    return eclipsing(
        time, period, t0, radius_1=0.22, radius_2=0.18, brightness_ratio=0.5, inclination=1.55
    )


@pytest.fixture
def space_panel(rng, space_time, make_panel):
    time, flux, error = make_panel(rng, space_time, stars=40)
    flux[0] *= _planet(time, 1.21, time[0] + 0.4)
    flux[1] *= _binary(time, 0.93, time[0] + 0.2)
    flux[2] *= pulsator(time, 0.57, time[0] + 0.1, amplitude=0.6, rise=0.2)
    return time, flux, error


def test_transit_binary_and_pulsator_are_found_in_a_space_series(space_panel):
    result = examine_panel(*space_panel)
    assert list(np.flatnonzero(result.crossed)) == [0, 1, 2]
    assert np.allclose(result.period[:3], [1.21, 0.93, 0.57], rtol=0.01)
    assert np.all(np.abs(result.period[:3] - [1.21, 0.93, 0.57]) < 5 * result.period_err[:3] + 1e-4)
    assert KINDS[result.kind[0]] == "transit"
    assert KINDS[result.kind[1]] == "eclipsing"
    start = space_panel[0][0]
    assert result.t0[0] == pytest.approx(start + 0.4, abs=0.02)
    assert result.depth[0] == pytest.approx(0.03, abs=0.005)
    assert np.all(result.fap[:3] < 1e-10)
    assert result.n_events[0] == 3


def test_nightly_series_gives_the_full_period_of_unequal_minima(rng, night_time, make_panel):
    time, flux, error = make_panel(rng, night_time, noise=0.006)
    flux[0] *= eclipsing(
        time, 2.204, time[0], radius_1=0.35, radius_2=0.3, brightness_ratio=0.6,
        inclination=1.3, ellipsoidal=0.02,
    )  # fmt: skip
    flux[1] *= pulsator(time, 3.785, time[0] + 1.0, amplitude=0.6, rise=0.3)
    result = examine_panel(time, flux, error)
    assert list(np.flatnonzero(result.crossed)) == [0, 1]
    assert np.allclose(result.period[:2], [2.204, 3.785], rtol=0.003)


def test_equal_minima_give_the_shorter_period(rng, space_time, make_panel):
    time, flux, error = make_panel(rng, space_time)
    flux[0] *= eclipsing(
        time, 1.4, time[0], radius_1=0.2, radius_2=0.2, brightness_ratio=1.0, inclination=1.57
    )
    assert examine_panel(time, flux, error).period[0] == pytest.approx(0.7, rel=0.005)


def test_columns_have_a_row_for_each_star_and_the_same_again(space_panel):
    first, second = examine_panel(*space_panel), examine_panel(*space_panel)
    for name in first.__dataclass_fields__:
        column = getattr(first, name)
        assert len(column) == 40, name
        assert np.array_equal(column, getattr(second, name), equal_nan=True), name
    quiet = ~first.shortlisted
    assert np.all(first.kind[quiet] == 0)
    assert np.all(np.isnan(first.period[quiet]))
    assert np.all(first.fap[quiet] <= 1.0)


def test_order_of_the_stars_does_not_matter(space_panel):
    time, flux, error = space_panel
    forward = examine_panel(time, flux, error, ExamineSettings(ensemble=False))
    backward = examine_panel(time, flux[::-1], error[::-1], ExamineSettings(ensemble=False))
    assert np.array_equal(forward.period, backward.period[::-1], equal_nan=True)


def test_unit_of_the_flux_does_not_matter(space_panel):
    time, flux, error = space_panel
    one = examine_panel(time, flux, error)
    other = examine_panel(time, 1e-3 * flux, 1e-3 * error)
    assert np.allclose(one.period, other.period, rtol=1e-4, equal_nan=True)
    assert np.array_equal(one.crossed, other.crossed)


def test_too_few_epochs_are_not_looked_at(rng, make_panel):
    time, flux, error = make_panel(rng, np.linspace(0, 3, 29))
    flux[0, ::5] *= 0.5
    assert not examine_panel(time, flux, error).shortlisted.any()


@pytest.mark.parametrize("epochs", [0, 1, 2])
def test_hardly_any_epoch_is_no_error(epochs):
    result = examine_panel(np.arange(epochs) * 1.0, np.ones((3, epochs)), np.ones((3, epochs)))
    assert len(result) == 3
    assert not result.crossed.any()


def test_stars_without_a_flux_are_no_error(rng, space_time, make_panel):
    time, flux, error = make_panel(rng, space_time)
    flux[0] = np.nan
    flux[1] = -flux[1]
    error[2] = 0.0
    result = examine_panel(time, flux, error, ExamineSettings(look_at_all=True))
    assert not result.shortlisted[:3].any()
    assert not result.crossed.any()


def test_the_network_has_the_last_word(space_panel):
    def nothing_varies(whole, near, scalars):
        assert whole.shape[1:] == (2, 201)
        assert near.shape[1:] == (2, 61)
        return np.tile([0.95, 0.05, 0.0, 0.0], (len(scalars), 1))

    result = examine_panel(*space_panel, classifier=nothing_varies)
    assert result.shortlisted[:3].all()
    assert not result.crossed.any()
    assert np.all(result.kind == 0)
