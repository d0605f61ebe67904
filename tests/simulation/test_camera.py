"""Frames mixed from a few images per dither are those rendered star by star."""

import numpy as np
import pytest

from csstream.instruments.instrument import load_instrument
from csstream.simulation.camera import FieldCamera, dither_list
from csstream.simulation.catalogue import draw_catalogue, electrons_from_magnitudes
from csstream.simulation.epochs import LOW_ORBIT, Steadiness, draw_epochs, start_times
from csstream.simulation.field import Field
from csstream.simulation.flat_field import list_sigma, merged_owner, with_flat_variables
from csstream.simulation.frames import render_expectation
from csstream.simulation.telescope import analytic_psf, nominal_width
from csstream.simulation.variables.flat import FlatSettings, amplitude
from csstream.simulation.variables.shapes import Variables

CAMERA = load_instrument("csst-i")
SHAPE = (120, 130)


@pytest.fixture(scope="module")
def seen():
    rng = np.random.default_rng(3)
    start = start_times(40, 61000.0, 9000.0, 300.0)
    epochs = draw_epochs(rng, start, 300.0, 25.91, Steadiness(psf_jitter=0.01, shape_jitter=0.01))
    epochs.dither[:] = dither_list(rng, 40, 3, 3.0)
    stars = draw_catalogue(rng, SHAPE, mag_bright=18.0)
    psf = analytic_psf(CAMERA, nominal_width(CAMERA))
    sigma = list_sigma(stars, psf, SHAPE, CAMERA)
    wanted = FlatSettings(transit=2, eclipsing=2, pulsating=3)
    field = with_flat_variables(stars, sigma, wanted, SHAPE, epochs.mid, rng)
    return FieldCamera(field, epochs, CAMERA), sigma, stars


@pytest.mark.parametrize("index", [0, 7, 23])
def test_a_mixed_frame_is_the_rendered_one(seen, index):
    camera, _, _ = seen
    field, epochs = camera.field, camera.epochs
    e1, e2 = epochs.ellipticity[index]
    psf = analytic_psf(CAMERA, nominal_width(CAMERA) * epochs.psf_scale[index], (e1, e2))
    flux = camera.flux * field.relative_flux(camera.curves[:, index])
    direct = render_expectation(field.dithered(*epochs.dither[index]), flux, psf, SHAPE, 0.0)
    noise = np.sqrt(direct + camera.background(index) + 25.0)
    assert np.std((camera._stars(index) - direct) / noise) < 0.03


def test_frames_differ_by_their_noise_alone_and_repeat_with_the_seed(seen):
    camera, _, _ = seen
    first, again = (camera.expose(4, np.random.default_rng(1)) for _ in range(2))
    other = camera.expose(4, np.random.default_rng(2))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)
    level = np.median(first)
    assert level == pytest.approx(camera.background(4), rel=0.4)
    assert np.all(first == np.rint(first / 1.0) * 1.0) or CAMERA.detector.gain != 1.0


def test_variables_have_the_amplitude_that_their_signal_to_noise_asks_for(seen):
    camera, sigma, stars = seen
    variables = camera.field.variables
    assert len(variables) == 7
    again = list_sigma(camera.field.catalogue, analytic_psf(CAMERA, nominal_width(CAMERA)),
                       SHAPE, CAMERA)[-7:]  # fmt: skip
    snr = np.array([amplitude(shape) for shape in variables.shapes]) / again
    assert np.all((snr > 0.45) & (snr < 6.05))
    assert sigma.size == len(stars)


def test_stars_closer_than_the_list_can_part_share_one_error():
    x, y = np.array([10.0, 10.3, 40.0]), np.array([10.0, 10.0, 40.0])
    owner = merged_owner(x, y, np.array([1.0, 5.0, 2.0]))
    assert owner.tolist() == [1, 1, 2]


def test_an_isolated_star_has_the_error_of_its_photons():
    rng = np.random.default_rng(0)
    stars = draw_catalogue(rng, (60, 60), density=0.0, mag_bright=18.0).with_star(30.0, 30.0, 22, 2)
    sigma = list_sigma(stars, analytic_psf(CAMERA, nominal_width(CAMERA)), (60, 60), CAMERA)
    assert sigma[0] == pytest.approx(0.0129 / 1.0857, rel=0.03)


def test_a_low_orbit_has_windows_glare_and_breathing():
    start = start_times(400, 61000.0, 302.4, 300.0, LOW_ORBIT)
    assert start.size == 400
    since = np.mod(start - start[0], LOW_ORBIT.period)
    since[since > LOW_ORBIT.period - 1e-9] = 0.0
    assert np.all(since + 300.0 / 86400.0 <= LOW_ORBIT.visible * LOW_ORBIT.period + 1e-9)
    used = np.mod(np.round((start - start[0] - since) / LOW_ORBIT.period) * LOW_ORBIT.period, 1.0)
    assert np.all((used >= LOW_ORBIT.lost) | (start - start[0] < 0.05))
    epochs = draw_epochs(
        np.random.default_rng(1), start, 300.0, 25.0, Steadiness(psf_jitter=0.0), LOW_ORBIT
    )
    assert epochs.sky.max() > 1.2 > epochs.sky.min() >= 1.0
    assert np.ptp(epochs.psf_scale) == pytest.approx(2 * LOW_ORBIT.breathing, rel=0.5)


def test_a_window_shorter_than_an_exposure_is_refused():
    with pytest.raises(ValueError, match="shorter"):
        start_times(3, 0.0, 6000.0, 5900.0, LOW_ORBIT)


def test_a_field_of_constant_stars_needs_no_curves():
    rng = np.random.default_rng(2)
    stars = draw_catalogue(rng, (40, 40), mag_bright=18.0)
    start = start_times(2, 61000.0, 302.4, 300.0)
    epochs = draw_epochs(rng, start, 300.0, 25.91, Steadiness())
    camera = FieldCamera(Field(stars, Variables(()), (40, 40)), epochs, CAMERA)
    assert camera.expose(1, rng).shape == (40, 40)
    assert electrons_from_magnitudes(stars.mag, CAMERA).size == camera.flux.size
