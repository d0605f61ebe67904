"""A frame from a file with its truth table."""

import numpy as np
import pytest
from astropy.io import fits
from astropy.table import Table

from csstream.evaluate.real import TruthError, read_scene, read_truth
from csstream.imaging.frames.fits_io import read_frame
from csstream.imaging.psf.profiles import psf_from_instrument
from csstream.instruments.instrument import load_instrument
from csstream.simulation.catalogue import draw_catalogue
from csstream.simulation.frame_files import FrameFacts, FrameWriter, field_wcs
from csstream.simulation.frames import render_frame

INSTRUMENT = load_instrument("csst-i")
SHAPE = (120, 120)


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """A frame with WCS and PSF extension, its truth by x, y and by ra, dec."""
    folder = tmp_path_factory.mktemp("real")
    rng = np.random.default_rng(9)
    psf, wcs = psf_from_instrument(INSTRUMENT), field_wcs(INSTRUMENT, SHAPE, 1)
    stars = draw_catalogue(rng, SHAPE)
    image = render_frame(rng, stars, INSTRUMENT, psf, SHAPE)
    facts = FrameFacts(
        file="f", visit=1, detector=1, mjd_start_tai=6e4, mjd_mid_tai=6e4, dither_x=0.0,
        dither_y=0.0, psf_scale=1.0, zero_point=25.91,
    )  # fmt: skip
    writer = FrameWriter(instrument=INSTRUMENT, wcs=wcs, psf=psf, detectors=1, compress=False)
    writer.write(folder / "frame.fits", image, facts)
    ra, dec = wcs.pixel_to_world_values(stars.x, stars.y)
    Table({"x": stars.x, "y": stars.y, "mag": stars.mag}).write(folder / "xy.csv")
    Table({"RA": ra, "DEC": dec, "MAG": stars.mag}).write(folder / "sky.fits")
    detector = np.where(np.arange(len(stars)) < 5, 2, 1)
    table = Table({"x": stars.x, "y": stars.y, "mag": stars.mag, "detector": detector})
    table.write(folder / "two.ecsv")
    Table({"x": [1.0], "mag": [20.0]}).write(folder / "no_y.csv")
    Table({"x": [1.0], "y": [1.0]}).write(folder / "no_mag.csv")
    Table({"x": [1e5], "y": [1.0], "mag": [20.0]}).write(folder / "elsewhere.csv")
    return folder, stars


def test_bound_and_sky_of_a_frame(files):
    folder, stars = files
    scene = read_scene(folder / "frame.fits", folder / "xy.csv", INSTRUMENT)
    assert np.median(scene.level) == pytest.approx(249.0, rel=0.03)
    assert scene.psf.fwhm == pytest.approx(psf_from_instrument(INSTRUMENT).fwhm, rel=0.02)
    bright = scene.truth.inside & (scene.truth.mag < 24.0)
    assert bright.sum() == (stars.inside(SHAPE) & (stars.mag < 24.0)).sum()
    assert 0.004 < np.median(scene.truth.sigma_mag[bright]) < 0.1


@pytest.mark.parametrize("name", ["xy.csv", "sky.fits", "two.ecsv"])
def test_truth_in_every_form(files, name):
    folder, stars = files
    frame = read_frame(folder / "frame.fits", INSTRUMENT, require_time=False)
    found = read_truth(folder / name, frame)
    expected = stars.x[5:] if name == "two.ecsv" else stars.x
    near = np.isin(np.round(expected, 4), np.round(found.x, 4))
    assert near.mean() > 0.99
    assert len(found) == near.sum()


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("no_y.csv", "needs columns x and y"),
        ("no_mag.csv", "no magnitudes"),
        ("elsewhere.csv", "no star"),
        ("frame.txt", "must end in"),
        ("missing.csv", "missing"),
    ],
)
def test_what_a_truth_table_lacks_is_said(files, name, message):
    folder, _ = files
    frame = read_frame(folder / "frame.fits", INSTRUMENT, require_time=False)
    with pytest.raises(TruthError, match=message):
        read_truth(folder / name, frame)


def test_the_frame_has_its_psf_extension(files):
    with fits.open(files[0] / "frame.fits") as hdus:
        assert "PSF" in [hdu.name for hdu in hdus]
