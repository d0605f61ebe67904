"""Lists of small fields against the truth."""

from dataclasses import replace

import numpy as np
import pytest

from csstream.imaging.errors import FrameError
from csstream.imaging.finding.classical import ClassicalStrategy
from csstream.imaging.frames.flags import Flag
from csstream.imaging.frames.frame import frame_from_array
from csstream.imaging.matching import match_pixels
from csstream.imaging.measure import measure_frame
from csstream.imaging.reference.build import build_reference

SIDE = 140
EXPOSURE = 100.0


@pytest.fixture(scope="module")
def reference(frames):
    return build_reference(frames, ClassicalStrategy())


def inside(x, y, margin=4.0):
    return (x > margin) & (y > margin) & (x < SIDE - margin) & (y < SIDE - margin)


def test_the_list_is_deeper_than_a_frame(reference, frames, sky):
    x, y = sky.on(reference.wcs)
    faint = inside(x, y) & (sky.flux < 800.0)
    listed = reference.stars
    _, found, _ = match_pixels(listed.x, listed.y, x, y, 0.5)
    single = measure_frame(frames[0], ClassicalStrategy()).sources
    _, seen, _ = match_pixels(single.x, single.y, sky.x, sky.y, 0.5)
    deep = np.isin(np.flatnonzero(faint), found).mean()
    shallow = np.isin(np.flatnonzero(faint), seen).mean()
    assert deep > 0.8
    assert deep > shallow + 0.2


def test_the_list_is_pure_and_right(reference, sky):
    x, y = sky.on(reference.wcs)
    s = reference.stars
    own = inside(s.x, s.y)
    i, j, apart = match_pixels(s.x, s.y, x, y, 0.5)
    assert np.isin(np.flatnonzero(own), i).mean() > 0.98
    bright = own[i] & (sky.flux[j] > 2e3) & (s.flags[i] == 0)
    assert np.median(apart[bright]) < 0.02
    ratio = s.flux[i][bright] * EXPOSURE / sky.flux[j][bright]
    assert 1.4826 * np.median(np.abs(ratio / np.median(ratio) - 1.0)) < 0.015
    pull = (s.x[i] - x[j])[own[i]] / s.position_err[i][own[i]]
    assert 0.7 < 1.4826 * np.median(np.abs(pull)) < 1.4


def test_no_cosmic_ray_is_listed(sky):
    """One star-like hit on empty sky in one frame of six."""
    place = (52.3, 61.6)
    hit = sky_with(sky, *place, 2e4)
    frames = [sky.expose(k, (0.5 * k, -0.3 * k)) for k in range(5)] + [hit.expose(5)]
    found = build_reference(frames, ClassicalStrategy())
    x, y = replace(sky, x=np.array([place[0]]), y=np.array([place[1]])).on(found.wcs)
    nearest = np.hypot(found.stars.x - x, found.stars.y - y).min()
    assert nearest > 0.5
    alone = build_reference([hit.expose(5)], ClassicalStrategy())
    assert np.hypot(alone.stars.x - place[0], alone.stars.y - place[1]).min() < 0.3


def test_a_hit_on_a_faint_star_does_not_make_it_brighter(sky):
    """It looks like a star, so nothing masks it; one frame of six has it.

    The stack's mean would have a sixth of it, 500 electrons; the flux may be off by its error.
    """
    place, flux = (52.3, 61.6), 1200.0
    calm, hit = sky_with(sky, *place, flux), sky_with(sky, *place, flux + 3e3)
    shifts = [(0.5 * k, -0.3 * k) for k in range(6)]
    frames = [(calm if k < 5 else hit).expose(k, shifts[k]) for k in range(6)]
    found = build_reference(frames, ClassicalStrategy())
    x, y = replace(sky, x=np.array([place[0]]), y=np.array([place[1]])).on(found.wcs)
    row = np.argmin(np.hypot(found.stars.x - x, found.stars.y - y))
    assert np.hypot(found.stars.x - x, found.stars.y - y)[row] < 0.3
    off = found.stars.flux[row] * EXPOSURE - flux
    assert abs(off) < 3.5 * found.stars.flux_err[row] * EXPOSURE
    assert found.stars.flux_err[row] * EXPOSURE < 60.0


def sky_with(sky, x, y, flux):
    """The sky with one star more."""
    columns = {"x": x, "y": y, "flux": flux}
    return replace(sky, **{name: np.append(getattr(sky, name), v) for name, v in columns.items()})


def shifts_of(frames):
    """By how much each frame's pixels are shifted, (dx, dy)."""
    return [tuple(frame.wcs.wcs.crpix - 0.5 * (SIDE + 1)) for frame in frames]


def test_what_only_some_frames_show_is_listed(reference, frames, sky):
    """Dithered frames reach beyond each other's edge; S/N 20, so that each frame finds it."""
    on = np.array([inside(sky.x + dx, sky.y + dy, 1.0) for dx, dy in shifts_of(frames)])
    some = on.any(axis=0) & ~on.all(axis=0) & (sky.flux > 1200.0)
    x, y = sky.on(reference.wcs)
    listed = reference.stars
    found, _, _ = match_pixels(x[some], y[some], listed.x, listed.y, 0.5)
    assert np.count_nonzero(some) > 5
    assert found.size >= 0.8 * np.count_nonzero(some)  # blends apart


def test_a_star_that_no_frame_shows_is_listed_by_its_wings(sky):
    """How far it is the wings do not tell well, and so not how bright: what they shed is told."""
    place = (SIDE + 4.0, 60.0)  # 4.5 pixels beyond the undithered edge
    bright = sky_with(sky, *place, 3e5)
    shifts = [(0.0, 0.0), (1.6, -0.4), (-0.7, 2.2), (2.5, 0.6)]
    frames = [bright.expose(k, shift) for k, shift in enumerate(shifts)]
    found = build_reference(frames, ClassicalStrategy())
    x, y = replace(sky, x=np.array(place[:1]), y=np.array(place[1:])).on(found.wcs)
    s = found.stars
    row = np.argmin(np.where(s.n_frames == 0, np.hypot(s.x - x, s.y - y), np.inf))
    assert np.hypot(s.x - x, s.y - y)[row] < 3.0
    edge = SIDE - 1.0 + x - place[0]  # of the frame that is not dithered, on the plane
    for depth in (0.0, 2.0, 4.0):
        shed = s.flux[row] * EXPOSURE * sky.psf.evaluate(edge - depth - s.x[row], y - s.y[row])
        assert 0.5 < shed[0] / (3e5 * sky.psf.evaluate(edge - depth - x, 0.0)[0]) < 2.0


def test_the_same_frames_give_the_same_list(reference, frames):
    first, again = (build_reference(frames[:2], ClassicalStrategy()) for _ in range(2))
    assert again.version == first.version
    assert first.version != reference.version
    assert (first.frames, reference.frames) == (2, 8)


def test_calibrators_are_bright_clean_and_steady(reference, sky):
    s = reference.stars
    assert np.count_nonzero(s.calibrator) > 10
    assert s.neighbour_share[s.calibrator].max() < 0.05
    assert np.all(s.flags[s.calibrator] & int(Flag.SATURATED) == 0)
    assert np.median(s.flux[s.calibrator]) > 2 * np.median(s.flux)


def test_a_variable_is_no_calibrator(sky):
    star = int(np.argmax(np.where(inside(sky.x, sky.y, 20.0), sky.flux, 0.0)))
    frames = []
    for k in range(4):
        flux = sky.flux.copy()
        flux[star] *= 1.0 + 0.2 * (k % 2)
        frames.append(replace(sky, flux=flux).expose(k))
    found = build_reference(frames, ClassicalStrategy()).stars
    row = np.argmin(np.hypot(found.x - sky.x[star], found.y - sky.y[star]))
    assert not found.calibrator[row]
    assert found.calibrator.sum() > 10


def test_older_ids_are_kept(reference, frames):
    found = build_reference(frames[:4], ClassicalStrategy(), previous=reference)
    old, new = reference.stars, found.stars
    i, j, _ = match_pixels(old.x, old.y, new.x, new.y, 0.3)
    assert np.all(old.object_id[i] == new.object_id[j])
    fresh = np.setdiff1d(new.object_id, old.object_id)
    highest = dict(reference.used.tolist())
    assert all((each & 0xFFFFF) > highest.get(each >> 20, 0) for each in fresh.tolist())


def test_frames_without_wcs_are_registered(sky):
    frames = [sky.expose(k, shift, wcs=False) for k, shift in enumerate([(0, 0), (7.3, -4.6)])]
    s = build_reference(frames, ClassicalStrategy()).stars
    i, _, apart = match_pixels(s.x, s.y, sky.x, sky.y, 0.5)
    if i.size < 0.5 * len(s):  # the second frame was the better one: its pixels are the plane's
        i, _, apart = match_pixels(s.x, s.y, sky.x + 7.3, sky.y - 4.6, 0.5)
    strong = s.flux[i] > 50 * s.flux_err[i]
    assert strong.sum() > 10
    assert np.median(apart[strong]) < 0.04


def test_bad_frames_are_named_and_left_out(frames, sky):
    blind = frame_from_array(np.full((SIDE, SIDE), np.nan), frames[0].header)
    other = replace(frames[1], header=replace(frames[1].header, band="g"))
    said = []
    found = build_reference(
        [frames[0], blind, other, frames[2]], ClassicalStrategy(), skip=said.append
    )
    assert found.frames == 2
    assert [text.split()[1] for text in said] == ["2", "3"]
    assert "no_pixels" in said[0]
    assert "other_band" in said[1]


@pytest.mark.parametrize("count", [0, 2])
def test_no_good_frame_is_an_error(frames, count):
    blind = frame_from_array(np.full((SIDE, SIDE), np.nan), frames[0].header)
    with pytest.raises(FrameError, match=f"none of the {count} frames") as caught:
        build_reference([blind] * count, ClassicalStrategy())
    assert caught.value.reason == "no_frames"


def test_progress_reaches_its_end(frames):
    seen = []
    build_reference(frames[:2], ClassicalStrategy(), progress=lambda *each: seen.append(each))
    assert seen == [(0, 2), (1, 2), (2, 2)]
