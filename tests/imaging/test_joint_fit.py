"""The joint fit on simulated skies: unbiased, with honest errors, the same on every run."""

import numpy as np
import pytest

from csstream.imaging.fit.joint_fit import FitSettings, joint_fit
from csstream.imaging.fit.pairs import find_pairs
from csstream.imaging.fit.stamp_kernels import Places
from csstream.imaging.frames.background import (
    Background,
    correct_from_residual,
    estimate_background,
    noise_scale,
)


def fit_sky(sky, psf, *, start=0.05, settings=None, mask=None, level=200.0):
    image, x, y, flux = sky
    rng = np.random.default_rng(99)
    return joint_fit(
        image,
        np.zeros(image.shape, bool) if mask is None else mask,
        np.full(image.shape, level, np.float32),
        psf,
        x + rng.normal(0, start, x.size),
        y + rng.normal(0, start, x.size),
        flux * rng.uniform(0.8, 1.2, x.size),
        read_noise=5.0,
        settings=settings,
    )


def inside(sky, margin=8):
    image, x, y, _ = sky
    side = image.shape[0]
    return (x > margin) & (y > margin) & (x < side - margin) & (y < side - margin)


def width(values):
    return 1.4826 * np.median(np.abs(values - np.median(values)))


def test_pulls_have_unit_width_and_no_bias(make_sky, narrow_psf):
    sky = make_sky(1, side=300, density=0.008)
    fit = fit_sky(sky, narrow_psf, settings=FitSettings(position_prior=1.0))
    good = inside(sky)
    assert good.sum() > 400
    pull = ((fit.flux - sky[3]) / fit.flux_err)[good]
    assert 0.85 < width(pull) < 1.15
    assert abs(np.median(pull)) < 0.15
    for found, truth, error in ((fit.x, sky[1], fit.x_err), (fit.y, sky[2], fit.y_err)):
        pull = ((found - truth) / error)[good]
        assert 0.85 < width(pull) < 1.15
        assert abs(np.median(pull)) < 0.2


def test_bright_stars_are_measured_to_their_photon_noise(make_sky, narrow_psf):
    sky = make_sky(2, side=240, density=0.004, flux=(1e5, 1e6))
    fit = fit_sky(sky, narrow_psf)
    good = inside(sky)
    relative = (fit.flux / sky[3] - 1.0)[good]
    assert abs(np.mean(relative)) < 1e-3
    assert np.std(relative) < 1.3 * np.median((fit.flux_err / fit.flux)[good])
    assert fit.converged[good].all()


def test_a_wrong_sky_level_is_corrected(make_sky, narrow_psf):
    sky = make_sky(3, side=200)
    fit = fit_sky(sky, narrow_psf, level=230.0)
    assert np.median(fit.background) == pytest.approx(200.0, abs=2.0)


def test_close_pair_is_told_apart_and_its_errors_know_it(narrow_psf):
    image = np.full((64, 64), 200.0)
    x, y, flux = np.array([30.0, 31.5, 12.3]), np.array([30.2, 30.2, 50.1]), np.full(3, 3e4)
    narrow_psf.render(image, x, y, flux, 40)
    image = np.random.default_rng(4).poisson(image).astype(np.float32)
    fit = fit_sky((image, x, y, flux), narrow_psf, settings=FitSettings(background_mesh=0))
    assert np.all(np.abs(fit.flux - flux) < 5 * fit.flux_err)
    assert fit.flux_err[0] > 1.5 * fit.flux_err[2]
    assert fit.contamination[0] > 0.3 * flux[0]
    assert abs(fit.contamination[2]) < 0.01 * flux[2]


def test_masked_core_is_measured_from_the_wings(narrow_psf):
    image = np.full((64, 64), 200.0)
    x, y, flux = np.array([32.2]), np.array([31.7]), np.array([5e6])
    narrow_psf.render(image, x, y, flux, 40)
    image = image.astype(np.float32)
    mask = image > 90_000.0
    assert mask.sum() >= 4
    image[mask] = 90_000.0
    fit = fit_sky((image, x, y, flux), narrow_psf, mask=mask)
    assert fit.flux[0] == pytest.approx(5e6, rel=0.01)
    assert fit.share[0] < 0.9


def test_a_star_without_pixels_has_no_error(narrow_psf):
    image = np.full((64, 64), 200.0, np.float32)
    x, y, flux = np.array([32.0, -60.0]), np.array([32.0, 10.0]), np.array([1e4, 1e4])
    fit = fit_sky((image, x, y, flux), narrow_psf)
    assert np.isnan(fit.flux_err[1])
    assert np.isfinite(fit.flux_err[0])
    assert not fit.converged[1]


def test_a_star_beyond_the_edge_still_shines_in(narrow_psf):
    image = np.full((64, 64), 200.0)
    x, y, flux = np.array([-2.0, 5.0]), np.array([30.0, 30.0]), np.array([2e5, 2e4])
    narrow_psf.render(image, x, y, flux, 40)
    fit = fit_sky((image.astype(np.float32), x, y, flux), narrow_psf, start=0.0)
    assert fit.flux[1] == pytest.approx(2e4, rel=0.02)


def test_no_stars_is_no_error(narrow_psf):
    image = np.full((40, 40), 200.0, np.float32)
    empty = np.empty(0)
    fit = fit_sky((image, empty, empty, empty), narrow_psf)
    assert fit.x.size == 0
    assert fit.background.shape == image.shape


def test_two_runs_give_the_same_bytes(make_sky, narrow_psf):
    sky = make_sky(5, side=100, density=0.02)
    first, second = fit_sky(sky, narrow_psf), fit_sky(sky, narrow_psf)
    assert first.flux.tobytes() == second.flux.tobytes()
    assert first.x.tobytes() == second.x.tobytes()
    assert first.flux_err.tobytes() == second.flux_err.tobytes()


def test_pairs_are_all_that_overlap():
    rng = np.random.default_rng(6)
    x, y = rng.integers(-10, 90, (2, 120))
    half = rng.integers(3, 9, 120)
    pairs = find_pairs(Places(x, y, half))
    found = {
        (a, int(b)) for a in range(120) for b in pairs.other[pairs.start[a] : pairs.start[a + 1]]
    }
    expected = {
        (a, b)
        for a in range(120)
        for b in range(120)
        if a != b and max(abs(x[a] - x[b]), abs(y[a] - y[b])) <= half[a] + half[b]
    }
    assert found == expected
    assert pairs.other.size == len(expected)
    first = np.repeat(np.arange(120), np.diff(pairs.start))
    assert np.array_equal(first[pairs.twin], pairs.other)
    assert np.array_equal(pairs.other[pairs.twin], first)


def test_background_follows_a_slope_and_ignores_stars(make_sky):
    image, *_ = make_sky(7, side=300, density=0.001)
    slope = np.linspace(0.0, 60.0, 300, dtype=np.float32)
    found = estimate_background(image + slope, np.zeros(image.shape, bool), 60)
    assert isinstance(found, Background)
    assert np.median(np.abs(found.level - (200.0 + slope))) < 2.0
    assert found.rms == pytest.approx(np.sqrt(230.0 + 25.0), rel=0.06)


def test_background_of_a_masked_or_constant_frame():
    image = np.full((50, 50), 7.0, np.float32)
    assert estimate_background(image, np.ones((50, 50), bool)).rms == 0.0
    assert estimate_background(image, np.zeros((50, 50), bool)).median == 7.0


def test_residual_goes_into_the_background():
    rng = np.random.default_rng(8)
    residual = (3.0 + rng.normal(0, 1, (80, 120))).astype(np.float32)
    residual[10, 10] = 1e6
    level = np.full((80, 120), 100.0, np.float32)
    correct_from_residual(level, residual, np.zeros(level.shape, bool), 40)
    assert np.mean(level) == pytest.approx(103.0, abs=0.1)


def test_noise_scale_finds_where_the_noise_is_larger():
    rng = np.random.default_rng(9)
    pull = rng.normal(0, 1, (200, 400)).astype(np.float32)
    pull[:, 200:] *= 3.0
    scale = noise_scale(pull, np.zeros(pull.shape, bool), 50)
    assert np.median(scale[:, :150]) == pytest.approx(1.0, abs=0.05)
    assert np.median(scale[:, 260:]) == pytest.approx(3.0, rel=0.05)
