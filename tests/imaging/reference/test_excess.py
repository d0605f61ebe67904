"""Noise that the photons do not explain, told by the list's lone stars."""

import numpy as np
import pytest

from csstream.imaging.reference.excess import Excess, excess_noise

LIGHT = np.concatenate([np.full(400, 10.0), np.full(60, 1e4)])
ERROR = np.where(LIGHT < 1e3, 1.0, 20.0)  # S/N 10 and 500


def measured(rng, factor=1.0, share=0.0):
    sigma = np.hypot(factor * ERROR, share * LIGHT)
    return LIGHT + sigma * rng.standard_normal(LIGHT.size)


def excess_of(flux, lone=None):
    lone = np.ones(flux.size, bool) if lone is None else lone
    return excess_noise(flux, ERROR, LIGHT, 0.1 * ERROR, lone)


def test_photons_alone_are_left_alone():
    """Three sigma on either of the widths: 3 in 1000 frames."""
    found = [excess_of(measured(np.random.default_rng(seed))) for seed in range(60)]
    assert sum(each != Excess() for each in found) <= 1


@pytest.mark.parametrize("factor", [1.5, 2.3])
def test_the_factor_is_that_of_the_faint_stars(factor):
    """The error of a width of 400 pulls is 6 %."""
    found = excess_of(measured(np.random.default_rng(1), factor))
    assert found.factor == pytest.approx(factor, rel=0.18)
    assert found.share == 0.0


def test_the_share_is_that_of_the_bright_stars():
    found = excess_of(measured(np.random.default_rng(2), 1.0, 0.006))
    assert found.factor == 1.0
    assert found.share == pytest.approx(0.006, rel=0.45)  # three times 15 %
    assert found.widened(np.array([1e4]), np.array([20.0]))[0] == pytest.approx(63.0, rel=0.45)


def test_variables_blends_and_stars_without_flux_do_not_count():
    rng = np.random.default_rng(3)
    flux = measured(rng)
    flux[:40] *= 3.0
    flux[40:60] = np.nan
    blended = np.arange(flux.size) % 2 == 0
    flux[blended & (LIGHT < 1e3)] += 20.0
    assert excess_of(flux, ~blended) == Excess()


def test_few_stars_say_nothing():
    assert excess_noise(*(np.array([v] * 9) for v in (9.0, 0.1, 1.0, 0.1, True))) == Excess()
    none = np.empty(0)
    assert excess_noise(none, none, none, none, none.astype(bool)) == Excess()
