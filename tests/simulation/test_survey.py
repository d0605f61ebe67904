"""The simulated survey: what the truth tables say is in the pixels."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from astropy.io import fits
from astropy.table import Table
from astropy.wcs import WCS

from csstream.imaging.frames.fits_io import read_frame
from csstream.instruments.instrument import load_instrument
from csstream.simulation.detector import ALL_EFFECTS
from csstream.simulation.epochs import LOW_ORBIT
from csstream.simulation.field import FieldSettings
from csstream.simulation.frames import background_level
from csstream.simulation.survey import SurveySettings, simulate_survey

SHAPE = (96, 128)


@pytest.fixture(scope="module")
def instrument():
    return load_instrument("csst-i")


def settings_for(instrument, **changes) -> SurveySettings:
    field = FieldSettings(
        shape=SHAPE, density=0.002, mag_faint=22.0, transits=1, eclipsing=1, pulsators=1
    )
    values = {"instrument": instrument, "field": field, "frames": 4, "interval": 20000.0}
    return SurveySettings(**(values | changes))


@pytest.fixture(scope="module")
def survey(instrument, tmp_path_factory):
    folder = tmp_path_factory.mktemp("survey")
    return simulate_survey(settings_for(instrument), folder)


@pytest.fixture(scope="module")
def truth(survey):
    return Table.read(survey.truth, format="ascii.ecsv")


@pytest.fixture(scope="module")
def frames(survey):
    return Table.read(survey.frames, format="ascii.ecsv")


def test_frames_satisfy_the_contract(survey, frames, instrument):
    for path, row in zip(survey.files, frames, strict=True):
        frame = read_frame(path, instrument)
        assert path.name == row["file"]
        assert frame.shape == SHAPE
        assert frame.header.detector == 1
        assert frame.header.has_wcs
        assert frame.header.summary["OBSID"] == str(row["visit"])
        assert frame.header.summary["NDETECT"] == "1"
        assert frame.mjd_mid_tai == pytest.approx(row["mjd_mid_tai"], abs=1e-8)
        assert frame.zero_point == pytest.approx(instrument.photometry.zero_point)
        assert frame.psf is not None
        assert frame.psf.oversampling == 4


def test_a_gain_changes_the_unit_and_not_the_light(instrument, tmp_path):
    detector = replace(instrument.detector, bunit="adu", gain=2.0, saturation=45000.0)
    with_gain = replace(instrument, detector=detector)
    settings = settings_for(with_gain, frames=1)
    path = simulate_survey(settings, tmp_path / "adu").files[0]
    same = simulate_survey(settings_for(instrument, frames=1), tmp_path / "electron").files[0]
    frame, plain = read_frame(path, with_gain), read_frame(same, instrument)
    assert frame.zero_point == pytest.approx(instrument.photometry.zero_point)
    assert np.median(frame.image) == pytest.approx(np.median(plain.image), rel=0.01)


def test_stars_shine_where_and_as_the_truth_says(survey, truth, frames, instrument):
    # fit the fluxes of all stars at the places that table and header give, linear least squares
    path, row = survey.files[1], frames[1]
    frame = read_frame(path, instrument)
    with fits.open(path) as hdus:
        wcs = WCS(hdus["SCI"].header)
    x, y = wcs.world_to_pixel_values(truth["ra"], truth["dec"])
    assert np.allclose(x, truth["x"] + row["dither_x"], atol=1e-4)
    model = np.zeros((len(truth), *SHAPE))
    for image, star_x, star_y in zip(model, x, y, strict=True):
        frame.psf.render(image, [star_x], [star_y], [1.0], 24)
    residual = frame.image - background_level(instrument)
    flux, *_ = np.linalg.lstsq(model.reshape(len(truth), -1).T, residual.ravel(), rcond=None)
    expected = 300.0 * 10 ** (0.4 * (row["zero_point"] - truth["mag"]))
    inside = (x > 8) & (x < SHAPE[1] - 9) & (y > 8) & (y < SHAPE[0] - 9)
    constant = inside & (truth["kind"] == "none") & (truth["mag"] > 18.2) & (truth["mag"] < 21)
    assert np.count_nonzero(constant) >= 3
    assert np.allclose(flux[constant] / expected[constant], 1.0, atol=0.04)


def test_variables_are_listed_with_units_and_vary(survey, truth, instrument):
    variables = truth[truth["kind"] != "none"]
    assert sorted(variables["kind"]) == ["eclipsing", "pulsating", "transit"]
    for name, unit in (("ra", "deg"), ("period", "d"), ("t0", "d"), ("mag", "mag")):
        assert str(truth[name].unit) == unit
    assert np.all(variables["period"] > 0.2)
    assert np.all(variables["depth"] > 0.005)
    assert np.all(np.isnan(truth["period"][truth["kind"] == "none"]))
    pulsator = variables[variables["kind"] == "pulsating"][0]
    sums = []
    for path in survey.files:
        frame = read_frame(path, instrument)
        x, y = frame.wcs.world_to_pixel_values(pulsator["ra"], pulsator["dec"])
        column, line = round(float(x)), round(float(y))
        sums.append(float(frame.image[line - 3 : line + 4, column - 3 : column + 4].sum()))
    assert np.ptp(sums) / np.mean(sums) > 0.05


def test_same_seed_gives_the_same_bytes_and_another_does_not(instrument, survey, tmp_path):
    again = simulate_survey(settings_for(instrument), tmp_path / "again")
    for first, second in zip(survey.files, again.files, strict=True):
        assert first.read_bytes() == second.read_bytes()
    assert survey.truth.read_bytes() == again.truth.read_bytes()
    other = simulate_survey(settings_for(instrument, seed=2, frames=1), tmp_path / "other")
    assert other.files[0].read_bytes() != survey.files[0].read_bytes()


def test_detectors_lie_side_by_side_and_nothing_temporary_is_left(instrument, tmp_path):
    result = simulate_survey(
        settings_for(instrument, detectors=2, frames=1, compress=False), tmp_path
    )
    one, two = (read_frame(path, instrument) for path in result.files)
    assert (one.header.detector, two.header.detector) == (1, 2)
    x, _ = one.wcs.world_to_pixel_values(*two.wcs.pixel_to_world_values(0.0, 0.0))
    assert x > SHAPE[1]
    assert sorted(p.suffix for p in tmp_path.iterdir()) == [".ecsv", ".ecsv", ".fits", ".fits"]


def test_bright_stars_saturate(instrument, tmp_path):
    field = FieldSettings(
        shape=(64, 64),
        density=0.001,
        mag_bright=15.0,
        mag_faint=15.5,
        transits=0,
        eclipsing=0,
        pulsators=0,
    )
    result = simulate_survey(settings_for(instrument, field=field, frames=1), tmp_path)
    frame = read_frame(result.files[0], instrument)
    assert frame.image.max() == instrument.detector.saturation
    assert np.any(frame.flags != 0)


def test_effects_and_a_breathing_shape_reach_the_frames(instrument, survey, tmp_path):
    effects = replace(ALL_EFFECTS, dead_pixels=0.01)
    settings = settings_for(instrument, frames=2, effects=effects, shape_jitter=0.05)
    files = simulate_survey(settings, tmp_path).files
    masks = [read_frame(path, instrument).mask for path in files]
    assert np.count_nonzero(masks[0] & masks[1]) > 30
    plain = read_frame(survey.files[0], instrument)
    spoilt = read_frame(files[0], instrument)
    differs = np.abs(spoilt.image - plain.image) > 200
    assert np.count_nonzero(differs) > 0.01 * plain.image.size
    assert np.median(spoilt.image) == pytest.approx(np.median(plain.image), rel=0.1)


@pytest.mark.parametrize(
    "changes", [{"frames": 0}, {"dither": -1.0}, {"interval": 10.0}, {"detectors": 0}]
)
def test_bad_settings_are_named(changes, instrument, tmp_path):
    with pytest.raises(ValueError, match=next(iter(changes))):
        simulate_survey(settings_for(instrument, **changes), tmp_path)


def test_a_low_orbit_lifts_the_sky_at_the_ends_of_its_windows(instrument, tmp_path):
    settings = settings_for(instrument, frames=30, interval=302.4, orbit=LOW_ORBIT)
    made = simulate_survey(settings, tmp_path)
    table = Table.read(made.frames, format="ascii.ecsv")
    assert np.diff(table["mjd_start_tai"]).max() > 0.4 * LOW_ORBIT.period
    levels = [np.median(read_frame(path, instrument).image) for path in made.files]
    assert np.corrcoef(levels, table["sky"])[0, 1] > 0.99
    assert max(levels) > 1.15 * min(levels)
