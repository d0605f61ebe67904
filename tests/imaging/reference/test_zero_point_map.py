"""The zero point over a frame, each star left out of its own."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from csstream.imaging.reference.zero_point_map import zero_point_map

SHAPE = (400, 500)


def field(n, seed, scatter=0.004, tilt=0.0):
    rng = np.random.default_rng(seed)
    x, y = rng.uniform(0, SHAPE[1], n), rng.uniform(0, SHAPE[0], n)
    mag = rng.uniform(15.0, 18.0, n)
    local = 24.8 + tilt * (x / SHAPE[1] - 0.5)
    flux = 10 ** (-0.4 * (mag - local + scatter * rng.standard_normal(n)))
    return x, y, flux, mag


def tie(x, y, flux, mag, error=0.004, **changes):
    n = x.size
    values = {
        "reference_err": np.full(n, 0.001),
        "calibrator": np.ones(n, bool),
        "shape": SHAPE,
        "assumed": 25.0,
    } | changes
    return zero_point_map(x, y, flux, error / 1.0857 * flux, mag, **values)


@given(st.integers(3, 60), st.integers(0, 10_000))
def test_the_formula_is_what_leaving_out_gives(n, seed):
    x, y, flux, mag = field(n, seed)
    found = tie(x, y, flux, mag)
    left_out = 0
    keep = np.arange(n) != left_out
    if n < 4 or found.degree > 0 or found.stars < n:
        return
    other = tie(x, y, flux, mag, calibrator=keep)
    mine = found.zero_point + found.offset[left_out]
    assert mine == pytest.approx(other.zero_point, abs=0.002)


def test_a_star_keeps_its_own_transit_on_a_sliver():
    x, y, flux, mag = field(6, 1, scatter=0.0)
    deep = flux.copy()
    deep[0] *= 0.98
    before, after = tie(x, y, flux, mag), tie(x, y, deep, mag)
    own = [m.zero_point + m.offset[0] for m in (before, after)]
    assert own[0] == pytest.approx(own[1], abs=1e-4)


def test_weights_are_capped():
    x, y, flux, mag = field(40, 2, scatter=0.0)
    bright = flux.copy()
    bright[3] *= 1.01
    error = np.full(40, 0.05)
    error[3] = 0.001
    found = tie(x, y, bright, mag, reference_err=error)
    assert abs(found.zero_point - 24.8) < 0.0015


def test_a_tilt_is_followed_and_taken_out():
    x, y, flux, mag = field(300, 3, tilt=0.03)
    found = tie(x, y, flux, mag)
    assert found.degree >= 1
    expected = 24.8 + 0.03 * (x / SHAPE[1] - 0.5)
    assert np.max(np.abs(found.zero_point + found.offset - expected)) < 0.003


def test_variables_do_not_pull():
    x, y, flux, mag = field(60, 4)
    flux[::6] *= 0.7
    assert tie(x, y, flux, mag).zero_point == pytest.approx(24.8, abs=0.003)


def test_too_few_calibrators_leave_the_zero_point_as_assumed():
    x, y, flux, mag = field(5, 5)
    found = tie(x, y, flux, mag, calibrator=np.arange(5) < 2)
    assert found.zero_point == 25.0
    assert np.isnan(found.error)
    assert not found.offset.any()
