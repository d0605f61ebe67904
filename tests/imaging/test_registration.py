"""Registration by star pattern, the WCS that follows, and the zero point's tie."""

import csv

import numpy as np
import pytest
from astropy.coordinates import SkyCoord
from astropy.wcs import WCS
from hypothesis import example, given, settings
from hypothesis import strategies as st

from csstream.imaging.errors import FrameError
from csstream.imaging.registration import Affine, nominal_wcs, register, wcs_from_registration
from csstream.imaging.sky import pixel_positions, sky_positions
from csstream.imaging.zero_point import tie_zero_point

SIDE = 460


def field(seed=1, n=500):
    """Stars of a field three frames wide."""
    rng = np.random.default_rng(seed)
    x, y = rng.uniform(-SIDE, 2 * SIDE, (2, n * 9))
    flux = 10 ** rng.uniform(2, 5, x.size)
    return x, y, flux


def seen(stars, angle=0.0, shift=(0.0, 0.0), seed=2, noise=0.1, completeness=0.8):
    """The stars in a frame that is turned and shifted, with errors and losses."""
    rng = np.random.default_rng(seed)
    x, y, flux = stars
    c, s = np.cos(angle), np.sin(angle)
    u = c * (x - shift[0]) + s * (y - shift[1])
    v = -s * (x - shift[0]) + c * (y - shift[1])
    keep = (u > 0) & (v > 0) & (u < SIDE) & (v < SIDE) & (rng.random(x.size) < completeness)
    u, v = u[keep] + rng.normal(0, noise, keep.sum()), v[keep] + rng.normal(0, noise, keep.sum())
    return u, v, flux[keep] * rng.lognormal(0, 0.05, keep.sum())


@settings(deadline=None, max_examples=15)
@example(angle=-0.046875, dx=151.0, dy=154.0)
@given(
    angle=st.floats(-0.05, 0.05),
    dx=st.floats(-0.5 * SIDE, 0.5 * SIDE),
    dy=st.floats(-0.4 * SIDE, 0.4 * SIDE),
)
def test_shifts_of_half_a_field_and_rotations_are_found(angle, dx, dy):
    stars = field()
    own, other = seen(stars, angle, (dx, dy)), seen(stars, seed=3)
    found = register(*own, *other)
    x, y = found.apply([100.0], [300.0])
    c, s = np.cos(angle), np.sin(angle)
    assert x[0] == pytest.approx(c * 100 - s * 300 + dx, abs=0.3)
    assert y[0] == pytest.approx(s * 100 + c * 300 + dy, abs=0.3)
    assert found.rms < 0.3


@pytest.mark.parametrize("other", [5, 907, 915])
def test_another_field_is_not_registered(other):
    """The best of many maps brings ten to twenty stars together by chance."""
    with pytest.raises(FrameError) as caught:
        register(*seen(field(other + 1000), seed=7), *seen(field(other)))
    assert caught.value.reason == "not_registered"


def test_the_same_stars_give_the_same_map():
    stars = field(3)
    own, other = seen(stars, 0.03, (120.0, -80.0)), seen(stars, seed=3)
    first, second = register(*own, *other), register(*own, *other)
    np.testing.assert_array_equal(first.matrix, second.matrix)
    np.testing.assert_array_equal(first.shift, second.shift)


@pytest.mark.parametrize("angle", [np.pi / 2, np.pi, -0.8])
def test_large_turns_are_found(angle):
    stars, c, s = field(4), np.cos(angle), np.sin(angle)
    turned = 0.5 * SIDE * np.array([1 - c + s, 1 - s - c])
    found = register(*seen(stars, angle, turned), *seen(stars, seed=3))
    np.testing.assert_allclose(found.matrix, [[c, -s], [s, c]], atol=2e-3)


@pytest.mark.parametrize("count", [0, 1, 4])
def test_too_few_stars_are_not_registered(count):
    own = tuple(column[:count] for column in seen(field(1)))
    with pytest.raises(FrameError):
        register(*own, *seen(field(1)))


def tan(crval=(80.0, -60.0), rotation=0.3):
    wcs = WCS(naxis=2)
    wcs.wcs.ctype = ["RA---TAN", "DEC--TAN"]
    wcs.wcs.crval = crval
    wcs.wcs.crpix = [200.0, 150.0]
    c, s = np.cos(rotation) * 7e-5, np.sin(rotation) * 7e-5
    wcs.wcs.cd = [[-c, s], [s, c]]
    wcs.wcs.radesys = "ICRS"
    return wcs


def test_composed_wcs_puts_stars_where_the_reference_puts_them():
    reference = tan()
    affine = Affine(np.array([[0.999, -0.02], [0.021, 1.001]]), np.array([120.0, -80.0]))
    wcs = wcs_from_registration(affine, reference, (SIDE, SIDE))
    x, y = np.array([0.0, 50.0, 400.0]), np.array([0.0, 440.0, 30.0])
    np.testing.assert_allclose(
        sky_positions(wcs, x, y), sky_positions(reference, *affine.apply(x, y)), atol=1e-10
    )


def test_composed_wcs_from_a_reference_with_another_projection():
    reference = tan()
    reference.wcs.ctype = ["RA---SIN", "DEC--SIN"]
    affine = Affine(np.eye(2), np.array([30.0, 40.0]))
    wcs = wcs_from_registration(affine, reference, (SIDE, SIDE))
    x, y = np.array([10.0, 450.0]), np.array([20.0, 440.0])
    found, truth = sky_positions(wcs, x, y), sky_positions(reference, *affine.apply(x, y))
    np.testing.assert_allclose(found, truth, atol=2e-3 / 3600)


def test_nominal_wcs_has_the_pointing_in_its_centre():
    wcs = nominal_wcs((73.0, -69.0), 0.26, (101, 201))
    ra, dec = sky_positions(wcs, [100.0, 100.0], [50.0, 51.0])
    assert (ra[0], dec[0]) == pytest.approx((73.0, -69.0))
    assert (dec[1] - dec[0]) * 3600 == pytest.approx(0.26, rel=1e-6)
    with pytest.raises(FrameError, match="RA"):
        nominal_wcs((float("nan"), 0.0), 0.26, (10, 10))


def test_galactic_coordinates_become_icrs_and_back():
    wcs = WCS(naxis=2)
    wcs.wcs.ctype = ["GLON-CAR", "GLAT-CAR"]
    wcs.wcs.crval = [18.0, 0.0]
    wcs.wcs.cdelt = [-3e-4, 3e-4]
    ra, dec = sky_positions(wcs, [10.0], [20.0])
    expected = SkyCoord(18.0 - 11 * 3e-4, 21 * 3e-4, unit="deg", frame="galactic").icrs
    assert (ra[0], dec[0]) == pytest.approx((expected.ra.deg, expected.dec.deg), abs=1e-9)
    x, y = pixel_positions(wcs, ra, dec)
    assert (x[0], y[0]) == pytest.approx((10.0, 20.0), abs=1e-6)


def test_no_wcs_gives_nan():
    ra, dec = sky_positions(None, [1.0, 2.0], [1.0, 2.0])
    assert np.isnan(ra).all()
    assert dec.shape == (2,)


def test_zero_point_is_not_moved_by_variables():
    rng = np.random.default_rng(4)
    error = rng.uniform(0.003, 0.1, 300)
    reference = rng.uniform(14, 18, 300)
    mag = reference - 0.35 + rng.normal(0, error)
    mag[:40] += rng.uniform(0.3, 1.5, 40)
    delta, delta_err = tie_zero_point(mag, error, reference, np.zeros(300))
    assert delta == pytest.approx(0.35, abs=0.006)
    assert 0.0 < delta_err < 0.006


def test_zero_point_error_is_that_of_many_draws():
    deltas, errors = [], []
    for seed in range(60):
        rng = np.random.default_rng(seed)
        error = rng.uniform(0.01, 0.05, 80)
        reference = rng.uniform(14, 18, 80)
        delta, delta_err = tie_zero_point(
            reference + rng.normal(0, error), error, reference, np.zeros(80)
        )
        deltas.append(delta)
        errors.append(delta_err)
    assert np.std(deltas) == pytest.approx(np.mean(errors), rel=0.35)


def test_zero_point_of_too_few_stars_is_unknown():
    delta, error = tie_zero_point([1.0, np.nan], [0.1, 0.1], [1.5, 1.0], [0.1, 0.1])
    assert delta == 0.0
    assert np.isnan(error)


def test_ogle_frames_register_to_the_truth(data_dir, ogle):
    """Six of the real frames, the largest dithers among them, on stars found by sep alone."""
    from csstream.imaging.finding.classical import extract
    from csstream.imaging.frames.background import estimate_background
    from csstream.imaging.frames.fits_io import read_frame

    folder = data_dir / "timeseries/ogle4_lmc531"
    with (folder / "frames.csv").open() as stream:
        rows = list(csv.DictReader(stream))
    by_shift = sorted(rows, key=lambda r: abs(float(r["ax0"])) + abs(float(r["ay0"])))

    def stars(row):
        frame = read_frame(folder / "frames" / row["file"], ogle)
        sky = estimate_background(frame.image, frame.mask)
        found = extract(frame.image - sky.level, sky.noise, 3.0, 5)
        return found["x"], found["y"], found["flux"]

    reference = stars(by_shift[0])
    first = truth(by_shift[0])
    for row in [*by_shift[-5:], by_shift[40]]:
        affine = register(*stars(row), *reference)
        own = truth(row)
        for point in ([100.0, 100.0], [350.0, 300.0]):
            common = np.linalg.solve(own[0], np.array(point) - own[1])
            expected = first[0] @ common + first[1]
            x, y = affine.apply([point[0]], [point[1]])
            assert np.hypot(x[0] - expected[0], y[0] - expected[1]) < 0.7


def truth(row):
    matrix = np.array(
        [[float(row["ax1"]), float(row["ax2"])], [float(row["ay1"]), float(row["ay2"])]]
    )
    return matrix, np.array([float(row["ax0"]), float(row["ay0"])])
