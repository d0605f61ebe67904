"""The PSF extension: cubes with PSFEx's keywords, written and read again, and refused."""

import numpy as np
import pytest
from astropy.io import fits

from csstream.imaging.errors import FrameError
from csstream.imaging.frames.fits_io import read_frame
from csstream.imaging.psf.extension import psf_extension
from csstream.imaging.psf.field_psf import FieldPsf
from csstream.imaging.psf.pixel_psf import PixelPsf
from csstream.imaging.psf.profiles import moffat_psf

NARROW, WIDE = moffat_psf(1.8, 4.0, 4, 16), moffat_psf(2.2, 4.0, 4, 16)
SLOPE = PixelPsf(WIDE.samples - NARROW.samples, 4)
FLAT = PixelPsf(np.zeros_like(NARROW.samples), 4)
VARYING = FieldPsf((NARROW, SLOPE, FLAT), 1, (31.5, 23.5), (32.0, 24.0))


def hdu_of(psf, **changes):
    samples, cards = psf_extension(psf, 16)
    hdu = fits.ImageHDU(changes.pop("samples", samples), name="PSF")
    for keyword, value in (cards | changes).items():
        if value is not None:
            hdu.header[keyword] = value
    return hdu


@pytest.fixture
def read(write_fits, any_instrument):
    image = np.ones((48, 64), np.float32)
    return lambda hdu: read_frame(write_fits(image, extensions=[hdu]), any_instrument)


def test_a_varying_psf_is_read_as_it_was_written(read):
    found = read(hdu_of(VARYING)).psf
    assert found is not None
    assert (found.degree, found.origin, found.scale) == (1, (31.5, 23.5), (32.0, 24.0))
    for x in (0.0, 63.0):
        assert found.at(x, 10.0).fwhm == pytest.approx(VARYING.at(x, 10.0).fwhm, rel=1e-3)


def test_keywords_hold_positions_from_one(read):
    assert hdu_of(VARYING).header["POLZERO1"] == 32.5


def test_a_varying_psf_gives_the_same_light_everywhere(read):
    bright = FieldPsf((NARROW, PixelPsf(WIDE.samples, 4), FLAT), 1, VARYING.origin, VARYING.scale)
    found = read(hdu_of(bright)).psf
    for x in (0.0, 31.5, 63.0):
        assert found.at(x, 0.0).samples.sum() / 16 == pytest.approx(1.0, abs=1e-6)


def test_a_table_cut_short_keeps_its_share_of_the_light(read):
    samples, cards = psf_extension(FieldPsf.constant(NARROW), 5)
    assert cards["PSFLIGHT"] == pytest.approx(samples.sum() / 16, rel=1e-6)
    assert 0.9 < cards["PSFLIGHT"] < 0.999
    hdu = fits.ImageHDU(samples, name="PSF")
    hdu.header.update(cards)
    found = read(hdu).psf
    assert found is not None
    centre = float(NARROW.evaluate(0.0, 0.0))
    assert float(found.central.evaluate(0.0, 0.0)) == pytest.approx(centre, rel=1e-4)


def test_a_cube_of_one_table_is_constant(read):
    samples, _ = psf_extension(FieldPsf.constant(NARROW), 16)
    found = read(hdu_of(FieldPsf.constant(NARROW), samples=samples[None])).psf
    assert found.degree == 0


@pytest.mark.parametrize(
    "changes",
    [
        {"POLDEG1": 2},
        {"POLDEG1": 9},
        {"POLDEG1": "one"},
        {"POLDEG1": None},
        {"POLNAXIS": 3},
        {"POLNAXIS": 0},
        {"POLZERO1": None},
        {"POLZERO2": "middle"},
        {"POLSCAL1": 0.0},
        {"POLSCAL2": -3.0},
        {"POLSCAL1": 1e-3},
        {"samples": np.ones((2, 41, 41), np.float32)},
        {"samples": np.ones((3, 1, 41, 41), np.float32)},
        {"samples": np.full((3, 41, 41), np.nan, np.float32)},
    ],
)
def test_a_cube_that_breaks_the_rules_is_refused(read, changes):
    with pytest.raises(FrameError, match="extension PSF") as caught:
        read(hdu_of(VARYING, **changes))
    assert caught.value.reason == "bad_psf"


def test_a_huge_cube_is_refused_before_it_is_read(read):
    samples = np.zeros((28, 801, 801), np.float32)
    big = hdu_of(VARYING, samples=samples, POLDEG1=6)
    with pytest.raises(FrameError, match="more than"):
        read(big)
