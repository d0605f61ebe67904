"""The joint fit with a PSF that varies, several threads, wings, edges and hopeless stars."""

from dataclasses import fields

import numpy as np
import pytest

from csstream.imaging.fit.joint_fit import FitSettings, joint_fit
from csstream.imaging.psf.field_psf import FieldPsf
from csstream.imaging.psf.pixel_psf import PixelPsf
from csstream.imaging.psf.profiles import moffat_psf

SKY, NOISE = 200.0, 5.0
SIDE = 256


def varying_psf(change=0.06):
    """Three per cent narrower on the left than in the middle, three wider on the right."""
    tables = [
        moffat_psf(w, 4.0, 4, 30).samples for w in (1.8 * (1 - change / 2), 1.8 * (1 + change / 2))
    ]
    mean, slope = 0.5 * (tables[0] + tables[1]), 0.5 * (tables[1] - tables[0])
    zero = PixelPsf(np.zeros_like(mean), 4)
    terms = (PixelPsf(mean, 4), PixelPsf(slope, 4), zero, zero, zero, zero)
    return FieldPsf(terms, 2, (SIDE / 2, SIDE / 2), (SIDE / 2, SIDE / 2))


def fit(image, psf, x, y, flux, *, mask=None, prior=None, **settings):
    return joint_fit(
        image.astype(np.float32),
        np.zeros(image.shape, bool) if mask is None else mask,
        np.full(image.shape, SKY, np.float32),
        psf,
        x,
        y,
        flux,
        read_noise=NOISE,
        settings=FitSettings(background_mesh=0, **settings),
        prior=prior,
    )


def stars(seed, density=0.01, flux=(3.0, 5.0), side=SIDE, margin=0.0):
    rng = np.random.default_rng(seed)
    n = int(density * (side + 2 * margin) ** 2)
    x, y = rng.uniform(-margin, side + margin, (2, n))
    return x, y, 10 ** rng.uniform(*flux, n)


def test_each_star_has_the_psf_of_its_own_place():
    psf, (x, y, flux) = varying_psf(), stars(910, density=0.002)
    image = np.full((SIDE, SIDE), SKY)
    psf.render(image, x, y, flux, 30)
    found = fit(image, psf, x + 0.05, y, 0.9 * flux, position_prior=1.0, iterations=12)
    inside = (x > 8) & (x < SIDE - 8) & (y > 8) & (y < SIDE - 8)
    error = np.abs(found.flux / flux - 1.0)[inside]
    assert np.median(error) < 1e-4
    # Without noise what remains is interpolation and wings.
    assert np.percentile(np.abs(found.flux - flux)[inside] / found.flux_err[inside], 95) < 0.03
    constant = fit(image, psf.central, x + 0.05, y, 0.9 * flux, position_prior=1.0, iterations=12)
    wrong = np.abs(constant.flux / flux - 1.0)[inside]
    assert np.median(wrong) > 20 * np.median(error)


def test_a_star_measures_the_same_wherever_tiles_begin():
    psf = varying_psf()
    shifts = np.arange(90.0, 102.0)  # over a tile's edge
    fluxes = []
    for x in shifts:
        image = np.full((64, SIDE), SKY)
        psf.render(image, [x, 20.0], [30.0, 30.0], [3e4, 1e3], 30)
        fluxes.append(fit(image, psf, [x, 20.0], [30.0, 30.0], [3e4, 1e3]).flux[0])
    assert np.ptp(fluxes) / 3e4 < 3e-5


def test_six_equal_terms_make_the_constant_psf(narrow_psf):
    x, y, flux = stars(911, side=128)
    image = np.full((128, 128), SKY)
    narrow_psf.render(image, x, y, flux, 40)
    zero = PixelPsf(np.zeros_like(narrow_psf.samples), 4)
    field = FieldPsf((narrow_psf, *[zero] * 5), 2, (64.0, 64.0), (64.0, 64.0))
    first, second = fit(image, narrow_psf, x, y, flux), fit(image, field, x, y, flux)
    np.testing.assert_allclose(first.flux, second.flux, rtol=1e-4, atol=0.5)


@pytest.mark.parametrize("varying", [False, True])
def test_threads_do_not_change_a_bit(narrow_psf, varying):
    psf = varying_psf() if varying else FieldPsf.constant(narrow_psf)
    x, y, flux = stars(912, density=0.02, margin=10.0)
    image = np.full((SIDE, SIDE), SKY)
    psf.render(image, x, y, flux, 20)
    image = np.random.default_rng(3).poisson(image)
    results = [fit(image, psf, x, y, flux, threads=n, iterations=3) for n in (1, 2, 3)]
    for field in fields(results[0]):
        first = np.asarray(getattr(results[0], field.name))
        for other in results[1:]:
            assert first.tobytes() == np.asarray(getattr(other, field.name)).tobytes(), field.name


def test_the_order_of_the_list_is_kept(narrow_psf):
    x, y, flux = stars(913, side=128, margin=60.0)
    image = np.full((128, 128), SKY)
    narrow_psf.render(image, x, y, flux, 40)
    first = fit(image, narrow_psf, x, y, flux)
    order = np.random.default_rng(1).permutation(x.size)
    second = fit(image, narrow_psf, x[order], y[order], flux[order])
    np.testing.assert_allclose(first.flux[order], second.flux, rtol=1e-3, atol=1.0)
    np.testing.assert_array_equal(np.isnan(first.flux_err[order]), np.isnan(second.flux_err))


def test_pulls_of_a_complete_list_are_one(make_sky, narrow_psf):
    rng = np.random.default_rng(914)
    pulls = []
    for seed in (914, 915, 916):
        image, x, y, flux = make_sky(seed, side=256, density=0.015, flux=(1e3, 1e5))
        start = x + rng.normal(0, 0.1, x.size), y + rng.normal(0, 0.1, x.size)
        found = joint_fit(
            image, np.zeros(image.shape, bool), np.full(image.shape, SKY, np.float32), narrow_psf,
            *start, flux * rng.normal(1.0, 0.1, x.size), read_noise=NOISE,
            settings=FitSettings(position_prior=0.1),
        )  # fmt: skip
        inside = (x > 8) & (x < 247) & (y > 8) & (y < 247)
        pulls.append(
            [
                ((a - b) / e)[inside]
                for a, b, e in (
                    (found.flux, flux, found.flux_err),
                    (found.x, x, found.x_err),
                    (found.y, y, found.y_err),
                )
            ]
        )
    for column in zip(*pulls, strict=True):
        pull = np.concatenate(column)
        assert pull.size > 2000
        low, high = np.percentile(pull, [15.87, 84.13])
        assert 0.95 < 0.5 * (high - low) < 1.05
        assert abs(np.median(pull)) < 0.06


def test_negative_flux_keeps_finite_errors(narrow_psf):
    image = np.full((64, 64), SKY)
    narrow_psf.render(image, [30.0], [30.0], [-500.0], 30)
    found = fit(image, narrow_psf, [30.0, 45.0], [30.0, 40.0], [100.0, -50.0])
    assert found.flux[0] == pytest.approx(-500.0, abs=20.0)
    assert np.all(np.isfinite([found.flux_err, found.x_err, found.y_err]))
    assert found.x_err[0] == pytest.approx(0.1, rel=0.01)  # the prior's


def test_a_bright_star_beyond_the_edge_is_subtracted(narrow_psf):
    image = np.full((64, 64), SKY)
    x, y, flux = np.array([-14.0, 4.0]), np.array([30.0, 30.0]), np.array([3e6, 5e3])
    narrow_psf.render(image, x, y, flux, 40)
    found = fit(image, narrow_psf, x, y, flux)
    assert found.flux[1] == pytest.approx(5e3, rel=0.01)
    assert np.isnan(found.flux_err[0])
    assert found.flux[0] == flux[0]
    assert np.abs(found.residual).max() < 3.0


def test_wings_reach_the_end_of_the_table(narrow_psf):
    image = np.full((120, 120), SKY)
    narrow_psf.render(image, [60.3], [59.8], [5e6], 40)
    found = fit(image, narrow_psf, [60.3], [59.8], [4.5e6])
    assert found.flux[0] == pytest.approx(5e6, rel=1e-4)
    assert np.abs(found.residual).max() < 3.0


def test_a_saturated_star_is_measured_from_wide_wings(narrow_psf):
    image = np.full((120, 120), SKY)
    narrow_psf.render(image, [60.0, 70.0], [60.0, 66.0], [2e7, 5e3], 40)
    mask = image > 6e4
    assert mask.sum() > 20
    found = fit(
        np.where(mask, np.nan, image),
        narrow_psf,
        [60.0, 70.0],
        [60.0, 66.0],
        [1e7, 5e3],
        mask=mask,
        iterations=8,
    )
    assert found.flux[0] == pytest.approx(2e7, rel=0.01)
    assert found.flux[1] == pytest.approx(5e3, rel=0.1)
    assert np.all(np.isfinite(found.flux_err))


def test_a_blend_settles(narrow_psf):
    """Plain Gauss–Newton steps to and fro between two places in such a blend."""
    x, y, flux = (
        np.array([30.0, 30.5, 31.2]),
        np.array([30.0, 30.3, 29.8]),
        np.array([2e4, 1e4, 6e3]),
    )
    image = np.full((64, 64), SKY)
    narrow_psf.render(image, x, y, flux, 30)
    image = np.random.default_rng(917).poisson(image)
    short = fit(image, narrow_psf, x + 0.1, y - 0.1, flux * 0.7, iterations=15, settled=0.0)
    long = fit(image, narrow_psf, x + 0.1, y - 0.1, flux * 0.7, iterations=40, settled=0.0)
    assert np.all(np.abs(short.flux - long.flux) < 0.2 * long.flux_err)
    assert np.all(np.abs(long.flux - flux) < 4 * long.flux_err)
    assert long.converged.all()


@pytest.mark.parametrize("shape", [(1, 1), (3, 40), (40, 3)])
def test_tiny_frames_are_no_error(narrow_psf, shape):
    image = np.full(shape, SKY)
    x, y, flux = np.array([0.0, 2.0]), np.array([0.2, 1.0]), np.array([500.0, 3e4])
    narrow_psf.render(image, x, y, flux, 20)
    found = fit(image, narrow_psf, x, y, flux)
    assert found.residual.shape == shape
    assert np.all(np.isfinite(found.flux))


def test_an_image_of_another_kind_is_taken_as_it_is(narrow_psf):
    image = np.full((50, 50), SKY)
    narrow_psf.render(image, [20.0], [25.0], [1e4], 30)
    plain = fit(image, narrow_psf, [20.1], [25.0], [9e3])
    for other in (image.astype(">f8"), np.asfortranarray(image), np.repeat(image, 2, 1)[:, ::2]):
        found = joint_fit(
            other, np.zeros((50, 50), bool), np.full((50, 50), SKY, np.float32), narrow_psf,
            [20.1], [25.0], [9e3], read_noise=NOISE, settings=FitSettings(background_mesh=0),
        )  # fmt: skip
        assert found.flux[0] == plain.flux[0]


@pytest.mark.parametrize(("fwhm", "oversampling"), [(3.3, 4), (6.0, 2), (1.3, 5)])
def test_any_width_and_oversampling_is_measured(fwhm, oversampling):
    psf = moffat_psf(fwhm, 3.0, oversampling, 60)
    x, y, flux = stars(918, density=0.005, flux=(4.0, 5.5), side=200)
    image = np.full((200, 200), SKY)
    psf.render(image, x, y, flux, 60)
    rng = np.random.default_rng(919)
    image = rng.poisson(image) + rng.normal(0.0, NOISE, image.shape)
    found = fit(image, psf, x + 0.1, y - 0.1, 0.9 * flux, position_prior=0.3)
    inside = (x > 12) & (x < 187) & (y > 12) & (y < 187)
    pull = ((found.flux - flux) / found.flux_err)[inside]
    assert abs(np.median(pull)) < 0.2
    assert 0.8 < 1.4826 * np.median(np.abs(pull - np.median(pull))) < 1.2
