"""The real OGLE-IV series with a reference catalogue: frames without WCS, in any seeing."""

import numpy as np
import pytest
from astropy.table import Table
from astropy.time import Time

from csstream.imaging.finding.classical import ClassicalStrategy
from csstream.imaging.frames.flags import UNRELIABLE
from csstream.imaging.psf.profiles import psf_from_instrument
from csstream.imaging.reference.build import build_reference
from csstream.imaging.reference.build_settings import BuildSettings
from csstream.imaging.reference.frame_files import FrameFiles
from csstream.imaging.reference.series import measure_series
from csstream.imaging.registration import register
from csstream.timeseries.examine import examine_panel
from csstream.timeseries.settings import ExamineSettings

CEPHEID = (269.17, 236.84)  # pixels of frame o4203994
BINARY = (371.11, 49.21)
EDGE = 12.0  # [pixel] of the frames


@pytest.fixture(scope="module")
def field(data_dir):
    return data_dir / "timeseries/ogle4_lmc531"


def paths_of(field):
    return sorted((field / "frames").glob("*.fits.fz"))


def build(field, instrument, paths, most):
    return build_reference(
        FrameFiles(paths, instrument),
        ClassicalStrategy(),
        nominal_psf=psf_from_instrument(instrument),
        settings=BuildSettings(most_frames=most),
    )


def curves(reference, instrument, paths):
    """Times (m,), fluxes and errors (n, m) of all listed stars; nan where not reliable."""
    files = FrameFiles(paths, instrument)
    epochs = list(measure_series(files, reference, nominal_psf=psf_from_instrument(instrument)))
    row = {int(each): k for k, each in enumerate(reference.stars.object_id)}
    flux, error = np.full((2, len(row), len(epochs)), np.nan)
    for m, epoch in enumerate(epochs):
        clean = epoch.flags & int(UNRELIABLE) == 0
        rows = [row[int(each)] for each in epoch.object_id[clean]]
        flux[rows, m], error[rows, m] = epoch.flux[clean], epoch.flux_err[clean]
    return np.array([epoch.mjd_mid_tai for epoch in epochs]), flux, error


def star_at(reference, field, place):
    """Row of the brightest listed star near a place of the published frame."""
    stars, s = Table.read(field / "reference_stars.csv"), reference.stars
    light = 10.0 ** (-0.4 * np.asarray(stars["mag_I_approx"], float))
    mapped = register(
        np.asarray(stars["x_ref_px"]), np.asarray(stars["y_ref_px"]), light, s.x, s.y, s.flux
    )
    x, y = mapped.apply(*place)
    near = np.flatnonzero(np.hypot(s.x - x, s.y - y) < 2.0)
    return int(near[np.argmax(s.flux[near])])


def scatter(flux):
    """Robust relative scatter of each star (n,)."""
    middle = np.nanmedian(flux, axis=1)
    return 1.4826 * np.nanmedian(np.abs(flux / middle[:, None] - 1.0), axis=1)


def test_a_few_frames_repeat_and_the_cepheid_varies(field, ogle):
    paths = paths_of(field)
    reference = build(field, ogle, paths[:2], 2)
    assert reference.frames == 2
    _, flux, error = curves(reference, ogle, paths[:3])
    bright = reference.stars.calibrator & np.isfinite(flux).all(axis=1)
    bright &= np.nanmedian(error / flux, axis=1) < 0.005
    assert bright.sum() >= 10
    assert np.median(scatter(flux[bright])) < 0.015
    cepheid = star_at(reference, field, CEPHEID)
    change = -2.5 * np.log10(flux[cepheid, 1] / flux[cepheid, 0])
    assert abs(change) == pytest.approx(0.58, abs=0.06)
    assert not reference.stars.calibrator[cepheid]


@pytest.mark.long
@pytest.mark.timeout(3600)
def test_the_whole_series(field, ogle):
    """Constant stars stand still, both variables are found, and nothing else is alerted."""
    paths = paths_of(field)
    reference = build(field, ogle, paths, 20)
    time, flux, error = curves(reference, ogle, paths)
    assert time.size >= 95
    often = np.isfinite(flux).sum(axis=1) >= 0.8 * time.size
    still = np.sort(scatter(flux[often]))
    assert still[:10].mean() < 0.008
    result = examine_panel(time, flux, error, ExamineSettings(look_at_all=True))
    cepheid, binary = (star_at(reference, field, place) for place in (CEPHEID, BINARY))
    assert result.crossed[cepheid]
    assert result.crossed[binary]
    assert result.period[cepheid] == pytest.approx(3.7839, rel=0.002)
    assert result.period[binary] == pytest.approx(2.204, rel=0.002)
    # A cosmic ray or an edge is in a single epoch, or where few frames reach.
    alerted = np.flatnonzero(result.crossed)
    assert np.all(np.isfinite(flux[alerted]).sum(axis=1) > 0.5 * time.size)
    assert alerted.size <= 6
    assert Time(time[0], format="mjd", scale="tai").utc.iso.startswith("2011-12-27")
