"""Particle hits under stars: found in the residual, where no starlight is taken for one."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from csstream.imaging.fit.joint_fit import FitSettings, joint_fit
from csstream.imaging.frames.hidden_hits import hidden_hits, sharp_filter
from csstream.imaging.psf.profiles import psf_from_instrument
from csstream.instruments.instrument import load_instrument
from csstream.simulation.detector_kernels import add_tracks

PSF = psf_from_instrument(load_instrument("csst-i"))
SHAPE, SKY, READ_NOISE = (60, 60), 250.0, 5.0


def sky_with(stars):
    """The expectation of stars (x, y, flux) [electron]."""
    image = np.full(SHAPE, SKY, np.float32)
    x, y, flux = (np.array(column, float) for column in zip(*stars, strict=True))
    PSF.render(image, x, y, flux, np.full(len(stars), 25))
    return image


def fitted(image, stars, reject):
    x, y, flux = (np.array(column, float) for column in zip(*stars, strict=True))
    sky = np.full(SHAPE, SKY, np.float32)
    options = FitSettings(iterations=3, position_prior=0.02, frozen=2, background_mesh=0)
    return joint_fit(image, np.zeros(SHAPE, bool), sky, PSF, x, y, flux, read_noise=READ_NOISE,
                     settings=options, reject=reject)  # fmt: skip


def told(residual, weight):
    return hidden_hits(residual, weight, PSF)


@pytest.mark.parametrize("width", [1, 2])
@settings(max_examples=40, deadline=None)
@given(dx=st.floats(-4.0, 4.0), dy=st.floats(-4.0, 4.0))
def test_the_filter_answers_to_no_star_wherever_it_stands(width, dx, dy):
    sharp = sharp_filter(PSF, width)
    steps = np.arange(sharp.shape[0]) - 0.5 * (sharp.shape[0] - 1)
    u, v = np.meshgrid(steps, steps)
    star = PSF.evaluate(u - dx, v - dy)
    assert np.sum(sharp * star) <= 1e-3 * PSF.evaluate(0.0, 0.0)


@pytest.mark.parametrize("place", [(30.0, 30.0), (30.5, 30.5), (30.5, 30.0), (29.3, 31.1)])
@pytest.mark.parametrize("flux", [800.0, 5e3, 5e4])
def test_a_hit_on_a_star_is_told_and_spoils_it_less(place, flux):
    rng = np.random.default_rng(4)
    stars = [(30.2, 30.3, flux), (34.0, 28.0, 2e3)]
    image = rng.poisson(sky_with(stars)).astype(np.float32)
    image += rng.normal(0.0, READ_NOISE, SHAPE).astype(np.float32)
    clean = fitted(image, stars, None)
    hit = np.zeros(SHAPE, np.float32)
    one = (np.array([v]) for v in (*place, 0.4, 0.8, 3000.0))
    add_tracks(hit, *one, 0.3)
    spoilt, mended = (fitted(image + hit, stars, how) for how in (None, told))
    assert spoilt.flux[0] - clean.flux[0] > 6.0 * clean.flux_err[0]
    masked = mended.weight == 0.0
    y, x = np.nonzero(masked)
    assert np.hypot(x - stars[0][0], y - stars[0][1]).min() < 1.5  # so its flags tell
    assert masked[hit == hit.max()].all()
    assert masked.sum() < 20
    assert abs(mended.flux[0] - clean.flux[0]) < 0.7 * (spoilt.flux[0] - clean.flux[0])
    assert abs(mended.flux[1] - clean.flux[1]) < 3.0 * clean.flux_err[1]


def test_a_frame_without_hits_loses_no_pixel_to_noise_nor_to_a_star_that_the_list_lacks():
    lost = 0
    for seed in range(20):
        rng = np.random.default_rng(seed)
        stars = [(*rng.uniform(5, 55, 2), f) for f in rng.uniform(3e2, 3e4, 40)]
        image = rng.poisson(sky_with([*stars, (*rng.uniform(5, 55, 2), 1500.0)]))
        image = image + rng.normal(0.0, READ_NOISE, SHAPE)
        lost += int((fitted(image.astype(np.float32), stars, told).weight == 0.0).sum())
    assert lost <= 2  # of 72,000


def test_masked_pixels_are_neither_found_nor_asked():
    residual = np.zeros(SHAPE, np.float32)
    residual[20, 20] = 1e4
    weight = np.full(SHAPE, 1e-2, np.float32)
    assert told(residual, weight).sum() == 1
    weight[20, 20] = 0.0
    assert not told(residual, weight).any()
