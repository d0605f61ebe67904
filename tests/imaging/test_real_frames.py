"""Whole measurements of real frames, judged by catalogues and by second looks of the same sky."""

import warnings

import numpy as np
import pytest
from astropy.coordinates import SkyCoord
from astropy.table import Table

from csstream.imaging.finding.classical import ClassicalStrategy
from csstream.imaging.frames.fits_io import read_frame
from csstream.imaging.frames.flags import UNRELIABLE
from csstream.imaging.matching import match_pixels, match_sky
from csstream.imaging.measure import measure_frame
from csstream.imaging.psf.profiles import psf_from_instrument
from csstream.instruments.instrument import load_instrument


def measure(path, instrument, **options):
    frame = read_frame(path, instrument, require_time=False)
    nominal = psf_from_instrument(instrument, half_width=40)
    return measure_frame(frame, ClassicalStrategy(), nominal_psf=nominal, **options)


@pytest.fixture(scope="module")
def spitzer(data_dir, instrument_dir):
    path = data_dir / "dense/spitzer_glimpse/spitzer_example_image.fits.gz"
    return measure(path, load_instrument(instrument_dir / "irac2.toml"))


def near_the_brightest(sources, radius, count=30):
    """Finds within ``radius`` [pixel] of each of the brightest stars, themselves left out; mean."""
    order = np.argsort(-sources.flux)[:count]
    apart = np.hypot(sources.x - sources.x[order][:, None], sources.y - sources.y[order][:, None])
    return np.count_nonzero(apart < radius) / count - 1.0


def test_spitzer_stars_have_few_companions_in_their_wings(spitzer):
    """Rings and spikes of the brightest were taken for 14 stars each within six FWHM."""
    sources, fwhm = spitzer.sources, spitzer.fwhm
    assert near_the_brightest(sources, 3.0 * fwhm) < 0.5
    assert near_the_brightest(sources, 6.0 * fwhm) < 4.5  # 6.9 at random places
    assert near_the_brightest(sources, 10.0 * fwhm) < 23.0  # 19 at random places
    assert 30 < spitzer.saturated < 80


def test_spitzer_shows_the_stars_of_its_catalogue(data_dir, spitzer):
    folder, found = data_dir / "dense/spitzer_glimpse", spitzer
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        table = Table.read(folder / "spitzer_example_catalog.xml.gz", format="votable")
    place = SkyCoord(table["l"], table["b"], unit="deg", frame="galactic").icrs
    sources = found.sources
    i, j, distance = match_sky(place.ra.deg, place.dec.deg, sources.ra, sources.dec, 2.0)
    assert i.size >= 220  # of 224, one of them outside the image
    assert np.median(distance) < 0.8
    offset = np.asarray(table["mag4_5"])[i] - sources.mag[j]
    assert 1.4826 * np.median(np.abs(offset - np.median(offset))) < 0.2


@pytest.fixture(scope="module")
def hst(data_dir, instrument_dir):
    """One globular cluster in F555W and in F336W."""
    folder = data_dir / "dense/hst_ngc1261"
    instrument = load_instrument(instrument_dir / "wfpc2-f555w.toml")
    visual = measure(folder / "ubai2502m_f555w.fits.gz", instrument).sources
    other = type(instrument)(**(vars(instrument) | {"band": "F336W"}))
    ultraviolet = measure(folder / "ubai2505m_f336w.fits.gz", other).sources
    return visual, ultraviolet


def test_hst_bright_stars_are_there_in_both_bands(hst):
    visual, ultraviolet = hst
    lit = (visual.x > 60) & (visual.y > 60) & (visual.flux > 20 * visual.flux_err)
    lit &= visual.flags & int(UNRELIABLE) == 0
    bright = visual.select(lit)
    assert len(bright) > 1000
    i, _, _ = match_pixels(bright.x - 0.6, bright.y - 1.1, ultraviolet.x, ultraviolet.y, 1.0)
    assert i.size > 0.95 * len(bright)


def test_hst_ultraviolet_stars_are_there_in_the_visual_too(hst):
    """Faint finds of the deeper band, in the other band: the share that is no artefact."""
    visual, blue = hst
    lit = (blue.x > 60) & (blue.y > 60) & (blue.flags & int(UNRELIABLE) == 0)
    snr = blue.flux / blue.flux_err
    for low, high, share in ((5.0, 10.0, 0.75), (10.0, 20.0, 0.95)):
        faint = blue.select(lit & (snr > low) & (snr < high))
        found, _, _ = match_pixels(faint.x + 0.6, faint.y + 1.1, visual.x, visual.y, 1.0)
        assert found.size > share * len(faint)


def test_ogle_shows_the_sources_of_the_deep_stack(data_dir, ogle):
    folder = data_dir / "timeseries/ogle4_lmc531"
    found = measure(folder / "reference_o4203994.10.fits", ogle)
    stack = Table.read(folder / "deep_stack_sources.csv")
    x, y = np.asarray(stack["x_ref_px"]), np.asarray(stack["y_ref_px"])
    inside = (x > 5) & (y > 5) & (x < 455) & (y < 455)
    i, _, _ = match_pixels(x[inside], y[inside], found.sources.x, found.sources.y, 1.5)
    assert i.size > 0.97 * np.count_nonzero(inside)
    radius = 3.0 * found.fwhm
    at_random = len(found.sources) * np.pi * radius**2 / 461**2  # about two
    assert near_the_brightest(found.sources, radius, 15) < at_random


@pytest.mark.parametrize("name", ["o4197930.10.fits.fz"])
def test_ogle_stars_repeat_and_the_cepheid_varies(data_dir, ogle, name):
    folder = data_dir / "timeseries/ogle4_lmc531/frames"
    first = measure(folder / name, ogle)
    second = measure(folder / "o4197842.10.fits.fz", ogle, reference=first.as_reference())
    assert second.registration is not None
    x, y = second.registration.apply(second.sources.x, second.sources.y)
    i, j, _ = match_pixels(x, y, first.sources.x, first.sources.y, 1.5)
    inside = (x > 5) & (y > 5) & (x < 455) & (y < 455)
    strong = inside & (second.sources.flux > 12 * second.sources.flux_err)
    strong &= second.sources.flags & int(UNRELIABLE) == 0
    assert np.isin(np.flatnonzero(strong), i).mean() > 0.93
    change = first.sources.mag[j] - second.sources.mag[i]
    bright = (first.sources.mag[j] < 16.5) & (first.sources.flags[j] & int(UNRELIABLE) == 0)
    assert 1.4826 * np.median(np.abs(change[bright])) < 0.03
    cepheid = np.argmin(np.hypot(first.sources.x[j] - 229.2, first.sources.y[j] - 231.7))
    assert change[cepheid] == pytest.approx(-0.58, abs=0.06)
