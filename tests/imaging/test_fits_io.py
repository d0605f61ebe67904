"""The FITS contract: what is read, what is filled in, what is refused and how it is named."""

import gzip

import numpy as np
import pytest
from astropy.io import fits
from hypothesis import given, settings
from hypothesis import strategies as st

from csstream.imaging.errors import FrameError
from csstream.imaging.frames.fits_header import sexagesimal
from csstream.imaging.frames.fits_io import read_frame, read_header, read_instrume
from csstream.imaging.frames.flags import Flag
from csstream.instruments.instrument import Instrument

TAI_MINUS_UTC_2020 = 37.0
MJD_2020 = 58849.0


def ramp(dtype=np.float32, shape=(20, 30)):
    return np.arange(shape[0] * shape[1], dtype=dtype).reshape(shape)


def tan_keywords(**changes):
    return {
        "CTYPE1": "RA---TAN",
        "CTYPE2": "DEC--TAN",
        "CRVAL1": 150.0,
        "CRVAL2": 2.0,
        "CRPIX1": 15.0,
        "CRPIX2": 10.0,
        "CDELT1": -2e-4,
        "CDELT2": 2e-4,
    } | changes


def refused(path, instrument, reason, *words, **options):
    with pytest.raises(FrameError) as caught:
        read_frame(path, instrument, **options)
    assert caught.value.reason == reason
    for word in (*words, path.name):
        assert word in str(caught.value)


@pytest.mark.parametrize("dtype", [">f4", "<f4", ">f8", ">i2", ">i4", "u1", ">i8", "uint16"])
def test_every_sample_type_reads_to_native_float32(write_fits, any_instrument, dtype):
    data = (ramp(np.int64) % 200).astype(dtype)
    frame = read_frame(write_fits(data), any_instrument)
    assert frame.image.dtype == np.dtype("=f4")
    np.testing.assert_array_equal(frame.image, (ramp() % 200))


def test_compressed_extension_equals_the_plain_image(write_fits, any_instrument):
    data = ramp(np.int16)
    plain = read_frame(write_fits(data), any_instrument)
    packed = read_frame(write_fits(data, "c.fits", extension_image=True), any_instrument)
    np.testing.assert_array_equal(plain.image, packed.image)
    assert packed.header.detector == 3


def test_gzipped_file_reads_like_the_plain_one(write_fits, any_instrument, tmp_path):
    path = write_fits(ramp())
    packed = tmp_path / "frame.fits.gz"
    packed.write_bytes(gzip.compress(path.read_bytes()))
    np.testing.assert_array_equal(
        read_frame(packed, any_instrument).image, read_frame(path, any_instrument).image
    )


def test_nan_and_infinity_are_masked_and_hold_zero(write_fits, any_instrument):
    data = ramp()
    data[3, 4], data[5, 6] = np.nan, np.inf
    frame = read_frame(write_fits(data), any_instrument)
    assert frame.mask.sum() == 2
    assert frame.mask[3, 4]
    assert frame.mask[5, 6]
    assert frame.flags[3, 4] == Flag.MASKED
    assert frame.image[3, 4] == 0.0


def test_time_is_mid_exposure_in_tai(write_fits, any_instrument):
    frame = read_frame(write_fits(ramp()), any_instrument)
    expected = MJD_2020 + (TAI_MINUS_UTC_2020 + 50.0) / 86400.0
    assert frame.mjd_mid_tai == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize(
    ("scale", "seconds"),
    [("UTC", 37.0), ("TAI", 0.0), ("TT", -32.184), ("TDB", -32.184), ("GPS", 19.0)],
)
def test_time_scales(write_fits, any_instrument, scale, seconds):
    path = write_fits(ramp(), TIMESYS=scale, EXPTIME=2.0)
    expected = MJD_2020 + (seconds + 1.0) / 86400.0
    assert read_header(path, any_instrument).mjd_mid_tai == pytest.approx(expected, abs=1e-8)


def test_mjd_obs_alone_is_enough(write_fits, any_instrument):
    path = write_fits(ramp(), **{"DATE-OBS": None, "MJD-OBS": 59000.5, "TIMESYS": "TAI"})
    expected = 59000.5 + 50 / 86400
    assert read_header(path, any_instrument).mjd_mid_tai == pytest.approx(expected, abs=1e-9)


def test_old_date_takes_its_clock_from_another_keyword(write_fits, any_instrument):
    path = write_fits(ramp(), **{"DATE-OBS": "17/11/58", "UT": "12:00:00", "TIMESYS": "TAI"})
    mjd_of_1958_11_17 = 36524.0
    expected = mjd_of_1958_11_17 + 0.5 + 50 / 86400
    assert read_header(path, any_instrument).mjd_mid_tai == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize(
    ("keywords", "word"),
    [
        ({"DATE-OBS": None}, "DATE-OBS"),
        ({"DATE-OBS": "26/07/102"}, "DATE-OBS"),
        ({"DATE-OBS": "2020-13-01T00:00:00"}, "DATE-OBS"),
        ({"DATE-OBS": "2020-01-01"}, "DATE-OBS"),
        ({"MJD-OBS": 58849.1}, "MJD-OBS"),
        ({"TIMESYS": "LOCAL"}, "TIMESYS"),
        ({"EXPTIME": -1.0}, "EXPTIME"),
        ({"EXPTIME": "long"}, "EXPTIME"),
        ({"GAIN": 0.0}, "GAIN"),
        ({"RDNOISE": -3.0}, "RDNOISE"),
        ({"DETECTOR": "E2V 44/82"}, "DETECTOR"),
        ({"BUNIT": "MJy/sr"}, "BUNIT"),
        ({"SATURATE": "?"}, "SATURATE"),
    ],
)
def test_bad_keywords_are_named(write_fits, any_instrument, keywords, word):
    path = write_fits(ramp(), **keywords)
    with pytest.raises(FrameError) as caught:
        read_frame(path, any_instrument)
    assert caught.value.reason in ("bad_keyword", "missing_keyword")
    assert word in str(caught.value)
    assert path.name in str(caught.value)


def test_time_need_not_be_known_when_it_is_not_asked_for(write_fits, any_instrument):
    path = write_fits(ramp(), **{"DATE-OBS": None})
    assert np.isnan(read_frame(path, any_instrument, require_time=False).mjd_mid_tai)


def test_wrong_camera_or_band_is_refused(write_fits, ogle):
    refused(write_fits(ramp()), ogle, "wrong_instrument", "INSTRUME", "Test")
    path = write_fits(ramp(), "b.fits", INSTRUME="32-MOSAIC", FILTER="V", CHIPNO=1)
    refused(path, ogle, "wrong_instrument", "FILTER", "V")


def test_units_become_electrons(write_fits, any_instrument):
    options = {"GAIN": 2.0, "SATURATE": 100.0, "MAGZERO": 25.0, "EXPTIME": 10.0}
    counts = read_frame(write_fits(ramp(), "a.fits", **options), any_instrument)
    assert counts.image[0, 3] == 6.0
    assert counts.saturation == 200.0
    # one adu is two electrons, so one electron is fainter by 2.5 log 2
    assert counts.zero_point == pytest.approx(25.0 + 2.5 * np.log10(2.0))
    rate = read_frame(write_fits(ramp(), "b.fits", BUNIT="adu/s", **options), any_instrument)
    assert rate.image[0, 3] == 60.0
    assert rate.zero_point == pytest.approx(counts.zero_point)
    electrons = read_frame(
        write_fits(ramp(), "c.fits", BUNIT="electron", **options), any_instrument
    )
    assert electrons.image[0, 3] == 3.0
    assert electrons.zero_point == pytest.approx(25.0)


def test_saturated_pixels_are_masked_and_flagged(write_fits, any_instrument):
    frame = read_frame(write_fits(ramp(), SATURATE=590.0), any_instrument)
    assert frame.mask.sum() == 10
    assert np.all(frame.flags[frame.mask] == Flag.SATURATED)
    assert frame.image[19, 29] == 599.0


def test_instrument_file_fills_in_what_is_missing(write_fits, any_instrument: Instrument):
    header = read_header(write_fits(ramp(), EXPTIME=None, FILTER=None), any_instrument)
    assert header.exposure_time == any_instrument.cadence.exposure_time
    assert header.read_noise == any_instrument.detector.read_noise
    assert header.zero_point == any_instrument.photometry.zero_point
    assert header.pixel_scale_arcsec == any_instrument.detector.pixel_scale_arcsec


def test_renamed_keywords_come_from_the_instrument_file(write_fits, ogle):
    path = write_fits(ramp(), INSTRUME="32-MOSAIC", FILTER="I", CHIPNO=10, DETECTOR="E2V 44/82")
    assert read_header(path, ogle).detector == 10


def test_pointing_comes_from_sexagesimal_keywords(write_fits, any_instrument):
    path = write_fits(ramp(), RA="4:52:22.1", DEC="-69:18:31")
    ra, dec = read_header(path, any_instrument).pointing
    assert ra == pytest.approx(15 * (4 + 52 / 60 + 22.1 / 3600))
    assert dec == pytest.approx(-(69 + 18 / 60 + 31 / 3600))


def test_a_celestial_wcs_gives_the_scale(write_fits, any_instrument):
    frame = read_frame(write_fits(ramp(), **tan_keywords()), any_instrument)
    assert frame.header.has_wcs
    assert frame.header.pixel_scale_arcsec == pytest.approx(0.72)
    position = frame.wcs.pixel_to_world(14.0, 9.0)
    assert position.ra.deg == pytest.approx(150.0)


def test_wcs_that_cannot_be_used_is_refused(write_fits, any_instrument):
    path = write_fits(ramp(), **tan_keywords(CDELT1=0.0))
    refused(path, any_instrument, "bad_wcs", "WCS")
    path = write_fits(ramp(), "b.fits", CTYPE1="LAMBDA", CTYPE2="ANGLE")
    refused(path, any_instrument, "not_sky", "LAMBDA")


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (np.zeros((1, 1), np.float32), "too_small"),
        (np.zeros((3, 20, 20), np.float32), "not_2d"),
        (np.zeros(100, np.float32), "not_2d"),
        (np.full((20, 20), np.nan, np.float32), "no_pixels"),
        (None, "no_image"),
    ],
)
def test_images_that_are_none_are_refused(write_fits, any_instrument, data, reason):
    refused(write_fits(data), any_instrument, reason)


def test_a_cube_of_one_plane_is_an_image(write_fits, any_instrument):
    frame = read_frame(write_fits(ramp()[None]), any_instrument)
    assert frame.shape == (20, 30)


def test_a_declared_size_is_not_believed(tmp_path, any_instrument):
    header = fits.Header()
    header["SIMPLE"], header["BITPIX"], header["NAXIS"] = True, -32, 2
    header["NAXIS1"], header["NAXIS2"] = 2_000_000, 2_000_000
    path = tmp_path / "huge.fits"
    path.write_bytes(header.tostring().encode())
    refused(path, any_instrument, "too_large", "2000000")


def test_missing_file(tmp_path, any_instrument):
    refused(tmp_path / "none.fits", any_instrument, "missing_file")


def test_not_fits_and_not_standard_fits(tmp_path, any_instrument):
    path = tmp_path / "text.fits"
    path.write_text("hello" * 1000)
    refused(path, any_instrument, "not_fits", "SIMPLE")
    path.write_bytes(b"SIMPLE  =                    F / no".ljust(2880))
    refused(path, any_instrument, "not_fits", "SIMPLE")


def test_truncated_file_is_corrupt(write_fits, any_instrument, tmp_path):
    whole = write_fits(ramp(np.float32, (100, 100))).read_bytes()
    path = tmp_path / "cut.fits"
    path.write_bytes(whole[: len(whole) // 2])
    refused(path, any_instrument, "corrupt_fits")


def test_truncated_gzip_is_corrupt(write_fits, any_instrument, tmp_path):
    packed = gzip.compress(write_fits(ramp()).read_bytes())
    path = tmp_path / "cut.fits.gz"
    path.write_bytes(packed[: len(packed) // 2])
    refused(path, any_instrument, "corrupt_fits", "gzip")


@settings(max_examples=60, deadline=None)
@given(position=st.integers(0, 5759), value=st.integers(0, 255))
def test_one_damaged_byte_is_read_or_refused_by_name(tmp_path_factory, position, value):
    """No damage to the header makes anything but a frame or a FrameError."""
    from csstream.instruments.instrument import load_instrument

    header = fits.Header({"EXPTIME": 5.0, "MJD-OBS": 59000.0} | tan_keywords())
    path = tmp_path_factory.mktemp("damage") / "frame.fits"
    fits.PrimaryHDU(ramp(np.int16), header).writeto(path)
    content = bytearray(path.read_bytes())
    content[position % len(content)] = value
    path.write_bytes(bytes(content))
    instrument = load_instrument("ogle4-i")
    assert isinstance(outcome(path, instrument, True), str | tuple)


def test_psf_extension_is_normalised(write_fits, any_instrument, narrow_psf):
    hdu = fits.ImageHDU((narrow_psf.samples * 7.0).astype(np.float32), name="PSF")
    hdu.header["OVERSAMP"] = narrow_psf.oversampling
    frame = read_frame(write_fits(ramp(), extensions=[hdu]), any_instrument)
    assert frame.psf is not None
    assert frame.psf.central.samples.sum() / 16 == pytest.approx(1.0)
    assert frame.psf.fwhm == pytest.approx(narrow_psf.fwhm, rel=1e-4)


@pytest.mark.parametrize(
    ("samples", "step"),
    [
        (np.ones((40, 40)), 4),
        (np.ones((41, 43)), 4),
        (np.ones((41, 41)), 0),
        (np.ones((41, 41)), None),
        (np.zeros((41, 41)), 4),
        (np.full((41, 41), np.nan), 4),
        (np.ones((9, 9)), 4),
    ],
)
def test_a_psf_that_is_none_is_refused(write_fits, any_instrument, samples, step):
    hdu = fits.ImageHDU(samples.astype(np.float32), name="PSF")
    if step is not None:
        hdu.header["OVERSAMP"] = step
    refused(write_fits(ramp(), extensions=[hdu]), any_instrument, "bad_psf", "PSF")


def test_mask_extension(write_fits, any_instrument):
    bad = np.zeros((20, 30), np.uint8)
    bad[2, 3] = 4
    frame = read_frame(
        write_fits(ramp(), extensions=[fits.ImageHDU(bad, name="MASK")]), any_instrument
    )
    assert frame.mask.sum() == 1
    assert frame.mask[2, 3]
    path = write_fits(ramp(), "b.fits", extensions=[fits.ImageHDU(bad[:5], name="MASK")])
    refused(path, any_instrument, "bad_mask", "MASK")


def test_instrume_is_read_from_either_header(write_fits):
    assert read_instrume(write_fits(ramp())) == "Test"


@pytest.mark.parametrize(
    ("value", "hours", "degrees"),
    [("-0:30:00", False, -0.5), ("1 0 0", True, 15.0), (12.5, True, 12.5), ("7.5", False, 7.5)],
)
def test_sexagesimal(value, hours, degrees):
    assert sexagesimal(value, hours=hours) == pytest.approx(degrees)


# What becomes of each real file: its reason, or its shape. With require_time=False for files that
# have none (second entry: the reason when the time is required).
REAL = {
    "acs_j94f05bgq_flt.fits": ("too_small", None),
    "comp.fits": ((300, 440), "missing_keyword"),
    "compressed_with_nan.fits": ("too_small", None),
    "dist_lookup.fits.gz": ((100, 100), "missing_keyword"),
    "dss.14.29.56-62.41.05.fits.gz": ((100, 100), None),
    "fixed-1890.fits": ((100, 100), "bad_keyword"),
    "header_with_time.fits": ("not_fits", None),
    "irac_sip.hdr": ("corrupt_fits", None),
    "m13_gzip.fits": ((300, 300), "missing_keyword"),
    "m13_hcompress.fits": ((300, 300), "missing_keyword"),
    "m13_plain.fits": ((300, 300), "missing_keyword"),
    "m13_plio.fits": ((300, 300), "missing_keyword"),
    "m13_rice.fits": ((300, 300), "missing_keyword"),
    "m67_dss_1951.fits.gz": ((1059, 1059), None),
    "scale.fits": ((21, 20), "missing_keyword"),
    "sip-wcs.fits": ((50, 100), None),
    "sip.fits": ("no_image", None),
    "siponly.hdr": ("corrupt_fits", None),
    "stis_o4sp040b0_raw.fits": ("not_sky", None),
    "streak_long.fits.gz": ((512, 512), "bad_keyword"),
    "tess_cutout_6x6.fits.gz": ("too_small", None),
    "tpvonly.hdr": ("corrupt_fits", None),
}


def outcome(path, instrument, require_time):
    try:
        return read_frame(path, instrument, require_time=require_time).shape
    except FrameError as error:
        return error.reason


@pytest.mark.parametrize("name", sorted(REAL))
def test_awkward_real_files(data_dir, any_instrument, name):
    without_time, with_time = REAL[name]
    path = data_dir / "headers" / name
    assert outcome(path, any_instrument, False) == without_time
    assert outcome(path, any_instrument, True) == (with_time or without_time)


def test_the_table_of_real_files_is_complete(data_dir):
    assert {p.name for p in (data_dir / "headers").iterdir()} == set(REAL)


def test_five_compressions_give_the_same_pixels(data_dir, any_instrument):
    frames = [
        read_frame(data_dir / "headers" / f"m13_{kind}.fits", any_instrument, require_time=False)
        for kind in ("plain", "rice", "gzip", "plio", "hcompress")
    ]
    for frame in frames[1:]:
        np.testing.assert_array_equal(frame.image, frames[0].image)


def test_ogle_frames_have_their_time_and_no_wcs(data_dir, ogle):
    frame = read_frame(data_dir / "timeseries/ogle4_lmc531/frames/o4197842.10.fits.fz", ogle)
    julian_date_utc = 2455922.728252  # from the set's own table
    tai = julian_date_utc - 2400000.5 + 34.0 / 86400.0
    assert frame.mjd_mid_tai == pytest.approx(tai, abs=2e-6)
    assert frame.wcs is None
    assert frame.header.detector == 10
    assert frame.header.unit_electrons == 1.8
