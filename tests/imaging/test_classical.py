"""The classical finder and its photometry."""

import numpy as np
import pytest

from csstream.imaging.finding.classical import ClassicalStrategy, windowed_centroids
from csstream.imaging.fit.psf_photometry import psf_photometry
from csstream.imaging.frames.background import Background
from csstream.imaging.frames.frame import blank_header, frame_from_array
from csstream.imaging.psf.profiles import moffat_psf

PSF = moffat_psf(2.0, 3.0, 4, 30)
SKY, NOISE = 225.0, 15.0


def scene(x, y, flux, shape=(64, 64), seed=3):
    image = np.full(shape, SKY)
    PSF.render(image, np.array(x), np.array(y), np.array(flux), 30)
    image = np.random.default_rng(seed).poisson(image)
    level = np.full(shape, SKY, np.float32)
    background = Background(level, NOISE, np.full(shape, NOISE, np.float32))
    return frame_from_array(image, blank_header(shape=shape)), background


def test_close_neighbours_are_told_apart_where_the_psf_is_narrow():
    frame, background = scene([30.2, 33.7], [30.0, 30.4], [2e4, 1.5e4])
    found = ClassicalStrategy().detect(frame, background, PSF)
    near = np.hypot(found.x[:, None] - [30.2, 33.7], found.y[:, None] - [30.0, 30.4])
    assert near.min(axis=0).max() < 0.5


def test_windowed_centroids_find_a_lone_star_and_stay_put_without_one():
    frame, background = scene([20.3], [40.7], [5e4])
    sky_free = frame.image - background.level
    x, y = windowed_centroids(sky_free, [20.0], [41.0], PSF.fwhm)
    assert (x[0], y[0]) == (pytest.approx(20.3, abs=0.02), pytest.approx(40.7, abs=0.02))
    empty = np.empty(0)
    assert windowed_centroids(sky_free, empty, empty, PSF.fwhm)[0].size == 0


def test_photometry_of_a_lone_star_has_the_flux_and_the_error_it_says():
    fluxes = []
    for seed in range(200):
        frame, background = scene([20.3], [19.6], [3e3], shape=(40, 40), seed=seed)
        sky_free = frame.image - background.level
        flux, error = psf_photometry(sky_free, frame.mask, background.noise, PSF, [20.3], [19.6])
        fluxes.append(flux[0])
    assert np.mean(fluxes) == pytest.approx(3e3, rel=0.01)
    assert np.std(fluxes) == pytest.approx(error[0], rel=0.15)


def test_photometry_takes_a_neighbours_light_for_its_own():
    frame, background = scene([20.0, 22.0], [20.0, 20.0], [1e4, 1e4])
    sky_free = frame.image - background.level
    flux, _ = psf_photometry(sky_free, frame.mask, background.noise, PSF, [20.0], [20.0])
    assert flux[0] > 1.1e4


def test_photometry_without_usable_pixels_is_unknown():
    frame, background = scene([20.0], [20.0], [1e4])
    masked = np.ones_like(frame.mask)
    flux, error = psf_photometry(frame.image, masked, background.noise, PSF, [20.0], [20.0])
    assert np.isnan(flux[0])
    assert np.isnan(error[0])
