"""Shapes of variable stars against closed forms and brute force."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import quad

from csstream.simulation.eclipse import lost_light
from csstream.simulation.spectral import SPECTRAL_TYPES, draw_types, letters
from csstream.simulation.variables.curves import eclipsing, pulsator, transit
from csstream.simulation.variables.enriched import draw_variables
from csstream.simulation.variables.paper import (
    PAPER_SHARES,
    binary,
    binary_periods,
    draw_kinds,
    draw_paper_variables,
    planet,
)
from csstream.simulation.variables.pulsators import pulsator_of_period


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


def closed_form_at_the_centre(k, u1, u2):
    """Light behind a dark disc on the star's centre (Mandel & Agol 2002, case 10), over all."""
    mu = np.sqrt(1 - k * k)
    square, cube, fourth = 1 - mu**2, 1 - mu**3, 1 - mu**4
    # ∫ (1 − u1 (1 − µ) − u2 (1 − µ)²) 2 µ dµ from µ to 1
    light = (1 - u1 - u2) * square + (u1 + 2 * u2) * 2 * cube / 3 - u2 * fourth / 2
    return light / (1 - u1 / 3 - u2 / 6)


@pytest.mark.parametrize("k", [0.01, 0.1, 0.5, 0.99])
def test_central_transit_is_the_closed_form(k):
    expected = closed_form_at_the_centre(k, 0.4, 0.2)
    assert lost_light(np.array([0.0]), k, 0.4, 0.2)[0] == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize(("d", "k"), [(0.3, 0.1), (0.9, 0.1), (0.95, 0.1), (1.05, 0.1), (0.7, 0.6)])
def test_transit_is_the_quadrature_over_the_disc(d, k):
    # chords of the dark disc, in its own Cartesian coordinates: another path than rings
    def brightness(x, y):
        mu = np.sqrt(max(1 - x * x - y * y, 0.0))
        return 1 - 0.4 * (1 - mu) - 0.2 * (1 - mu) ** 2

    def chord(angle):
        x = d + k * np.sin(angle)
        if abs(x) >= 1:
            return 0.0
        top = min(k * np.cos(angle), np.sqrt(1 - x * x))
        inner = quad(lambda t: brightness(x, top * np.sin(t)) * np.cos(t), 0, np.pi / 2)[0]
        return 2 * top * inner * k * np.cos(angle)

    edges = [(1 + d * d - k * k) / (2 * d), 1.0]
    kinks = sorted(np.arcsin((e - d) / k) for e in edges if abs(e - d) < k)
    light = quad(chord, -np.pi / 2, np.pi / 2, points=kinks or None, limit=200)[0]
    expected = light / (np.pi * (1 - 0.4 / 3 - 0.2 / 6))
    assert lost_light(np.array([d]), k, 0.4, 0.2)[0] == pytest.approx(expected, abs=2e-6)


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


def test_spectral_types_have_the_shares_of_table_1():
    types = letters(draw_types(np.random.default_rng(1), 200_000))
    for letter, share in (("M", 0.05), ("K", 0.73), ("G", 0.16), ("F", 0.04)):
        assert (types == letter).mean() == pytest.approx(share, abs=0.004)
    ends = [each.temperature for each in SPECTRAL_TYPES]
    assert [low for low, _ in ends[1:]] == [high for _, high in ends[:-1]]
    assert ends[1] == (3865.0, 5310.0)


def test_kinds_have_the_paper_s_shares():
    kinds = draw_kinds(np.random.default_rng(2), 500_000, PAPER_SHARES)
    for kind, share in (("eclipsing", 0.01), ("transit", 0.01), ("pulsating", 0.0002)):
        assert (kinds == kind).mean() == pytest.approx(share, rel=0.25)
    assert (kinds != "none").mean() == pytest.approx(PAPER_SHARES.total, rel=0.03)


def test_binaries_follow_the_paper_s_law_and_its_searchable_part():
    logs = np.log10(binary_periods(np.random.default_rng(3), 20_000))
    kept = 0.990  # of a Gaussian 4.8 ± 2.3 above 0.25 d; its mean moves up a little
    assert logs.mean() == pytest.approx(4.8 + 2.3 * 0.027 / kept, abs=0.06)
    assert logs.std() == pytest.approx(2.25, abs=0.06)
    short = binary_periods(np.random.default_rng(3), 5000, 1.75)
    assert 0.25 <= short.min() < 0.35
    assert 1.6 < short.max() <= 1.75


def test_paper_variables_repeat_as_asked_and_have_secondaries():
    rng = np.random.default_rng(4)
    kinds = np.array(["transit"] * 30 + ["eclipsing"] * 30 + ["pulsating"] * 5)
    types = draw_types(rng, kinds.size)
    drawn = draw_paper_variables(rng, kinds, types, (61000.0, 61003.5), "searchable")
    assert list(drawn.kind) == list(kinds)
    assert np.all(drawn.period[:30] >= 1.45)
    assert np.all(drawn.period[:30] <= 2.95)
    assert np.all(drawn.period[30:60] <= 1.75)
    assert np.all(drawn.period[60:] >= 1.45)
    assert 0.003 < np.median(drawn.depth[:30]) < 0.05
    for shape in drawn.shapes[30:60]:
        flux = shape(shape.t0 + shape.period * np.array([0.0, 0.25, 0.5]))
        assert flux[0] < flux[1]
        assert flux[2] < flux[1]
        assert flux[0] <= flux[2] + 1e-9


def test_wide_binaries_and_close_planets_stay_physical():
    rng, star = np.random.default_rng(5), SPECTRAL_TYPES[1]
    wide = binary(rng, 1e6, star, 0.0)
    assert wide.radius_1 + wide.radius_2 < 1e-3
    assert wide.depth > 0
    close = binary(rng, 0.25, star, 0.0)
    assert close.radius_1 + close.radius_2 <= 0.75 + 1e-12
    hot = planet(rng, 3.5, star, 0.0)
    assert hot.axis_ratio == pytest.approx(4.207 * (0.75 * 3.5**2) ** (1 / 3) / 0.72)
    assert 0.05 < hot.duration < 0.25


@pytest.mark.parametrize(
    ("period", "amplitude", "rise"),
    [
        (0.3, (0.15, 0.35), (0.38, 0.5)),
        (0.55, (0.4, 1.0), (0.1, 0.2)),
        (5.0, (0.28, 0.62), (0.16, 0.35)),
    ],
)
def test_pulsators_look_as_their_period_says(period, amplitude, rise):
    for seed in range(20):
        star = pulsator_of_period(np.random.default_rng(seed), period, 0.0)
        assert amplitude[0] <= star.amplitude <= amplitude[1]
        assert rise[0] <= star.rise <= rise[1]
        flux = star(np.linspace(0, period, 400))
        assert flux.mean() == pytest.approx(1.0, abs=0.01)
