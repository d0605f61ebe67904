"""Awkward frames from file to catalogue, with both methods: a right result or a named error."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import typer
from astropy.io import fits
from astropy.table import Table
from astropy.wcs import WCS
from typer.testing import CliRunner

from csstream.cli.detect import command
from csstream.imaging.errors import FrameError
from csstream.imaging.finding.strategies import choose_strategy
from csstream.imaging.frames.background import estimate_background
from csstream.imaging.frames.checks import with_hidden_noise
from csstream.imaging.frames.flags import Flag
from csstream.imaging.frames.frame import blank_header, frame_from_array
from csstream.imaging.matching import match_pixels
from csstream.imaging.measure import measure_frame
from csstream.imaging.psf.pixel_psf import PixelPsf, PsfError
from csstream.imaging.psf.profiles import psf_from_instrument
from csstream.instruments.instrument import load_instrument

SHAPE = (96, 112)
SKY, READ_NOISE, FLUX = 240.0, 5.0, 2e4
BRIGHTEST_NOISE = 400.0  # [electron] six times the error of a faint star's flux
CSST = load_instrument("csst-i")
PSF = psf_from_instrument(CSST)
app = typer.Typer()
app.command()(command)


def grid(shape=SHAPE, step=13, margin=9):
    """Places of stars that touch no other, off the pixels' centres."""
    y, x = np.mgrid[margin : shape[0] - margin : step, margin : shape[1] - margin : step]
    shift = np.random.default_rng(910).uniform(-0.5, 0.5, (2, x.size))
    return x.ravel() + shift[0], y.ravel() + shift[1]


def sky(shape=SHAPE, level=SKY, read_noise=READ_NOISE, stars=True, seed=911):
    rng = np.random.default_rng(seed)
    image = np.full(shape, level)
    if stars:
        x, y = grid(shape)
        PSF.render(image, x, y, np.full(x.size, FLUX), 24)
    return (rng.poisson(image) + rng.normal(0.0, read_noise, shape)).astype(np.float32)


@pytest.fixture(scope="module", params=["pnet", "classical"])
def strategy(request):
    return choose_strategy(CSST, request.param)[0]


def measured(image, strategy, *, read_noise=READ_NOISE, saturation=9e4, psf=PSF):
    header = blank_header(
        read_noise=read_noise, saturation=saturation, exposure_time=1.0, shape=image.shape
    )
    header = replace(header, pointing=(100.0, 0.0))
    return measure_frame(frame_from_array(image, header, psf=psf), strategy, nominal_psf=PSF)


def check(sources, x, y, *, missed=0, extra=5, scatter=0.02):
    """Every star once with its flux; else a few faint finds, as noise gives them."""
    i, j, _ = match_pixels(sources.x, sources.y, x, y, 0.3)
    assert j.size >= len(x) - missed
    assert len(sources.x) - i.size <= extra
    others = np.delete(np.asarray(sources.flux), i)
    assert np.all(others < BRIGHTEST_NOISE)
    ratio = np.asarray(sources.flux)[i] / FLUX
    assert abs(np.median(ratio) - 1.0) < 0.01
    assert np.percentile(np.abs(ratio - 1.0), 80) < scatter
    assert np.all(np.isfinite(sources.flux_err))


# --- what the pixels may be -----------------------------------------------------------------


@pytest.mark.parametrize("value", [0.0, 1000.0, -300.0])
@pytest.mark.parametrize("read_noise", [5.0, 0.0])
def test_a_blank_frame_has_no_stars(strategy, value, read_noise):
    result = measured(np.full(SHAPE, value, np.float32), strategy, read_noise=read_noise)
    assert len(result.sources) == 0
    assert result.background == pytest.approx(value, abs=1e-3)


def test_a_hot_pixel_is_no_star(strategy):
    image = sky(stars=False)
    image[60, 70] = 5e4
    found = measured(image, strategy).sources
    near = np.hypot(found.x - 70, found.y - 60) < 3.0
    assert not np.any(near & (found.flags & int(Flag.COSMIC_RAY) == 0))
    assert np.all(found.flux < 500.0)  # what noise alone gives now and then


def test_one_star_alone_is_measured(strategy):
    image = np.full(SHAPE, SKY)
    PSF.render(image, [64.3], [50.2], [FLUX], 24)
    noisy = np.random.default_rng(1).normal(image, np.sqrt(image + READ_NOISE**2))
    found = measured(noisy.astype(np.float32), strategy, psf=None).sources
    bright = found.select(found.flux > 1000.0)
    check(bright, np.array([64.3]), np.array([50.2]))


@pytest.mark.parametrize("shape", [(17, 33), (33, 17), (16, 300), (300, 16), (16, 16)])
def test_small_and_long_frames(strategy, shape):
    x, y = grid(shape, margin=5)
    image = np.full(shape, SKY)
    PSF.render(image, x, y, np.full(x.size, FLUX), 24)
    noisy = np.random.default_rng(2).normal(image, np.sqrt(image + READ_NOISE**2))
    check(measured(noisy.astype(np.float32), strategy).sources, x, y, scatter=0.03)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 1e30, -1e30, 1e38])
def test_what_is_no_number_is_left_out(strategy, value):
    x, y = grid()
    image = sky()
    image[:, 56:] = value
    whole = x < 52
    found = measured(image, strategy).sources
    check(found.select(found.x < 52.0), x[whole], y[whole])
    assert np.all(found.x < 57.0)


def test_a_frame_of_many_holes_keeps_its_stars(strategy):
    image = sky()
    image[::4, ::4] = np.nan
    check(measured(image, strategy).sources, *grid(), missed=1, scatter=0.05)


def test_a_saturated_band_breeds_nothing(strategy):
    x, y = grid()
    image = sky()
    image[:20] = 2e5
    whole = y > 26
    found = measured(image, strategy).sources
    check(found.select(found.y > 26.0), x[whole], y[whole])
    assert np.all(found.y > 18.0)


@pytest.mark.parametrize("read_noise", [5.0, 0.0])
@pytest.mark.parametrize("taken", [SKY, 5000.0])
def test_a_subtracted_sky_does_no_harm(strategy, taken, read_noise):
    """Without the sky's noise PNet saw as many false stars as true ones."""
    image = sky() - np.float32(taken)
    check(measured(image, strategy, read_noise=read_noise).sources, *grid())


def test_the_noise_of_a_subtracted_sky_is_seen():
    header = blank_header(read_noise=READ_NOISE, shape=SHAPE)
    image = sky()
    level = np.full(SHAPE, SKY, np.float32)
    plain = with_hidden_noise(frame_from_array(image, header), level)
    assert plain.read_noise == READ_NOISE
    rest = estimate_background(image - level, np.zeros(SHAPE, bool)).level
    bare = with_hidden_noise(frame_from_array(image - level, header), rest)
    assert bare.read_noise == pytest.approx(np.sqrt(SKY + READ_NOISE**2), rel=0.1)


def test_zero_read_noise(strategy):
    image = sky(read_noise=0.0)
    check(measured(image, strategy, read_noise=0.0).sources, *grid())


def refusal(image, strategy, **options):
    with pytest.raises(FrameError) as caught:
        measured(image.astype(np.float32), strategy, **options)
    return caught.value


def test_refusals_count_the_pixels(strategy):
    few = np.full(SHAPE, np.nan)
    few[40:45, 40:45] = 300.0
    error = refusal(few, strategy)
    assert error.reason == "no_pixels"
    assert f"25 of {few.size}" in str(error)
    error = refusal(np.full(SHAPE, 2e5), strategy)
    assert error.reason == "saturated"
    assert "90000" in str(error)
    assert "SATURATE" in str(error)
    error = refusal(np.full(SHAPE, 1e30), strategy, saturation=np.inf)
    assert error.reason == "no_pixels"


@pytest.mark.parametrize("read_noise", [5.0, 0.0])
def test_values_in_another_unit_are_refused(strategy, read_noise):
    error = refusal(sky() * 1e-10, strategy, read_noise=read_noise)
    assert error.reason == "bad_unit"
    assert "BUNIT" in str(error)


# --- what the file may be -------------------------------------------------------------------

KEYWORDS = {
    "INSTRUME": "CSST", "FILTER": "i", "EXPTIME": 300.0, "BUNIT": "electron",
    "DATE-OBS": "2030-01-01T00:00:00",
}  # fmt: skip
TAN = {
    "CTYPE1": "RA---TAN", "CTYPE2": "DEC--TAN", "CRVAL1": 269.0, "CRVAL2": -29.0,
    "CRPIX1": 56.5, "CRPIX2": 48.5, "CD1_1": -2e-5, "CD1_2": 0.0, "CD2_1": 0.0, "CD2_2": 2e-5,
}  # fmt: skip
SIP = TAN | {
    "CTYPE1": "RA---TAN-SIP", "CTYPE2": "DEC--TAN-SIP", "A_ORDER": 2, "B_ORDER": 2,
    "A_2_0": 1e-3, "A_1_1": 5e-4, "B_0_2": -1e-3, "B_2_0": 4e-4,
}  # fmt: skip
TPV = TAN | {
    "CTYPE1": "RA---TPV", "CTYPE2": "DEC--TPV", "PV1_0": 0.0, "PV1_1": 1.0, "PV1_4": 2.0,
    "PV2_0": 0.0, "PV2_1": 1.0, "PV2_6": -1.5,
}  # fmt: skip


def psf_extension():
    hdu = fits.ImageHDU(PSF.samples.astype(np.float32), name="PSF")
    hdu.header["OVERSAMP"] = PSF.oversampling
    return hdu


def write(path, data, *, compression=None, keywords=TAN, **options):
    header = fits.Header(KEYWORDS | keywords)
    if compression:
        image = fits.CompImageHDU(data, header, compression_type=compression, **options)
        hdus = [fits.PrimaryHDU(), image]
    else:
        hdus = [fits.PrimaryHDU(data, header)]
    fits.HDUList([*hdus, psf_extension()]).writeto(path)
    return path


def run(path, output, method="pnet"):
    arguments = [str(path), "-o", str(output), "--method", method]
    return CliRunner().invoke(app, arguments)


def in_electrons(table):
    """The catalogue's rates times the exposure time."""
    columns = {name: np.asarray(table[name]) for name in ("x", "y", "flux_err")}
    return SimpleNamespace(**columns, flux=300.0 * np.asarray(table["flux"]))


def holed(data):
    """The image with a column that holds no number."""
    out = data.copy()
    out[:, 3] = np.nan
    return out


ENCODINGS = {
    "float32": lambda p, d: write(p, d),
    "float64": lambda p, d: write(p, d.astype(">f8")),
    "uint16": lambda p, d: write(p, np.rint(d).astype(np.uint16)),
    "int32": lambda p, d: write(p, np.rint(d).astype(np.int32)),
    "cube": lambda p, d: write(p, d[None]),
    "four axes": lambda p, d: write(p, d[None, None]),
    "rice": lambda p, d: write(p, holed(d), compression="RICE_1", quantize_level=32.0),
    "rice integers": lambda p, d: write(p, np.rint(d).astype(np.int16), compression="RICE_1"),
    "gzip": lambda p, d: write(p, holed(d), compression="GZIP_2", quantize_level=0.0),
    "hcompress": lambda p, d: write(p, holed(d), compression="HCOMPRESS_1", quantize_level=32.0),
    "sip": lambda p, d: write(p, d, keywords=SIP),
    "tpv": lambda p, d: write(p, d, keywords=TPV),
    "no wcs": lambda p, d: write(p, d, keywords={"RA": 269.0, "DEC": -29.0}),
}  # fmt: skip


@pytest.mark.parametrize("name", ENCODINGS)
def test_however_a_frame_is_stored_its_stars_are_found(tmp_path, name):
    path = ENCODINGS[name](tmp_path / "frame.fits", sky())
    result = run(path, tmp_path / "stars.ecsv")
    assert result.exit_code == 0, result.output
    table = Table.read(tmp_path / "stars.ecsv")
    check(in_electrons(table), *grid())
    with fits.open(path) as hdus:
        header = next(hdu.header for hdu in hdus if hdu.header["NAXIS"] > 1)
        if name == "no wcs":
            assert "nominal" in result.output
            assert np.all(np.hypot(table["ra"] - 269.0, table["dec"] + 29.0) < 0.01)
            return
        wcs = WCS(header, naxis=2)
    there = wcs.all_pix2world(table["x"], table["y"], 0)
    np.testing.assert_allclose(table["ra"], there[0], atol=1e-8)
    np.testing.assert_allclose(table["dec"], there[1], atol=1e-8)


def test_scaled_integers(tmp_path):
    data = sky()
    hdu = fits.PrimaryHDU(data, fits.Header(KEYWORDS | TAN))
    hdu.scale("int16", bscale=0.5, bzero=8000.0)
    fits.HDUList([hdu, psf_extension()]).writeto(tmp_path / "scaled.fits")
    result = run(tmp_path / "scaled.fits", tmp_path / "stars.ecsv", "classical")
    assert result.exit_code == 0, result.output
    check(in_electrons(Table.read(tmp_path / "stars.ecsv")), *grid())


REFUSED = {
    "all nan": (np.full(SHAPE, np.nan), "no pixel"),
    "saturated": (np.full(SHAPE, 2e5), "saturated"),
    "huge": (np.full(SHAPE, 1e30), "can be used"),
    "other unit": (sky() * 1e-10, "BUNIT"),
    "one pixel": (np.ones((1, 1)), "1 x 1"),
    "one row": (np.ones((1, 200)), "200 x 1"),
    "no axis": (np.ones(400), "not two"),
    "true cube": (np.ones((3, 40, 40)), "not two"),
}


@pytest.mark.parametrize("method", ["pnet", "classical"])
@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_measured_is_refused_by_name(tmp_path, name, method):
    data, words = REFUSED[name]
    path = write(tmp_path / "bad.fits", data.astype(np.float32), keywords={})
    result = run(path, tmp_path / "stars.ecsv", method)
    assert result.exit_code == 1
    assert isinstance(result.exception, SystemExit)
    assert result.output.startswith("csstream detect: ")
    assert "bad.fits" in result.output
    assert words in result.output
    assert not (tmp_path / "stars.ecsv").exists()


def test_the_camera_test_frame_without_noise_has_no_stars(data_dir):
    """Every pixel is 1890: an engineering frame, as real archives hold them."""
    from csstream.imaging.frames.fits_io import read_frame

    path = data_dir / "headers/fixed-1890.fits"
    anything = replace(CSST, instrume="", band="", header={"BUNIT": "", "DETECTOR": ""})
    frame = read_frame(path, anything, require_time=False)
    pointed = replace(frame, header=replace(frame.header, pointing=(0.0, 0.0)))
    result = measure_frame(pointed, choose_strategy(CSST)[0], nominal_psf=PSF)
    assert len(result.sources) == 0


def test_a_table_without_a_peak_is_no_psf():
    ring = np.ones((41, 41))
    ring[18:23, 18:23] = 0.0
    with pytest.raises(PsfError, match="peak"):
        _ = PixelPsf(ring, 4).fwhm
