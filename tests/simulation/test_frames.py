import numpy as np
import pytest

from csstream.imaging.psf.profiles import psf_from_instrument
from csstream.instruments.instrument import load_instrument
from csstream.simulation.catalogue import (
    StarCatalogue,
    draw_catalogue,
    draw_magnitudes,
    electrons_from_magnitudes,
)
from csstream.simulation.frames import (
    add_noise,
    background_level,
    render_expectation,
    render_frame,
    stamp_half_widths,
)


@pytest.fixture(scope="module")
def instrument():
    return load_instrument("csst-i")


@pytest.fixture(scope="module")
def psf(instrument):
    return psf_from_instrument(instrument, half_width=80)


def one_star(x, y, mag=20.0):
    return StarCatalogue(np.array([x]), np.array([y]), np.array([mag]))


def test_counts_rise_by_the_slope():
    mag = draw_magnitudes(np.random.default_rng(1), 200_000, 16.0, 26.0, 0.28)
    assert mag.min() >= 16
    assert mag.max() <= 26
    assert (mag < 25).mean() == pytest.approx(10**-0.28, abs=0.005)


def test_density_counts_the_margin_too():
    catalogue = draw_catalogue(np.random.default_rng(2), (200, 300), density=0.02, margin=50)
    assert len(catalogue) == pytest.approx(0.02 * 300 * 400, rel=0.06)
    assert catalogue.inside((200, 300)).sum() == pytest.approx(0.02 * 200 * 300, rel=0.1)
    assert catalogue.x.min() < -30
    assert catalogue.select(catalogue.mag < 20).mag.max() < 20


def test_zero_point_is_one_electron_per_second(instrument):
    zero_point = instrument.photometry.zero_point
    assert electrons_from_magnitudes(zero_point, instrument) == pytest.approx(300.0)
    assert electrons_from_magnitudes(zero_point - 2.5, instrument, 2.0) == pytest.approx(20.0)


def test_noise_has_the_variance_of_poisson_and_reading():
    expectation = np.full((400, 400), 250.0, np.float32)
    image = add_noise(np.random.default_rng(3), expectation, 5.0, 1e9)
    assert image.dtype == np.float32
    assert image.mean() == pytest.approx(250.0, abs=0.2)
    assert image.var() == pytest.approx(275.0, rel=0.015)


def test_bright_pixels_saturate(instrument, psf):
    catalogue = one_star(20.0, 20.0, 15.0)
    image = render_frame(np.random.default_rng(4), catalogue, instrument, psf, (41, 41))
    assert image.max() == instrument.detector.saturation
    assert image[20, 20] == image.max()


def test_a_star_beyond_the_edge_shines_in(instrument, psf):
    flux = electrons_from_magnitudes(np.array([16.0]), instrument)
    image = render_expectation(one_star(-6.0, 15.0), flux, psf, (31, 31), 0.0)
    assert image[15, 0] > 100
    assert image[15, 0] == pytest.approx(flux[0] * float(psf.evaluate(6.0, 0.0)), rel=1e-4)


def test_brighter_stars_have_wider_stamps(psf):
    widths = stamp_half_widths(np.array([300.0, 3e4, 3e5, 3e6, 3e8]), psf)
    assert widths.tolist() == sorted(widths.tolist())
    assert widths[0] == 16
    assert widths[-1] == 80


def test_what_a_stamp_leaves_out_is_below_the_noise(instrument, psf):
    flux = electrons_from_magnitudes(np.array([22.0]), instrument)
    image = render_expectation(one_star(100.0, 100.0), flux, psf, (201, 201), 0.0)
    full = np.zeros((201, 201))
    psf.render(full, 100.0, 100.0, flux, 80)
    assert np.abs(full - image).max() < 0.5


def test_relative_flux_scales_the_star_alone(instrument, psf):
    level = background_level(instrument)
    assert level == pytest.approx((0.81 + 0.02) * 300)
    frames = [
        render_frame(
            np.random.default_rng(5),
            one_star(16.0, 16.0, 19.0),
            instrument,
            psf,
            (33, 33),
            relative_flux=relative,
        )
        for relative in (1.0, 0.5)
    ]
    light = [(frame - level).sum() for frame in frames]
    assert light[1] / light[0] == pytest.approx(0.5, abs=0.01)


def test_same_seed_same_frame(instrument, psf):
    catalogue = one_star(16.0, 16.0)
    frames = [
        render_frame(np.random.default_rng(6), catalogue, instrument, psf, (33, 33)).tobytes()
        for _ in range(2)
    ]
    assert frames[0] == frames[1]
