"""Independent frames: ranges, seeds, files and what their tables say."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from astropy.io import fits
from astropy.table import Table

from csstream.imaging.frames.fits_io import read_frame
from csstream.instruments.instrument import load_instrument
from csstream.simulation.detector import PLAIN
from csstream.simulation.frame_series import FramesSettings, simulate_frames
from csstream.simulation.frames import background_level
from csstream.simulation.scenes import draw_scene, pinned_settings, varied_settings

SHAPE = (64, 96)


@pytest.fixture(scope="module")
def instrument():
    return load_instrument("csst-i")


@pytest.fixture(scope="module")
def varied(instrument):
    return replace(varied_settings(instrument), shape=SHAPE, optics="analytic")


@pytest.fixture(scope="module")
def result(varied, tmp_path_factory):
    settings = FramesSettings(scene=varied, frames=2, realisations=2, seed=900)
    return simulate_frames(settings, tmp_path_factory.mktemp("frames"))


def test_ranges_are_those_of_the_instrument(instrument):
    settings = varied_settings(instrument)
    assert settings.optics == "galsim"
    assert np.allclose(settings.width_arcsec, (0.11, 0.15), atol=0.001)
    assert settings.density[1] > 0.0253 > settings.density[0]
    assert settings.sky[0] < 0.33 < 0.81 < settings.sky[1]
    assert settings.magnitudes == (16.0, 26.0)
    ground = varied_settings(load_instrument("ogle4-i"))
    assert ground.optics == "analytic"
    assert ground.width_arcsec[0] < 1.25 < ground.width_arcsec[1]


def test_scenes_are_drawn_within_their_ranges_and_differ(varied):
    scenes = [draw_scene(varied, np.random.SeedSequence((900, k))) for k in range(12)]
    for name, span in (("density", "density"), ("width_arcsec", "width_arcsec"), ("sky", "sky")):
        values = np.array([getattr(scene, name) for scene in scenes])
        low, high = getattr(varied, span)
        assert low <= values.min() < values.max() <= high
        assert np.ptp(values) > 0.4 * (high - low)
    stars = [scene.catalogue for scene in scenes]
    area = (SHAPE[0] + 160) * (SHAPE[1] + 160)
    counts = [len(each) / (area * scene.density) for each, scene in zip(stars, scenes, strict=True)]
    assert np.mean(counts) == pytest.approx(1.0, abs=0.03)


def test_the_pinned_scene_is_pinned(instrument):
    settings = replace(pinned_settings(instrument), shape=SHAPE)
    scene = draw_scene(settings, np.random.SeedSequence(900))
    assert (scene.density, scene.width_arcsec, scene.sky) == (0.0253, 0.132, 0.81)
    assert settings.effects == PLAIN
    assert scene.defects is None
    assert np.ptp(scene.background) == 0.0
    assert scene.background[0, 0] == np.float32(background_level(instrument))
    first, second = (scene.expose(np.random.default_rng(k)) for k in (1, 2))
    assert first.width == second.width == 1.0
    assert np.array_equal(first.psf.samples, scene.telescope.nominal.samples)
    assert (scene.catalogue.mag < 25).mean() == pytest.approx(0.525, abs=0.03)


def test_exposures_jitter_by_a_percent_and_share_the_stars(varied):
    scene = draw_scene(varied, np.random.SeedSequence(901))
    shots = [scene.expose(np.random.default_rng(k)) for k in range(12)]
    assert np.std([shot.width for shot in shots]) == pytest.approx(0.01, rel=0.5)
    assert np.std([shot.ellipticity for shot in shots]) == pytest.approx(0.01, rel=0.5)
    bright = np.mean([shot.image for shot in shots], axis=0) > 2000
    assert np.count_nonzero(bright) > 10
    first, last = shots[0].image[bright], shots[-1].image[bright]
    assert np.corrcoef(first, last)[0, 1] > 0.95


def test_frames_and_tables_agree(result, varied, instrument):
    rows = Table.read(result.table, format="ascii.ecsv")
    assert len(rows) == len(result.files) == 4
    assert [path.name for path in result.files] == list(rows["file"])
    assert list(rows["truth"]) == [result.truths[k].name for k in (0, 0, 1, 1)]
    for path, row in zip(result.files, rows, strict=True):
        frame = read_frame(path, instrument)
        assert frame.shape == SHAPE
        assert frame.mjd_mid_tai == pytest.approx(row["mjd_mid_tai"], abs=1e-8)
        assert frame.header.summary["OBSID"] == str(1 + list(rows["file"]).index(path.name))
        truth = Table.read(path.parent / row["truth"], format="ascii.ecsv")
        assert str(truth["flux"].unit) == "electron"
        flux = 300 * 10 ** (0.4 * (25.91 - truth["mag"].value))
        assert np.allclose(truth["flux"].value, flux)
        assert set(truth["spectral_type"]) <= set("MKGFA")
        x, y = frame.wcs.world_to_pixel_values(truth["ra"], truth["dec"])
        assert np.allclose(x, truth["x"], atol=1e-4)
        assert np.allclose(y, truth["y"], atol=1e-4)


def test_known_defects_are_masked_and_the_psf_is_told(varied, instrument, tmp_path):
    crowded = replace(varied, effects=replace(varied.effects, dead_pixels=0.01))
    told = simulate_frames(
        FramesSettings(scene=crowded, seed=900, psf_extension="true", compress=False), tmp_path
    )
    frame = read_frame(told.files[0], instrument)
    assert np.count_nonzero(frame.mask) > 20
    row = Table.read(told.table, format="ascii.ecsv")[0]
    nominal = simulate_frames(FramesSettings(scene=crowded, seed=900), tmp_path / "nominal")
    ratio = frame.psf.fwhm / read_frame(nominal.files[0], instrument).psf.fwhm
    assert ratio == pytest.approx(1 + 0.85 * (row["psf_scale"] - 1), abs=0.004)
    untold = FramesSettings(scene=crowded, seed=900, psf_extension="none", mask=False)
    path = simulate_frames(untold, tmp_path / "none").files[0]
    with fits.open(path) as hdus:
        assert [hdu.name for hdu in hdus] == ["PRIMARY", "SCI"]


def test_a_seed_gives_the_same_bytes_whatever_follows(result, varied, tmp_path):
    settings = FramesSettings(scene=varied, frames=1, realisations=2, seed=900)
    again = simulate_frames(settings, tmp_path)
    for first, second in zip(result.files, again.files, strict=False):
        assert first.read_bytes() == second.read_bytes()
    assert result.truths[0].read_bytes() == again.truths[0].read_bytes()


def test_other_seeds_share_no_star_and_no_noise(varied):
    seeds = [np.random.SeedSequence(seed).spawn(3)[k] for seed in (900, 901) for k in range(3)]
    stars = [set(draw_scene(varied, seed.spawn(2)[0]).catalogue.x.tolist()) for seed in seeds]
    assert len(set.union(*stars)) == sum(map(len, stars))


@pytest.mark.parametrize("name", ["frames", "realisations"])
def test_bad_numbers_are_named(varied, name):
    with pytest.raises(ValueError, match=name):
        FramesSettings(scene=varied, **{name: 0})


def test_bad_ranges_are_named(varied):
    with pytest.raises(ValueError, match="sky"):
        replace(varied, sky=(0.9, 0.3))
