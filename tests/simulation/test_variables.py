"""Shapes of variable stars against closed forms and brute force."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from csstream.simulation.eclipse import lost_light
from csstream.simulation.variables.curves import eclipsing, pulsator, transit
from csstream.simulation.variables.enriched import draw_variables


def _overlap(d, k):
    """Area of a disc of radius k, at distance d, on a disc of radius 1, over the latter's."""
    if d >= 1 + k:
        return 0.0
    if d <= abs(1 - k):
        return min(k, 1.0) ** 2
    a = np.arccos((d * d + k * k - 1) / (2 * d * k))
    b = np.arccos((d * d + 1 - k * k) / (2 * d))
    kite = np.sqrt((-d + k + 1) * (d + k - 1) * (d - k + 1) * (d + k + 1))
    return (k * k * a + b - 0.5 * kite) / np.pi


@settings(max_examples=60, deadline=None)
@given(d=st.floats(0.0, 2.5), k=st.floats(0.02, 1.5))
def test_uniform_disc_is_the_closed_form(d, k):
    assert lost_light(np.array([d]), k, 0.0, 0.0)[0] == pytest.approx(_overlap(d, k), abs=2e-5)


@pytest.mark.parametrize(("d", "k"), [(0.0, 0.1), (0.5, 0.1), (0.98, 0.1), (0.8, 1.2), (0.1, 1.05)])
def test_limb_darkened_disc_is_the_sum_of_pixels(d, k):
    x = (np.arange(2000) + 0.5) / 1000 - 1
    radius = x[:, None] ** 2 + x**2
    mu = np.sqrt(np.clip(1 - radius, 0, None))
    light = np.where(radius < 1, 1 - 0.4 * (1 - mu) - 0.2 * (1 - mu) ** 2, 0.0)
    covered = light[(x[:, None]) ** 2 + (x - d) ** 2 < k * k].sum() / light.sum()
    assert lost_light(np.array([d]), k, 0.4, 0.2)[0] == pytest.approx(covered, abs=2e-5)


def test_transit_lasts_as_long_as_geometry_says():
    time = np.linspace(-0.5, 1.5, 20001)
    flux = transit(time, 2.0, 0.0, radius_ratio=0.1, axis_ratio=8.0, impact=0.5)
    inside = time[flux < 1]
    wanted = 2.0 / np.pi * np.arcsin(np.sqrt((1.1**2 - 0.25) / (64 - 0.25)))
    assert inside.max() - inside.min() == pytest.approx(wanted, abs=3e-4)
    assert abs(inside.max() + inside.min()) < 3e-4
    assert flux.min() > 1 - 0.1**2 * 1.3


def test_no_second_transit_behind_the_star():
    flux = transit(np.array([1.0]), 2.0, 0.0, radius_ratio=0.1, axis_ratio=8.0)
    assert flux[0] == 1.0


def test_total_secondary_eclipse_takes_the_light_of_the_smaller_star():
    shape = {"radius_1": 0.2, "radius_2": 0.1, "brightness_ratio": 0.5, "inclination": np.pi / 2}
    at = eclipsing(np.array([0.0, 0.25, 0.5, 1.0]), 1.0, 0.0, **shape)
    second = 0.5 * 0.01 / (0.04 + 0.5 * 0.01)
    assert at[1] == 1.0
    assert at[2] == pytest.approx(1 - second)
    assert at[0] < at[2]
    assert at[0] == pytest.approx(at[3])


def test_pulsator_has_mean_one_and_its_maximum_at_t0():
    time = np.linspace(0, 0.6, 6000, endpoint=False)
    flux = pulsator(time, 0.6, 0.2, amplitude=0.8, rise=0.2)
    assert flux.mean() == pytest.approx(1.0, abs=1e-3)
    assert time[flux.argmax()] == pytest.approx(0.2, abs=1e-3)
    assert -2.5 * np.log10(flux.min() / flux.max()) == pytest.approx(0.8, abs=1e-3)
    minimum = time[flux.argmin()]
    assert (0.2 - minimum) % 0.6 == pytest.approx(0.2 * 0.6, abs=2e-3)


def test_drawn_variables_repeat_in_the_span_and_are_drawn_again_from_the_seed():
    numbers = {"n_transit": 5, "n_eclipsing": 6, "n_pulsating": 7, "span": (60000.0, 60004.0)}
    drawn = draw_variables(np.random.default_rng(3), **numbers)
    again = draw_variables(np.random.default_rng(3), **numbers)
    assert list(drawn.kind) == ["transit"] * 5 + ["eclipsing"] * 6 + ["pulsating"] * 7
    assert np.all(drawn.period * 2 < 4.0)
    assert np.all((drawn.t0 >= 60000.0) & (drawn.t0 <= 60000.0 + drawn.period))
    assert np.array_equal(drawn.period, again.period)
    time = np.linspace(60000.0, 60004.0, 500)
    flux = drawn.relative_flux(time)
    assert flux.shape == (18, 500)
    assert np.all(flux > 0)
    assert np.all(np.ptp(flux, axis=1) > 0.5 * drawn.depth)
    assert np.array_equal(np.isnan(drawn.duration), drawn.kind == "pulsating")


def test_no_variables():
    drawn = draw_variables(
        np.random.default_rng(0), n_transit=0, n_eclipsing=0, n_pulsating=0, span=(0.0, 1.0)
    )
    assert len(drawn) == 0
