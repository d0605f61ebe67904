import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from csstream.imaging.fit.stamp_kernels import Places, fill_stamp, scratch, stamp_size
from csstream.imaging.fit.stamp_tables import local_field
from csstream.imaging.psf.field_psf import FieldPsf
from csstream.imaging.psf.kernels import evaluate_with_gradient
from csstream.imaging.psf.pixel_psf import PixelPsf, PsfError
from csstream.imaging.psf.profiles import (
    diffraction_psf,
    moffat_psf,
    psf_from_instrument,
    pupil_transfer,
)
from csstream.instruments.instrument import load_instrument

SUBPIXEL = st.floats(-0.5, 0.5)


@pytest.fixture(scope="module")
def psf():
    return psf_from_instrument(load_instrument("csst-i"), half_width=32)


def test_interpolation_errs_by_1e4_of_the_peak(psf):
    instrument = load_instrument("csst-i")
    fine = psf_from_instrument(instrument, oversampling=8, half_width=32)
    rng = np.random.default_rng(1)
    index = rng.integers(-8 * 8, 8 * 8, (2, 2000))
    scale = psf.samples.sum() / 16 / (fine.samples.sum() / 64)
    exact = fine.samples[index[1] + 256, index[0] + 256] * scale
    error = psf.evaluate(index[0] / 8, index[1] / 8) - exact
    assert np.abs(error).max() < 2e-4 * exact.max()


def test_table_holds_the_light_within_r80(psf):
    instrument = load_instrument("csst-i")
    wide = psf_from_instrument(instrument, oversampling=4, half_width=80)
    size = 1024
    padded = np.zeros((size, size))
    k = wide.samples.shape[0]
    start = size // 2 - k // 2
    padded[start : start + k, start : start + k] = wide.samples / 16
    frequency = np.fft.fftfreq(size, 0.25)
    pixel = np.sinc(np.clip(frequency, -0.95, 0.95))
    # Deconvolve below the pupil's cut-off (0.94 cycle per pixel); there is nothing above it.
    kept = np.hypot(frequency[:, None], frequency[None, :]) < 0.95
    response = np.fft.fft2(np.fft.ifftshift(padded)) * kept / (pixel[:, None] * pixel[None, :])
    optical = np.fft.fftshift(np.fft.ifft2(response).real)
    axis = (np.arange(size) - size // 2) / 4 * 0.074
    inside = np.hypot(axis[:, None], axis[None, :]) < 0.132
    assert optical[inside].sum() == pytest.approx(0.8, abs=0.01)


@given(SUBPIXEL, SUBPIXEL)
@settings(max_examples=25, deadline=None)
def test_rendered_star_keeps_its_flux_and_place(dx, dy):
    psf = moffat_psf(3.0, 4.0, 4, 32)
    image = np.zeros((65, 65))
    psf.render(image, [32.0 + dx], [32.0 + dy], [1000.0], 32)
    y, x = np.indices(image.shape)
    assert image.sum() == pytest.approx(1000.0, rel=2e-3)
    core = np.hypot(x - 32 - dx, y - 32 - dy) < 12.5
    assert (image * core * (x - 32)).sum() / 1000 == pytest.approx(dx, abs=0.02)
    assert (image * core * (y - 32)).sum() / 1000 == pytest.approx(dy, abs=0.02)


def test_render_equals_evaluate_and_clips_at_the_edge(psf):
    image = np.zeros((20, 24))
    x, y = np.array([3.3, -2.4, 26.1]), np.array([4.8, 10.2, 19.6])
    psf.render(image, x, y, [2.0, 3.0, 5.0], 30)
    yy, xx = np.indices(image.shape)
    expected = sum(
        f * psf.evaluate(xx - a, yy - b) for f, a, b in zip([2, 3, 5], x, y, strict=True)
    )
    np.testing.assert_allclose(image, expected, atol=1e-13)


def test_stamp_narrower_than_the_table_is_cut(psf):
    image = np.zeros((41, 41))
    psf.render(image, 20.0, 20.0, 1.0, 5)
    assert image[20, 15] > 0
    assert image[20, 14] == 0


@given(st.floats(-3, 3), st.floats(-3, 3))
@settings(max_examples=25, deadline=None)
def test_gradient_is_the_derivative(dx, dy):
    psf = diffraction_psf(0.94, 1.78, 4, 16)
    table = (psf.coefficients, psf.oversampling, psf.centre)
    step = 1e-5
    value, slope_x, slope_y = evaluate_with_gradient(*table, dx, dy)
    right = evaluate_with_gradient(*table, dx + step, dy)[0]
    up = evaluate_with_gradient(*table, dx, dy + step)[0]
    assert value == pytest.approx(float(psf.evaluate(dx, dy)))
    assert (right - value) / step == pytest.approx(slope_x, abs=1e-4)
    assert (up - value) / step == pytest.approx(slope_y, abs=1e-4)


def test_stamps_agree_with_single_evaluations(psf):
    x, y, half = np.array([50.1, 10.3]), np.array([40.8, 20.7]), np.array([2, 4])
    places = Places(np.array([50, 10]), np.array([41, 21]), half)
    stamps = np.full(stamp_size(4), np.nan, np.float32)
    field = local_field(FieldPsf.constant(psf), 5, x, y, np.zeros((1, 2)))
    work = scratch(field.table, 4)
    fill_stamp(field, field.table, 0, x, y, places, 1, work, stamps, 0)
    value, slope_x, slope_y = stamps.reshape(3, 9, 16)[:, :, :9]
    for j, i in ((0, 0), (4, 3), (8, 6)):
        expected = evaluate_with_gradient(
            psf.coefficients, psf.oversampling, psf.centre, 10 - 4 + i - 10.3, 21 - 4 + j - 20.7
        )
        found = value[j, i], -slope_x[j, i], -slope_y[j, i]
        np.testing.assert_allclose(found, expected, atol=1e-6)
    assert np.isfinite(stamps).all()


def test_fwhm_of_a_moffat_grows_by_the_pixel():
    assert moffat_psf(6.0, 3.0, 4, 40).fwhm == pytest.approx(6.1, abs=0.1)


def test_wider_r80_lowers_the_peak():
    instrument = load_instrument("csst-i")
    peaks = [
        psf_from_instrument(instrument, r80_arcsec=r, half_width=24).samples.max()
        for r in (0.11, 0.132, 0.15)
    ]
    assert peaks[0] > peaks[1] > peaks[2]


def test_transfer_function_ends_at_the_cut_off():
    np.testing.assert_allclose(pupil_transfer(np.array([0.0, 1.0, 1.5])), [1, 0, 0], atol=1e-12)


def test_r80_below_the_diffraction_limit_is_refused():
    with pytest.raises(PsfError, match="diffraction alone"):
        psf_from_instrument(load_instrument("csst-i"), r80_arcsec=0.06)


def test_widths_of_the_other_model_are_refused():
    with pytest.raises(PsfError, match="not FWHM"):
        psf_from_instrument(load_instrument("csst-i"), fwhm_arcsec=0.2)
    with pytest.raises(PsfError, match="not r80"):
        psf_from_instrument(load_instrument("ogle4-i"), r80_arcsec=0.2)


@pytest.mark.parametrize("shape", [(4, 4), (5, 7), (3,)])
def test_table_must_be_square_and_odd(shape):
    with pytest.raises(PsfError, match="square"):
        PixelPsf(np.ones(shape), 4)


@pytest.mark.parametrize("name", ["csst-i", "ogle4-i"])
def test_ellipticity_stretches_along_x_and_the_diagonal(name):
    instrument = load_instrument(name)
    wide = psf_from_instrument(instrument, half_width=24, ellipticity=(0.05, 0.0))
    assert wide.evaluate(1.5, 0.0) > 1.02 * wide.evaluate(0.0, 1.5)
    slanted = psf_from_instrument(instrument, half_width=24, ellipticity=(0.0, 0.05))
    assert slanted.evaluate(1.0, 1.0) > 1.02 * slanted.evaluate(1.0, -1.0)
    assert slanted.evaluate(1.5, 0.0) == pytest.approx(float(slanted.evaluate(0.0, 1.5)))
