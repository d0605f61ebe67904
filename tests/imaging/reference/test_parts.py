"""The steps by themselves: association, averages, the stack, neighbours, the plane."""

from dataclasses import replace

import numpy as np
import pytest

from csstream.imaging.errors import FrameError
from csstream.imaging.finding.classical import ClassicalStrategy
from csstream.imaging.measure import measure_frame
from csstream.imaging.measure_settings import MeasureSettings
from csstream.imaging.psf.profiles import moffat_psf
from csstream.imaging.reference.association import Finds, StarList, average
from csstream.imaging.reference.frames_measured import measure_all
from csstream.imaging.reference.neighbours import overlap_profile, strongest_neighbour
from csstream.imaging.reference.plane import FrameMap, Points, aligned, reference_plane
from csstream.imaging.reference.stack import Stacker


def test_finds_of_one_star_meet():
    rng = np.random.default_rng(2)
    x, y = np.arange(0.0, 200.0, 5.0), np.full(40, 7.0)
    stars = StarList()
    for _ in range(9):
        order = rng.permutation(40)
        dx, dy = rng.normal(0.0, 0.05, (2, 40))
        star = stars.take((x + dx)[order], (y + dy)[order], np.full(40, 0.05), np.ones(40), 0.5)
        assert np.array_equal(np.sort(star), np.arange(40))
    assert stars.x.size == 40
    assert np.std(np.sort(stars.x) - x) == pytest.approx(0.05 / 3.0, rel=0.3)


def finds(star, flux, flux_err):
    count = len(star)
    zero = np.zeros(count)
    return Finds(
        star=np.array(star), frame=np.arange(count), x=zero, y=zero, error=zero + 0.1,
        flux=np.array(flux, float), flux_err=np.array(flux_err, float),
        flags=np.zeros(count, np.int32),
    )  # fmt: skip


def test_one_bad_value_of_three_does_not_count():
    mean = average(finds([0, 0, 0], [10.0, 10.2, 90.0], [0.1, 0.1, 0.1]), 1)
    assert mean.flux[0] == pytest.approx(10.1, abs=0.01)
    assert mean.flux_err[0] == pytest.approx(0.1 / np.sqrt(2), rel=0.1)
    assert mean.chi2[0] > 1000.0


def test_averages_of_noise_have_chi2_one():
    rng = np.random.default_rng(4)
    star = np.repeat(np.arange(500), 10)
    mean = average(finds(star, rng.normal(100.0, 5.0, 5000), np.full(5000, 5.0)), 500)
    assert np.mean(mean.chi2) == pytest.approx(1.0, abs=0.06)
    assert np.std(mean.flux) == pytest.approx(5.0 / np.sqrt(10), rel=0.1)
    assert np.all(mean.frames == 10)
    assert mean.single_err == pytest.approx(5.0, rel=0.01)


def test_a_star_of_one_frame_has_no_chi2():
    assert np.isnan(average(finds([0], [10.0], [1.0]), 1).chi2[0])


def test_the_plane_takes_up_shift_and_rotation(frames):
    plane = reference_plane(frames[0].wcs, frames[0].shape)
    rng = np.random.default_rng(6)
    x, y = rng.uniform(0.0, 140.0, (2, 60))
    turn = 4e-4
    u = 0.4 + x - turn * y
    v = -0.3 + y + turn * x
    found = aligned(FrameMap(frames[0].wcs, plane), Points(x, y, u), Points(u, v, u))
    px, py = found.to_plane(x, y)
    assert max(np.abs(px - u).max(), np.abs(py - v).max()) < 1e-5
    back_x, back_y = found.to_frame(px, py)
    assert max(np.abs(back_x - x).max(), np.abs(back_y - y).max()) < 1e-5


def test_a_wcs_that_is_off_by_many_pixels_is_corrected(frames):
    plane = reference_plane(frames[0].wcs, frames[0].shape)
    rng = np.random.default_rng(8)
    x, y = rng.uniform(0.0, 140.0, (2, 60))
    light = rng.uniform(1.0, 9.0, 60)
    found = aligned(
        FrameMap(frames[0].wcs, plane), Points(x, y, light), Points(x + 31.0, y - 8.5, light)
    )
    px, py = found.to_plane(x, y)
    assert max(np.abs(px - x - 31.0).max(), np.abs(py - y + 8.5).max()) < 1e-5


def test_another_field_is_not_registered(frames):
    plane = reference_plane(frames[0].wcs, frames[0].shape)
    rng = np.random.default_rng(9)
    one, two = (Points(*rng.uniform(0.0, 140.0, (2, 40)), np.arange(40.0)) for _ in range(2))
    with pytest.raises(FrameError) as caught:
        aligned(FrameMap(frames[0].wcs, plane), one, two)
    assert caught.value.reason == "not_registered"


def stack_of(frames, skip_noise=None):
    settings = MeasureSettings()
    looks = measure_all(
        frames, ClassicalStrategy(), nominal_psf=None, settings=settings,
        progress=lambda done, total: None, skip=lambda text: None,
    )  # fmt: skip
    plane = reference_plane(frames[0].wcs, frames[0].shape)
    stacker = Stacker((-4, -4), (148, 148), looks[0].measured.zero_point)
    for frame, look in zip(frames, looks, strict=True):
        stacker.add(frame, look, FrameMap(frame.wcs, plane), 1.0, settings)
    return stacker.finish(0.3)


def test_the_stacks_psf_is_the_one_that_its_stars_have(sky):
    """Without noise the stack is sky plus stars with the PSF that it says."""
    shifts = [(0.0, 0.0), (1.3, -0.4), (-0.6, 2.2), (0.45, 0.45)]
    frames = [sky.expose(k, shift, noise=False) for k, shift in enumerate(shifts)]
    stack = stack_of(frames)
    model = np.zeros(stack.frame.shape)
    flux = sky.flux * stack.frame.exposure_time / 100.0
    stack.frame.psf.render(model, sky.x + 4, sky.y + 4, flux, 38)
    inner = np.s_[12:-12, 12:-12]
    left = (stack.frame.image - model)[inner]
    level = np.median(left)
    assert np.abs(left - level).max() < 0.01 * model[inner].max()
    assert 1.4826 * np.median(np.abs(left - level)) < 0.02 * level


def test_frames_whose_psf_tables_differ_share_one_psf(sky):
    """In varied seeing every frame's own table has its size: none may be forgotten."""
    wide = replace(sky, psf=moffat_psf(4.2, 3.0, 2, 50))
    stack = stack_of([sky.expose(0, noise=False), wide.expose(1, (1.3, -0.4), noise=False)])
    model = np.zeros(stack.frame.shape)
    flux = sky.flux * stack.frame.exposure_time / 100.0
    stack.frame.psf.render(model, sky.x + 4, sky.y + 4, flux, 38)
    inner = np.s_[12:-12, 12:-12]
    left = (stack.frame.image - model)[inner]
    assert np.abs(left - np.median(left)).max() < 0.03 * model[inner].max()


def test_the_stacks_noise_is_poissons(frames):
    """The variance of empty sky is what level and read noise of the stack say."""
    stack = stack_of(frames)
    assert stack.effective == pytest.approx(8.0, rel=0.05)
    measured = measure_frame(stack.frame, ClassicalStrategy())
    empty = stack.frame.image[20:-20, 20:-20]
    said = np.sqrt(measured.background * stack.frame.exposure_time + stack.frame.read_noise**2)
    low = np.percentile(empty, [2.3, 50.0])
    assert (low[1] - low[0]) / 2.0 == pytest.approx(said, rel=0.25)


def test_pixels_that_no_frame_shows_are_masked(frames):
    stack = stack_of(frames[:2])
    assert stack.frame.mask[0, 0]
    assert not stack.frame.mask[70, 70]
    assert stack.seen.max() == 2


def test_the_strongest_neighbour_is_found():
    psf = moffat_psf(2.0, 3.0, 4, 40)
    x, y = np.array([50.0, 52.0, 50.0, 90.0]), np.array([50.0, 50.0, 53.0, 90.0])
    flux = np.array([10.0, 10.0, 400.0, 1.0])
    index, share = strongest_neighbour(x, y, flux, psf)
    assert index.tolist() == [2, 2, 0, -1]
    distance, overlap = overlap_profile(psf)
    assert share[0] == pytest.approx(40.0 * np.interp(3.0, distance, overlap))
    assert share[3] == 0.0


def test_the_overlap_is_that_of_two_stars():
    """The light of a star seen by a fit of another one, from rendered pixels."""
    psf = moffat_psf(2.0, 3.0, 4, 40)
    one, two = np.zeros((2, 81, 81))
    psf.render(one, 40.0, 40.0, 1.0, 38)
    psf.render(two, 42.5, 40.0, 1.0, 38)
    distance, overlap = overlap_profile(psf)
    seen = np.sum(one * two) / np.sum(one * one)
    assert np.interp(2.5, distance, overlap) == pytest.approx(seen, rel=0.03)
