"""Spikes and rings that no nominal PSF has, learnt from the brightest stars."""

from dataclasses import replace

import numpy as np
import pytest

from csstream.imaging.finding.classical import ClassicalStrategy
from csstream.imaging.finding.strategies import choose_strategy
from csstream.imaging.frames.frame import blank_header, frame_from_array
from csstream.imaging.matching import match_pixels
from csstream.imaging.measure import measure_frame
from csstream.imaging.psf.pixel_psf import PixelPsf
from csstream.imaging.psf.profiles import moffat_psf, psf_from_instrument
from csstream.imaging.psf_fit.wings import with_wings
from csstream.instruments.instrument import load_instrument
from csstream.simulation.catalogue import draw_catalogue
from csstream.simulation.frames import render_frame

SIDE, SKY, READ_NOISE = 300, 300.0, 5.0
SPIKE = 0.08  # of the light


def spiked(psf):
    """The same PSF with a cross of spikes, falling with the distance."""
    step, n = psf.oversampling, psf.samples.shape[0]
    v, u = np.abs(np.mgrid[:n, :n] - n // 2) / step
    cross = np.exp(-0.5 * u**2) * np.exp(-v / 10.0) + np.exp(-0.5 * v**2) * np.exp(-u / 10.0)
    cross *= SPIKE * step**2 / cross.sum()
    return PixelPsf((1.0 - SPIKE) * psf.samples + cross, step)


def frame_with(psf, seed=920):
    rng = np.random.default_rng(seed)
    image = np.full((SIDE, SIDE), SKY)
    x, y = rng.uniform(20, SIDE - 20, (2, 14))
    psf.render(image, x, y, 10 ** rng.uniform(5.5, 6.3, 14), 40)
    fx, fy = rng.uniform(0, SIDE, (2, 500))
    psf.render(image, fx, fy, 10 ** rng.uniform(3.0, 4.5, 500), 40)
    noisy = rng.normal(image, np.sqrt(image + READ_NOISE**2)).astype(np.float32)
    header = blank_header(read_noise=READ_NOISE, shape=(SIDE, SIDE))
    frame = frame_from_array(noisy, replace(header, pointing=(0.0, 0.0)))
    return frame, x, y, np.concatenate([x, fx]), np.concatenate([y, fy])


@pytest.fixture(scope="module")
def nominal():
    return moffat_psf(2.4, 3.5, 4, 42)


def false_near(sources, x, y, all_x, all_y, radius=25.0):
    """Finds per bright star that are no true star."""
    near = np.hypot(sources.x[:, None] - x, sources.y[:, None] - y).min(axis=1) < radius
    apart = np.hypot(sources.x[:, None] - all_x, sources.y[:, None] - all_y).min(axis=1)
    return np.count_nonzero(near & (apart > 1.0)) / x.size


def test_spikes_breed_few_stars(nominal, monkeypatch):
    frame, *places = frame_with(spiked(nominal))
    found = measure_frame(frame, ClassicalStrategy(), nominal_psf=nominal)
    monkeypatch.setattr("csstream.imaging.rounds.with_wings", lambda psf, fit, frame: psf)
    without = measure_frame(frame, ClassicalStrategy(), nominal_psf=nominal)
    assert false_near(without.sources, *places) > 3.0
    assert false_near(found.sources, *places) < 0.35 * false_near(without.sources, *places)
    r = np.arange(10.0, 25.0)
    learnt = found.psf.central.evaluate(r, 0.0 * r).sum()
    assert learnt == pytest.approx(spiked(nominal).evaluate(r, 0.0 * r).sum(), rel=0.25)


def crowded_frame():
    """The pinned scene, bulge density: half of its stars are faint ones between the others."""
    csst = load_instrument("csst-i")
    psf = psf_from_instrument(csst)
    rng = np.random.default_rng(922)
    image = render_frame(rng, draw_catalogue(rng, (400, 400)), csst, psf, (400, 400))
    header = blank_header(
        read_noise=5.0, saturation=9e4, exposure_time=300.0, zero_point=25.91, shape=(400, 400)
    )
    return frame_from_array(image, replace(header, pointing=(0.0, 0.0)), psf=psf)


@pytest.mark.parametrize("crowded", [False, True])
def test_a_right_psf_is_left_alone(nominal, monkeypatch, crowded):
    frame = crowded_frame() if crowded else frame_with(nominal)[0]
    seen = []

    def watched(psf, fit, frame):
        seen.append(with_wings(psf, fit, frame) is psf)
        return psf

    monkeypatch.setattr("csstream.imaging.rounds.with_wings", watched)
    measure_frame(frame, ClassicalStrategy(), nominal_psf=nominal)
    assert seen
    assert all(seen)


def test_faint_finds_tell_nothing_of_wings(nominal):
    """Noise over the flux of a faint star is no wing, however many there are."""
    image = np.full((120, 120), SKY)
    nominal.render(image, [30.0, 80.0, 82.5, 90.0], [40.0, 60.0, 60.0, 25.0], [5e4] * 4, 40)
    noisy = np.random.default_rng(921).normal(image, np.sqrt(image)).astype(np.float32)
    header = replace(blank_header(read_noise=READ_NOISE, shape=image.shape), pointing=(0.0, 0.0))
    frame = frame_from_array(noisy, header, psf=nominal)
    found = measure_frame(frame, ClassicalStrategy())
    alone = np.argmin(np.hypot(found.sources.x - 30.0, found.sources.y - 40.0))
    assert found.sources.flux[alone] == pytest.approx(5e4, rel=0.03)
    assert found.psf.fwhm == pytest.approx(nominal.fwhm, rel=1e-6)


def test_a_crowded_sky_keeps_its_flux_scale():
    """The excess of unlisted stars around the brightest once passed for wings on this very sky."""
    instrument = load_instrument("csst-i")
    psf = psf_from_instrument(instrument)
    shape, rng = (600, 600), np.random.default_rng([1, 4_000_003, 0])
    truth = draw_catalogue(rng, shape, mag_bright=16.0, mag_faint=26.0)
    image = render_frame(rng, truth, instrument, psf, shape)
    header = blank_header(
        read_noise=5.0,
        saturation=90_000.0,
        exposure_time=300.0,
        zero_point=instrument.photometry.zero_point,
        shape=shape,
    )
    frame = frame_from_array(image, replace(header, pointing=(0.0, 0.0)), psf=psf)
    strategy, _ = choose_strategy(instrument, "pnet")
    sources = measure_frame(frame, strategy).sources
    own, other, _ = match_pixels(sources.x, sources.y, truth.x, truth.y, 0.5)
    bright = (truth.mag[other] > 18.5) & (truth.mag[other] < 21.0)
    assert bright.sum() > 200
    shift = np.median((sources.mag[own] - truth.mag[other])[bright])
    assert abs(shift) < 0.002
