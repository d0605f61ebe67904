"""A frame measured by a list."""

from dataclasses import replace

import numpy as np
import pytest
from known_lists import ZERO_POINT, listed, tan_wcs

from csstream.imaging.errors import FrameError
from csstream.imaging.frames.flags import Flag
from csstream.imaging.frames.frame import blank_header, frame_from_array
from csstream.imaging.measure_settings import MeasureSettings
from csstream.imaging.psf.profiles import moffat_psf
from csstream.imaging.reference.measure import measure_listed

SIDE, SKY, TIME, READ_NOISE = 160, 200.0, 100.0, 5.0
HEADER = blank_header(
    exposure_time=TIME, shape=(SIDE, SIDE), read_noise=READ_NOISE, saturation=6e4,
    zero_point=ZERO_POINT,
)  # fmt: skip


@pytest.fixture(scope="module")
def stars():
    rng = np.random.default_rng(41)
    n = 400
    x, y = rng.uniform(-15, SIDE + 15, (2, n))
    flux = 3e3 * (1.0 - rng.random(n)) ** -1.0  # electron; a rising power law
    return x, y, np.minimum(flux, 2e5)


def expose(psf, x, y, flux, seed, *, shift=(0.0, 0.0), wcs_error=(0.0, 0.0), bad=None):
    truth = np.full((SIDE, SIDE), SKY)
    psf.render(truth, x + shift[0], y + shift[1], flux, 40)
    rng = np.random.default_rng(seed)
    image = rng.poisson(truth) + rng.normal(0.0, READ_NOISE, truth.shape)
    crpix = 81.0 + np.array(shift) - np.array(wcs_error)
    return np.asarray(image, np.float32), tan_wcs(crpix), bad


def frame(psf, x, y, flux, seed, *, told=None, **how):
    image, wcs, bad = expose(psf, x, y, flux, seed, **how)
    return frame_from_array(image, HEADER, wcs=wcs, psf=told or psf, bad=bad)


def with_stars(stars, *more):
    return (np.append(column, values) for column, values in zip(stars, more, strict=True))


def of_list(found):
    return found.sources.select(found.sources.object_id > 0)


def test_every_listed_star_on_the_frame_has_a_row_in_the_order_of_the_list(stars, narrow_psf):
    catalogue = listed(stars[0], stars[1], stars[2] / TIME)
    found = measure_listed(frame(narrow_psf, *stars, 1), catalogue)
    on_frame = (np.abs(catalogue.stars.x - 79.5) < 79.9) & (np.abs(catalogue.stars.y - 79.5) < 79.9)
    sources = of_list(found)
    rank = {number: k for k, number in enumerate(catalogue.stars.object_id.tolist())}
    ranks = [rank[k] for k in sources.object_id.tolist()]
    assert ranks == sorted(ranks)
    assert set(catalogue.stars.object_id[on_frame]) <= set(sources.object_id)
    assert np.all(found.sources.object_id[len(sources) :] == 0)
    truth = stars[2][sources.object_id - 1] / TIME
    pull = (sources.flux - truth) / sources.flux_err
    assert 0.8 < np.std(pull[np.abs(pull) < 5]) < 1.25
    assert found.zero_point == pytest.approx(ZERO_POINT, abs=0.01)


def test_a_wrong_wcs_a_wider_psf_and_clouds_do_not_matter(stars, narrow_psf):
    catalogue = listed(stars[0], stars[1], stars[2] / TIME)
    wide = moffat_psf(1.8 * 1.02, 4.0, 4, 40, (0.01, -0.01))
    x, y, flux = stars
    dimmed = frame(
        wide, x, y, 0.6 * flux, 2, told=narrow_psf, shift=(2.3, -1.4), wcs_error=(4.2, -3.1)
    )
    found = measure_listed(dimmed, catalogue)
    sources = of_list(found)
    number = sources.object_id - 1
    assert found.zero_point == pytest.approx(ZERO_POINT + 2.5 * np.log10(0.6), abs=0.01)
    known = np.isfinite(sources.flux_err) & (flux[number] > 2e4)
    apart = np.hypot(sources.x - x[number] - 2.3, sources.y - y[number] + 1.4)
    assert np.median(apart[known]) < 0.02
    change = sources.flux[known] * 10 ** (-0.4 * (found.zero_point - ZERO_POINT)) * TIME
    assert abs(np.median(change / flux[number][known]) - 1.0) < 0.004


def test_rotation_and_scale_are_recovered(stars, narrow_psf):
    catalogue = listed(stars[0], stars[1], stars[2] / TIME)
    angle, u, v = np.deg2rad(0.05), stars[0] - 80.0, stars[1] - 80.0
    x = 1.0002 * (u * np.cos(angle) - v * np.sin(angle)) + 80.3
    y = 1.0002 * (u * np.sin(angle) + v * np.cos(angle)) + 79.8
    sources = of_list(measure_listed(frame(narrow_psf, x, y, stars[2], 3), catalogue))
    number = sources.object_id - 1
    known = np.isfinite(sources.flux_err)
    apart = np.hypot(sources.x - x[number], sources.y - y[number])[known]
    assert np.percentile(apart, 80) < 0.02


def test_a_star_that_is_gone_may_be_negative(stars, narrow_psf):
    x, y, flux = stars
    alone = np.array([[40.0, 100.0, 120.0, 60.0, 20.0], [50.0, 30.0, 110.0, 120.0, 90.0]])
    catalogue = listed(
        np.append(x, alone[0]), np.append(y, alone[1]), np.append(flux, np.full(5, 3e3)) / TIME
    )
    values = []
    for seed in range(4, 8):
        sources = of_list(measure_listed(frame(narrow_psf, x, y, flux, seed), catalogue))
        gone = sources.select(sources.object_id > x.size)
        assert len(gone) == 5
        values.append(gone.flux / gone.flux_err)
    assert np.min(values) < 0.0
    assert np.abs(np.mean(values)) < 1.0


def test_the_neighbour_of_a_faded_star_keeps_its_flux(stars, narrow_psf):
    x, y, flux = (
        np.append(v, add)
        for v, add in zip(stars, ([80.0, 81.3], [80.0, 80.4], [2e4, 1e4]), strict=True)
    )
    catalogue = listed(x, y, flux / TIME)
    faded = flux.copy()
    faded[-1] = 0.0
    before, after = [], []
    for seed in range(10, 14):
        for series, light in ((before, flux), (after, faded)):
            sources = of_list(measure_listed(frame(narrow_psf, x, y, light, seed), catalogue))
            series.append(sources.flux[sources.object_id == x.size - 1][0] * TIME)
    assert np.mean(after) == pytest.approx(2e4, rel=0.03)
    assert np.mean(before) == pytest.approx(2e4, rel=0.03)


def test_extras_are_found_and_touch_nobody(stars, narrow_psf):
    x, y, flux = stars
    catalogue = listed(x, y, flux / TIME)
    grid = np.stack(np.meshgrid(np.arange(20.0, 140.0, 2.0), np.arange(20.0, 140.0, 2.0)))
    grid = grid.reshape(2, -1)
    lonely = np.min(np.hypot(grid[0][:, None] - x, grid[1][:, None] - y), axis=1)
    at = grid[:, np.argmax(lonely)]
    new = frame(narrow_psf, np.append(x, at[0]), np.append(y, at[1]), np.append(flux, 8e3), 20)
    found = measure_listed(new, catalogue)
    extras = found.sources.select(found.sources.object_id == 0)
    near = np.hypot(extras.x - at[0], extras.y - at[1]) < 0.3
    assert near.sum() == 1
    assert extras.flux[near][0] * TIME == pytest.approx(8e3, rel=0.15)
    without = measure_listed(new, catalogue, settings=MeasureSettings(extras_snr=0.0))
    assert np.all(without.sources.object_id > 0)
    np.testing.assert_array_equal(without.sources.flux, of_list(found).flux)


def test_masked_and_saturated_stars_are_flagged(stars, narrow_psf):
    x, y, flux = (
        np.append(v, add)
        for v, add in zip(stars, ([50.0, 110.0], [60.0, 90.0], [4e6, 5e4]), strict=True)
    )
    catalogue = listed(x, y, flux / TIME)
    bad = np.zeros((SIDE, SIDE), bool)
    bad[70:111, 90:131] = True
    sources = of_list(measure_listed(frame(narrow_psf, x, y, flux, 21, bad=bad), catalogue))
    full, hidden = (sources.object_id == x.size - 1), (sources.object_id == x.size)
    assert sources.flags[full][0] & Flag.SATURATED
    assert sources.flux[full][0] * TIME == pytest.approx(4e6, rel=0.05)
    assert sources.flags[hidden][0] & Flag.MASKED
    assert np.isnan(sources.flux[hidden][0])
    assert np.isnan(sources.flux_err[hidden][0])


def test_another_field_is_refused(stars, narrow_psf):
    catalogue = listed(stars[1][::-1], stars[0], stars[2] / TIME)
    with pytest.raises(FrameError) as caught:
        measure_listed(frame(narrow_psf, *stars, 22), catalogue)
    assert caught.value.reason == "not_registered"


def test_a_frame_without_a_wcs_is_placed_by_its_pattern(stars, narrow_psf):
    catalogue = listed(stars[0], stars[1], stars[2] / TIME)
    image, _, _ = expose(narrow_psf, *stars, 23, shift=(5.0, 7.0))
    found = measure_listed(frame_from_array(image, HEADER, psf=narrow_psf), catalogue)
    assert found.registration is not None
    sources = of_list(found)
    number = sources.object_id - 1
    bright = stars[2][number] > 2e4
    assert np.median(np.abs(sources.x - stars[0][number] - 5.0)[bright]) < 0.02


def test_the_number_of_threads_changes_nothing(stars, narrow_psf):
    catalogue = listed(stars[0], stars[1], stars[2] / TIME)
    one, two = (
        measure_listed(
            frame(narrow_psf, *stars, 24), catalogue, settings=MeasureSettings(threads=threads)
        )
        for threads in (1, 2)
    )
    assert one.sources.flux.tobytes() == two.sources.flux.tobytes()
    assert one.sources.x_err.tobytes() == two.sources.x_err.tobytes()


def test_a_list_with_holes_or_without_stars_is_no_reason_to_fail(stars, narrow_psf):
    catalogue = listed(stars[0], stars[1], stars[2] / TIME)
    unknown = np.arange(400) % 7 == 0
    holes = replace(
        catalogue.stars,
        flux=np.where(unknown, np.nan, catalogue.stars.flux),
        ra=np.where(np.arange(400) % 11 == 0, np.nan, catalogue.stars.ra),
    )
    seen = frame(narrow_psf, *stars, 25)
    sources = of_list(measure_listed(seen, replace(catalogue, stars=holes)))
    assert not set(sources.object_id) & set(catalogue.stars.object_id[unknown])
    assert np.isfinite(sources.flux).all()
    nothing = measure_listed(
        seen, replace(catalogue, stars=catalogue.stars.select(unknown & False))
    )
    assert np.all(nothing.sources.object_id == 0)
    assert np.isnan(nothing.zero_point_err)


def test_a_frame_that_is_mostly_masked_still_has_a_sky_and_a_place(stars, narrow_psf):
    bad = np.zeros((SIDE, SIDE), bool)
    bad[:, 40:] = True
    catalogue = listed(stars[0], stars[1], stars[2] / TIME)
    found = measure_listed(frame(narrow_psf, *stars, 26, bad=bad), catalogue)
    sources = of_list(found)
    assert found.zero_point == pytest.approx(ZERO_POINT, abs=0.02)
    assert np.isnan(sources.flux[sources.x > 60.0]).all()
    assert np.isfinite(sources.flux[sources.x < 35.0]).all()


def test_a_saturated_star_that_is_listed_wrong_spoils_nobody(stars, narrow_psf):
    x, y, flux = with_stars(stars, [80.0], [85.0], [4e6])
    wrong = flux.copy()
    wrong[-1] /= 3.0
    found = measure_listed(
        frame(narrow_psf, x, y, flux, 27), listed(x + 0.2 * (flux > 3e6), y, wrong / TIME)
    )
    sources = of_list(found)
    truth = flux[sources.object_id - 1] / TIME
    full = sources.object_id == x.size
    assert sources.flux[full][0] == pytest.approx(truth[full][0], rel=0.1)
    apart = np.hypot(sources.x - 80.0, sources.y - 85.0)
    around = (apart > 8.0) & (apart < 40.0)
    pull = (sources.flux - truth)[around] / sources.flux_err[around]
    assert np.std(pull) < 1.6
