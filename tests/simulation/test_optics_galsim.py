"""Optics and rendering against GalSim itself (in the training environment)."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

galsim = pytest.importorskip("galsim")

from csstream.imaging.frames.fits_io import read_frame  # noqa: E402
from csstream.imaging.psf.profiles import (  # noqa: E402
    encircled_energy,
    moffat_psf,
    psf_from_instrument,
)
from csstream.instruments.instrument import load_instrument  # noqa: E402
from csstream.simulation.frame_series import FramesSettings, simulate_frames  # noqa: E402
from csstream.simulation.optics import OpticsError, Pupil, draw_optics, optics_tables  # noqa: E402
from csstream.simulation.scenes import draw_scene, varied_settings  # noqa: E402

pytestmark = pytest.mark.train
SCALE = 0.074  # [arcsec/pixel]
CUTOFF = 2.0 / 764e-9 / 206264.80625 * SCALE  # [cycle/pixel]
R80 = 0.132


@pytest.fixture(scope="module")
def instrument():
    return load_instrument("csst-i")


def perfect_blur():
    """Gaussian that widens the perfect pupil to R80 [arcsec]."""
    sigmas = np.linspace(0.3, 0.9, 601)
    energies = [encircled_energy(R80 / SCALE, CUTOFF, sigma) for sigma in sigmas]
    return SCALE * float(np.interp(-0.8, -np.array(energies), sigmas))


def test_a_perfect_pupil_is_the_analytic_psf(instrument):
    table = optics_tables(instrument, [{}], R80)[0]
    analytic = psf_from_instrument(instrument)
    assert np.abs(table.samples - analytic.samples).max() < 2e-4 * analytic.samples.max()


def test_aberrated_tables_are_galsims_optical_psf(instrument):
    waves = {"defocus": 0.03, "astig1": 0.03, "astig2": -0.02, "coma1": 0.02, "trefoil2": 0.02}
    pupil = Pupil.of(instrument, 40)
    table = pupil.table(pupil.transfer(waves), 0.6, 40)
    optical = galsim.OpticalPSF(lam=764.0, diam=2.0, oversampling=2.0, pad_factor=2.0, **waves)
    blurred = galsim.Convolve(optical, galsim.Gaussian(sigma=0.6 * SCALE), galsim.Pixel(SCALE))
    drawn = blurred.drawImage(nx=65, ny=65, scale=SCALE / 4, method="no_pixel", dtype=float)
    middle = table.samples.shape[0] // 2
    ours = table.samples[middle - 32 : middle + 33, middle - 32 : middle + 33]
    theirs = drawn.array / drawn.array.sum() * ours.sum()
    assert np.abs(ours - theirs).max() < 2e-3 * theirs.max()
    mirrored = np.abs(ours[::-1, ::-1] - theirs).max()
    assert mirrored > 2e-2 * theirs.max()


def test_coma_does_not_move_a_star(instrument):
    table = optics_tables(instrument, [{"coma1": 0.03, "coma2": -0.02}], R80, half_width=24)[0]
    middle = table.samples.shape[0] // 2
    offset = (np.arange(table.samples.shape[0]) - middle) / 4
    window = np.exp(-0.5 * (offset / 1.5) ** 2)
    light = table.samples * np.outer(window, window)
    assert abs(light.sum(0) @ offset / light.sum()) < 2e-3
    assert abs(light.sum(1) @ offset / light.sum()) < 2e-3


def inside(samples, radius):
    """Light within a radius [arcsec] of a table, the pixel's response taken out again."""
    frequency = np.fft.fftfreq(samples.shape[0], 0.25)
    pixel = np.outer(np.sinc(frequency), np.sinc(frequency))
    known = np.hypot(frequency[None, :], frequency[:, None]) < CUTOFF
    transfer = np.where(known, np.fft.fft2(np.fft.ifftshift(samples)) / pixel, 0.0)
    bare = np.fft.fftshift(np.fft.ifft2(transfer).real)
    offset = (np.arange(samples.shape[0]) - samples.shape[0] // 2) / 4
    # Samples are coarse against the radius: split each into a hundred.
    fine = np.kron(bare, np.full((10, 10), 0.01))
    at = (np.arange(fine.shape[0]) + 0.5) / 40 + offset[0] - 0.125
    return fine[np.hypot(at[None, :], at[:, None]) < radius / SCALE].sum()


def test_the_field_has_the_width_it_was_asked_for(instrument):
    optics = draw_optics(
        np.random.default_rng(900), instrument, (200, 300), r80_arcsec=0.114, half_width=40
    )
    assert len(optics.nodes) == 9
    mean = np.mean([node.samples for node in optics.nodes], axis=0)
    analytic = psf_from_instrument(instrument, r80_arcsec=0.114, half_width=40).samples
    assert inside(mean, 0.114) == pytest.approx(inside(analytic, 0.114), rel=2e-3)
    assert np.ptp([node.fwhm for node in optics.nodes]) > 0.01
    for node in optics.nodes:
        assert node.samples.sum() / 16 == pytest.approx(1.0)


def test_aberrations_beyond_the_asked_width_are_named(instrument):
    with pytest.raises(OpticsError, match="wider"):
        optics_tables(instrument, [{"defocus": 0.4}], 0.10, half_width=24)


@pytest.mark.parametrize("model", ["diffraction", "moffat"])
def test_rendered_stars_are_galsims_stars(instrument, model):
    rng = np.random.default_rng(901)
    x, y, flux = rng.uniform(8, 56, 20), rng.uniform(8, 56, 20), rng.uniform(100, 1000, 20)
    if model == "diffraction":
        psf = psf_from_instrument(instrument)
        airy = galsim.Airy(lam=764.0, diam=2.0, scale_unit=galsim.arcsec)
        star, scale = galsim.Convolve(airy, galsim.Gaussian(sigma=perfect_blur())), SCALE
    else:
        psf, star, scale = moffat_psf(4.0, 3.0, 4, 80), galsim.Moffat(beta=3.0, fwhm=4.0), 1.0
    image = np.zeros((65, 65))
    psf.render(image, x, y, flux, 80)
    theirs = galsim.ImageD(65, 65, scale=scale)
    for each in zip(x, y, flux, strict=True):
        offset = galsim.PositionD(each[0] - 32.0, each[1] - 32.0)
        star.withFlux(each[2]).drawImage(theirs, method="auto", offset=offset, add_to_image=True)
    assert np.abs(image - theirs.array).max() < 4e-3 * theirs.array.max()
    assert image.sum() == pytest.approx(theirs.array.sum(), rel=4e-3)


def test_frames_tell_the_true_psf_over_the_field(instrument, tmp_path):
    settings = FramesSettings(
        scene=replace(varied_settings(instrument), shape=(64, 80), jitter=0.0),
        seed=900,
        psf_extension="true",
    )
    frame = read_frame(simulate_frames(settings, tmp_path).files[0], instrument)
    seed = np.random.SeedSequence(900).spawn(1)[0].spawn(2)[0]
    optics = draw_scene(settings.scene, seed).telescope.at(1.0, (0.0, 0.0))
    assert frame.psf.degree == 2
    centre, reach = optics.nodes[0].samples.shape[0] // 2, 12 * 4
    for x, y in ((0.0, 0.0), (40.0, 31.0), (79.0, 20.0)):
        told, true = frame.psf.at(x, y).samples, optics.at(x, y).samples
        middle = told.shape[0] // 2
        told = told[middle - reach : middle + reach + 1, middle - reach : middle + reach + 1]
        true = true[centre - reach : centre + reach + 1, centre - reach : centre + reach + 1]
        ratio = true.sum() / told.sum()  # the extension is cut and scaled to one
        assert np.abs(told * ratio - true).max() < 6e-3 * true.max()
