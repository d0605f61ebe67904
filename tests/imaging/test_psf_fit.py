"""The PSF fitted to a frame's stars: blur, variation over the field, aberrations, honest errors."""

import numpy as np
import pytest

from csstream.imaging.fit.joint_fit import FitSettings, joint_fit
from csstream.imaging.frames.frame import blank_header, frame_from_array
from csstream.imaging.psf.blur import blurred, blurred_field, framed
from csstream.imaging.psf.family import _Pupil, _response, aberration_modes, gaussian_variance
from csstream.imaging.psf.field_psf import FieldPsf
from csstream.imaging.psf.pixel_psf import PixelPsf
from csstream.imaging.psf.profiles import moffat_psf, psf_from_instrument
from csstream.imaging.psf_fit.estimate import PsfEstimate, adjust_psf, estimate_psf, psf_change
from csstream.imaging.psf_fit.shape import corrected, ring_shapes
from csstream.instruments.instrument import load_instrument

SIDE, SKY = 300, 250.0


def csst(**changes):
    return psf_from_instrument(load_instrument("csst-i"), half_width=24, **changes)


@pytest.fixture(scope="module")
def nominal():
    return csst()


def sky_of(psf, seed, density=0.02):
    """A frame, and positions and fluxes of its stars a little off."""
    rng = np.random.default_rng(seed)
    n = int(density * (SIDE + 20) ** 2)
    x, y = rng.uniform(-10, SIDE + 10, (2, n))
    flux = 500.0 * rng.random(n) ** -1.1
    flux = np.minimum(flux, 3e5)
    truth = np.full((SIDE, SIDE), SKY)
    psf.render(truth, x, y, flux, 24)
    image = (rng.poisson(truth) + rng.normal(0.0, 5.0, truth.shape)).astype(np.float32)
    header = blank_header(shape=image.shape, read_noise=5.0, saturation=9e4)
    start = (x + rng.normal(0, 0.05, n), y + rng.normal(0, 0.05, n), flux)
    return frame_from_array(image, header), start


def adjusted(frame, start, psf, times=1, nominal=None):
    estimate = PsfEstimate(FieldPsf.constant(psf), "extension", 0, 0.01, nominal)
    level = np.full(frame.shape, SKY, np.float32)
    for _ in range(times):
        settings = FitSettings(iterations=4, psf_error=estimate.error, background_mesh=0)
        fit = joint_fit(
            frame.image, frame.mask, level, estimate.psf, *start, read_noise=5.0, settings=settings
        )
        estimate = adjust_psf(estimate, fit, frame)
    return estimate


def relative_error(found, true):
    """RMS difference within the core over RMS of the profile, position and flux left free."""
    grid = np.linspace(-3.0, 3.0, 25)
    dx, dy = (axis.ravel() for axis in np.meshgrid(grid, grid))
    h = 0.05
    known = np.stack(
        [
            true.evaluate(dx, dy),
            true.evaluate(dx + h, dy) - true.evaluate(dx - h, dy),
            true.evaluate(dx, dy + h) - true.evaluate(dx, dy - h),
        ]
    )
    difference = found.evaluate(dx, dy) - known[0]
    amounts = np.linalg.lstsq(known.T, difference, rcond=None)[0]
    return np.sqrt(np.mean((difference - amounts @ known) ** 2) / np.mean(known[0] ** 2))


@pytest.mark.parametrize("r80", [0.114, 0.15])
def test_a_blur_of_either_sign_is_exact(nominal, r80):
    true = csst(r80_arcsec=r80)
    change = gaussian_variance(true) - gaussian_variance(nominal)
    found = blurred(nominal, (change, 0.0, change))
    assert np.abs(found.samples - true.samples).max() < 5e-4 * true.samples.max()


def test_a_blurred_psf_keeps_its_light_at_every_phase(nominal):
    found = blurred(nominal, (-0.1, 0.02, 0.05))
    for j, i in ((0, 0), (1, 3), (2, 2)):
        assert found.samples[j::4, i::4].sum() == pytest.approx(1.0)


def test_a_varying_blur_is_the_local_one(nominal):
    field = framed(FieldPsf.constant(nominal), (200, 200))
    blur = np.array([[0.02, 0.08, 0.0], [0.0, 0.0, 0.03], [0.02, 0.08, 0.0]])
    found = blurred_field(field, blur, 1)
    assert found.degree == 2
    for u in (-0.8, 0.0, 0.8):
        x, y = 99.5 + u * 100, 99.5
        exact = blurred(nominal, (0.02 + 0.08 * u, 0.0, 0.02 + 0.08 * u))
        error = np.abs(found.at(x, y).samples - exact.samples).max()
        assert error < 1e-3 * exact.samples.max()


@pytest.mark.parametrize("r80", [0.12, 0.1333, 0.145])
def test_the_width_of_a_crowded_frame_is_found(nominal, r80):
    true = csst(r80_arcsec=r80)
    frame, start = sky_of(true, 940)
    estimate = adjusted(frame, start, nominal, times=2)
    assert estimate.psf.fwhm == pytest.approx(true.fwhm, rel=3e-3)
    assert relative_error(estimate.psf.central, true) < 0.006
    assert 0.001 <= estimate.error < 0.01


def test_ellipticity_is_found(nominal):
    true = csst(ellipticity=(0.03, 0.02))
    frame, start = sky_of(true, 941)
    estimate = adjusted(frame, start, nominal)
    assert relative_error(nominal, true) > 0.012
    assert relative_error(estimate.psf.central, true) < 0.005


def test_a_width_that_varies_over_the_field_is_found(nominal):
    blur = np.array([[0.0, 0.09, 0.0], [0.0, 0.0, 0.0], [0.0, 0.09, 0.0]])
    true = blurred_field(framed(FieldPsf.constant(nominal), (SIDE, SIDE)), blur, 1)
    frame, start = sky_of(true, 942, density=0.03)
    estimate = adjusted(frame, start, nominal, times=2)
    assert estimate.psf.degree == 2
    for x in (40.0, 260.0):
        assert relative_error(estimate.psf.at(x, 150.0), true.at(x, 150.0)) < 0.012


def test_aberrations_are_found(nominal):
    pupil = _Pupil(nominal.band_limit, 4, 400)
    waves = np.array([0.15, 0.1, -0.1, 0.12, 0.0, 0.0, 0.1, 0.0])
    image = pupil.image(waves, _response(nominal, pupil), nominal.samples.shape[0])
    true = PixelPsf(image * 16.0 / image.sum(), 4)
    frame, start = sky_of(true, 943, density=0.03)
    estimate = adjusted(frame, start, nominal, times=3, nominal=nominal)
    assert relative_error(nominal, true) > 0.03
    assert relative_error(estimate.psf.central, true) < 0.006


def test_without_bright_stars_a_psf_stays(nominal):
    frame, start = sky_of(nominal, 944, density=0.0001)
    estimate = adjusted(frame, (start[0][:3], start[1][:3], start[2][:3]), nominal)
    assert np.array_equal(estimate.psf.central.samples, nominal.samples)
    assert estimate.error == 0.01


def test_a_first_psf_starts_from_the_nominal_one_where_that_fits(nominal):
    true = csst(r80_arcsec=0.145)
    frame, _ = sky_of(true, 945)
    estimate = estimate_psf(frame, nominal)
    assert estimate is not None
    assert estimate.nominal is nominal
    assert estimate.psf.fwhm == pytest.approx(true.fwhm, rel=0.015)


def test_a_first_psf_drops_a_nominal_one_far_off():
    true = moffat_psf(4.5, 3.0, 4, 40)
    frame, _ = sky_of(true, 946, density=0.004)
    estimate = estimate_psf(frame, moffat_psf(2.2, 3.0, 4, 40))
    assert estimate is not None
    assert estimate.psf.fwhm == pytest.approx(true.fwhm, rel=0.03)


def test_aberration_modes_add_no_light(nominal):
    modes, sigma = aberration_modes(nominal)
    assert modes.shape[0] == sigma.size
    assert np.all(np.diff(sigma) <= 0.0)
    amounts = np.where(np.arange(sigma.size) == 0, sigma, 0.0)[:, None]
    found = corrected(FieldPsf.constant(nominal), modes, amounts, 0).central
    assert np.abs(found.samples - nominal.samples).max() > 0.01 * nominal.samples.max()
    for j, i in ((0, 0), (1, 3), (2, 2)):
        assert found.samples[j::4, i::4].sum() == pytest.approx(1.0)


def test_only_a_pupil_has_aberrations():
    with pytest.raises(ValueError, match="pupil"):
        aberration_modes(moffat_psf(2.0, 3.0, 4, 24))


def test_ring_modes_end_within_the_patch(nominal):
    modes = ring_shapes(nominal).modes
    middle = modes.shape[1] // 2
    edge = middle + int(4.0 * 4 * nominal.fwhm)
    assert np.abs(modes[:, middle, edge]).max() < 1e-3 * np.abs(modes).max()


def test_change_is_the_largest_in_the_field(nominal):
    field = framed(FieldPsf.constant(nominal), (100, 100))
    blur = np.array([[0.0, 0.05, 0.0], [0.0, 0.0, 0.0], [0.0, 0.05, 0.0]])
    other = blurred_field(field, blur, 1)
    assert psf_change(field, field, (100, 100)) == 0.0
    assert psf_change(field, other, (100, 100)) > 0.02
