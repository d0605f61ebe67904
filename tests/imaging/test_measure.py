"""From a frame to its catalogue: flags, cosmic rays, PSF, strategies, whole measurements."""

from dataclasses import replace

import numpy as np
import pytest

from csstream.imaging.errors import FrameError
from csstream.imaging.finding.candidates import Candidates
from csstream.imaging.finding.classical import ClassicalStrategy, extract
from csstream.imaging.finding.strategies import NoWeightsError, choose_strategy
from csstream.imaging.fit.joint_fit import joint_fit
from csstream.imaging.fit.residual_search import search_residual
from csstream.imaging.frames.cosmic_rays import find_cosmic_rays, sharpness_limits
from csstream.imaging.frames.flags import UNRELIABLE, Flag, describe
from csstream.imaging.frames.frame import blank_header, frame_from_array
from csstream.imaging.matching import match_pixels
from csstream.imaging.measure import MeasureSettings, measure_frame
from csstream.imaging.psf.profiles import moffat_psf
from csstream.imaging.psf_fit.estimate import estimate_psf
from csstream.imaging.source_table import SourceTable, magnitudes


def header(shape, **options):
    defaults = {"read_noise": 5.0, "saturation": 9e4, "exposure_time": 100.0}
    return blank_header(shape=shape, **(defaults | options))


def frame_of(image, psf=None, **options):
    return frame_from_array(image, header(image.shape, **options), psf=psf)


@pytest.fixture(scope="module")
def sky(make_sky):
    return make_sky(11, side=220, density=0.006, minimal_distance=4.0)


@pytest.fixture(scope="module")
def measured(sky, narrow_psf):
    return measure_frame(pointed(sky[0], psf=narrow_psf), ClassicalStrategy())


def pointed(image, psf=None, **options):
    frame = frame_of(image, psf, **options)
    return replace(frame, header=replace(frame.header, pointing=(80.0, -60.0)))


def truth_inside(sky, margin=6):
    image, x, y, flux = sky
    ny, nx = image.shape
    keep = (x > margin) & (y > margin) & (x < nx - margin) & (y < ny - margin)
    return x[keep], y[keep], flux[keep]


def test_each_flag_is_one_bit_of_its_own():
    values = [int(flag) for flag in Flag]
    assert len(set(values)) == len(values)
    assert all(value & (value - 1) == 0 for value in values)
    assert sum(values) < 2**31
    spoiled = Flag.MASKED | Flag.SATURATED | Flag.COSMIC_RAY
    assert spoiled & UNRELIABLE == spoiled


def test_flags_are_described_by_name():
    assert describe(Flag.SATURATED | Flag.EDGE) == "saturated,edge"
    assert describe(0) == ""


def test_a_moderate_field_is_found_and_measured(sky, measured):
    x, y, flux = truth_inside(sky)
    sources = measured.sources
    bright = flux > 5e3
    i, j, _ = match_pixels(x, y, sources.x, sources.y, 0.5)
    assert np.isin(np.flatnonzero(bright), i).mean() > 0.97
    ratio = sources.flux[j] * 100.0 / flux[i]
    assert np.median(ratio) == pytest.approx(1.0, abs=0.01)
    pull = (sources.flux[j] * 100.0 - flux[i]) / (sources.flux_err[j] * 100.0)
    assert 1.4826 * np.median(np.abs(pull)) < 1.3
    mx, my, _ = truth_inside(sky, -20)
    found, *_ = match_pixels(sources.x, sources.y, mx, my, 1.0)
    assert found.size > 0.97 * len(sources)


def test_a_measurement_says_how_it_was_made(measured):
    assert measured.psf_method == "extension"
    assert measured.fwhm == pytest.approx(2.1, abs=0.2)
    assert measured.background == pytest.approx(2.0, abs=0.05)
    assert set(measured.timings) >= {"background", "psf", "detect", "fit", "astrometry"}
    assert measured.depth == pytest.approx(25.0 - 2.5 * np.log10(5.5), abs=0.6)


def test_sources_are_ordered_by_flux_and_know_their_sky(measured):
    sources = measured.sources
    assert np.all(np.diff(sources.flux) <= 0)
    assert np.all(np.isfinite(sources.ra))
    assert np.median(sources.ra) == pytest.approx(80.0, abs=0.1)
    np.testing.assert_allclose(sources.mag, 25.0 - 2.5 * np.log10(sources.flux))


def test_two_measurements_give_the_same_bytes(sky, narrow_psf, measured):
    again = measure_frame(pointed(sky[0], psf=narrow_psf), ClassicalStrategy())
    for name in ("x", "y", "flux", "flux_err", "ra", "flags"):
        assert getattr(again.sources, name).tobytes() == getattr(measured.sources, name).tobytes()


def test_a_second_frame_is_registered_and_tied(make_sky, narrow_psf, measured, sky):
    rng = np.random.default_rng(5)
    image = np.full((220, 220), 300.0)
    narrow_psf.render(image, sky[1] - 30.4, sky[2] + 20.2, 0.7 * sky[3], 40)
    frame = pointed(rng.poisson(image).astype(np.float32), psf=narrow_psf)
    second = measure_frame(frame, ClassicalStrategy(), reference=measured.as_reference())
    assert second.registration is not None
    np.testing.assert_allclose(second.registration.shift, [30.4, -20.2], atol=0.05)
    assert second.zero_point - measured.zero_point == pytest.approx(2.5 * np.log10(0.7), abs=0.01)
    assert 0 < second.zero_point_err < 0.01
    i, j, _ = match_pixels(
        *second.registration.apply(second.sources.x, second.sources.y),
        measured.sources.x,
        measured.sources.y,
        0.5,
    )
    off = np.hypot(
        (second.sources.ra[i] - measured.sources.ra[j]) * np.cos(np.radians(60)),
        second.sources.dec[i] - measured.sources.dec[j],
    )
    assert np.median(off) * 3600 < 0.2


def test_saturated_stars_are_flagged(make_sky, narrow_psf):
    image = np.full((80, 80), 200.0)
    narrow_psf.render(image, [40.3], [39.8], [2e6], 40)
    image = np.minimum(np.random.default_rng(1).poisson(image), 90_000).astype(np.float32)
    found = measure_frame(pointed(image, psf=narrow_psf), ClassicalStrategy())
    brightest = found.sources.select(np.array([0]))
    assert brightest.flags[0] & Flag.SATURATED
    assert found.saturated >= 1
    assert brightest.flux[0] * 100 == pytest.approx(2e6, rel=0.05)


def test_stars_at_the_edge_and_close_ones_are_flagged(narrow_psf):
    image = np.full((90, 90), 200.0)
    narrow_psf.render(image, [0.4, 45.0, 46.8, 70.0], [40.0, 45.0, 45.0, 20.0], [5e4] * 4, 40)
    image = np.random.default_rng(1).poisson(image).astype(np.float32)
    sources = measure_frame(pointed(image, psf=narrow_psf), ClassicalStrategy()).sources
    at_edge = np.argmin(np.abs(sources.x - 0.4))
    pair = np.argmin(np.hypot(sources.x - 45.0, sources.y - 45.0))
    alone = np.argmin(np.hypot(sources.x - 70.0, sources.y - 20.0))
    assert sources.flags[at_edge] & Flag.EDGE
    assert sources.flags[pair] & Flag.CROWDED
    assert sources.flags[alone] == 0


@pytest.mark.parametrize("value", [0.0, 500.0])
def test_a_constant_frame_has_no_stars(narrow_psf, value):
    image = np.full((64, 64), value, np.float32)
    found = measure_frame(pointed(image, psf=narrow_psf), ClassicalStrategy())
    assert len(found.sources) == 0
    assert np.isnan(found.depth)


def test_noise_alone_gives_hardly_a_star(narrow_psf):
    image = np.random.default_rng(3).poisson(np.full((200, 200), 200.0)).astype(np.float32)
    found = measure_frame(pointed(image, psf=narrow_psf), ClassicalStrategy())
    assert len(found.sources) <= 2


def test_a_wholly_masked_frame_is_refused(narrow_psf):
    with pytest.raises(FrameError) as caught:
        measure_frame(pointed(np.full((64, 64), np.nan), psf=narrow_psf), ClassicalStrategy())
    assert caught.value.reason == "no_pixels"


def test_without_psf_and_stars_there_is_no_measurement():
    image = np.random.default_rng(3).poisson(np.full((64, 64), 200.0)).astype(np.float32)
    with pytest.raises(FrameError) as caught:
        measure_frame(pointed(image), ClassicalStrategy())
    assert caught.value.reason == "no_psf"


def test_the_nominal_psf_serves_where_stars_are_too_few(narrow_psf):
    image = np.full((64, 64), 200.0)
    narrow_psf.render(image, [32.0], [32.0], [5e4], 40)
    image = np.random.default_rng(3).poisson(image).astype(np.float32)
    found = measure_frame(pointed(image), ClassicalStrategy(), nominal_psf=narrow_psf)
    assert found.psf_method == "nominal"
    assert len(found.sources) == 1


def test_a_frame_without_place_is_refused(sky, narrow_psf):
    with pytest.raises(FrameError, match="RA"):
        measure_frame(frame_of(sky[0], narrow_psf), ClassicalStrategy())


@pytest.mark.parametrize("fwhm", [1.8, 4.5])
def test_psf_is_estimated_from_the_frame(make_sky, fwhm):
    true = moffat_psf(fwhm, 3.0, 4, 60)
    image, *_ = make_sky(21, side=260, density=0.003, psf=true, flux=(1e4, 6e5))
    estimate = estimate_psf(frame_of(image, saturation=1e6), None)
    assert estimate is not None
    assert estimate.method == "empirical"
    assert estimate.psf.fwhm == pytest.approx(true.fwhm, rel=0.03)
    grid = np.linspace(-fwhm, fwhm, 9)
    dx, dy = np.meshgrid(grid, grid)
    difference = estimate.psf.central.evaluate(dx, dy) - true.evaluate(dx, dy)
    assert np.max(np.abs(difference)) < 0.05 * true.evaluate(0.0, 0.0)


def test_every_sum_of_stars_keeps_the_sharpness_limit(make_sky, narrow_psf):
    image, *_ = make_sky(31, side=300, density=0.03, flux=(1e3, 1e6))
    sky = np.full(image.shape, 200.0, np.float32)
    hits, _ = find_cosmic_rays(image, np.zeros(image.shape, bool), sky, narrow_psf, 5.0, 15.0)
    assert hits.sum() <= 2
    assert np.all(sharpness_limits(narrow_psf) > 0.1)


def test_hits_and_tracks_are_found_and_filled(make_sky, narrow_psf):
    image, *_ = make_sky(32, side=200, density=0.005)
    struck = image.copy()
    rng = np.random.default_rng(1)
    rows, columns = rng.integers(5, 195, (2, 60))
    struck[rows, columns] += 4000.0
    struck[100, 20:40] += 3000.0
    sky = np.full(image.shape, 200.0, np.float32)
    hits, filled = find_cosmic_rays(struck, np.zeros(image.shape, bool), sky, narrow_psf, 5.0, 15.0)
    assert hits[rows, columns].mean() > 0.9
    assert hits[100, 20:40].mean() > 0.9
    assert hits.sum() < 150
    assert np.median(np.abs(filled - image)[hits]) < 100.0


def test_hits_give_no_unflagged_source(sky, narrow_psf, measured):
    struck = sky[0].copy()
    rng = np.random.default_rng(2)
    rows, columns = rng.integers(5, 215, (2, 40))
    struck[rows, columns] += rng.uniform(2000, 20000, 40)
    found = measure_frame(pointed(struck, psf=narrow_psf), ClassicalStrategy())
    sources = found.sources
    new, _, _ = match_pixels(sources.x, sources.y, measured.sources.x, measured.sources.y, 1.5)
    extra = np.setdiff1d(np.arange(len(sources)), new)
    clean = sources.flags[extra] & int(UNRELIABLE) == 0
    assert clean.sum() <= 3


def test_the_residual_shows_a_hidden_star(narrow_psf):
    image = np.full((80, 80), 200.0)
    narrow_psf.render(image, [40.0, 43.0], [40.0, 40.5], [1e5, 1e4], 40)
    image = np.random.default_rng(4).poisson(image).astype(np.float32)
    fit = joint_fit(
        image, np.zeros(image.shape, bool), np.full(image.shape, 200, np.float32), narrow_psf,
        [40.0], [40.0], [1e5], read_noise=0.0,
    )  # fmt: skip
    found = search_residual(
        fit.residual, fit.weight, narrow_psf, (fit.x, fit.y), threshold=5.0, closest=1.2
    )
    assert len(found) >= 1
    best = np.argmax(found.flux)
    assert np.hypot(found.x[best] - 43.0, found.y[best] - 40.5) < 0.7


def test_an_empirical_psf_gives_the_same_light_at_every_pixel_phase(make_sky):
    image, *_ = make_sky(22, side=260, density=0.004, psf=moffat_psf(4.0, 3.0, 4, 60))
    estimate = estimate_psf(frame_of(image, saturation=1e6), None)
    assert estimate is not None
    assert estimate.method == "empirical"
    offset = np.arange(-estimate.psf.half_width, estimate.psf.half_width + 1)
    totals = []
    for phase in np.linspace(0.0, 0.9, 7):
        dx, dy = np.meshgrid(offset - phase, offset - 0.3 * phase)
        totals.append(estimate.psf.central.evaluate(dx, dy).sum())
    assert np.ptp(totals) < 2e-3


def test_classical_uses_the_papers_table(sky, narrow_psf):
    from csstream.imaging.frames.background import estimate_background

    frame = frame_of(sky[0], narrow_psf)
    background = estimate_background(frame.image, frame.mask)
    found = ClassicalStrategy().detect(frame, background, narrow_psf)
    x, y, flux = truth_inside(sky)
    i, _, _ = match_pixels(x, y, found.x, found.y, 1.0)
    assert np.isin(np.flatnonzero(flux > 5e3), i).mean() > 0.95
    assert np.all(found.probability == 1.0)
    assert np.all(found.flux > 0.0)


def test_extraction_without_noise_finds_nothing():
    empty = np.zeros((30, 30), np.float32)
    assert extract(empty, empty).size == 0


def test_columns_must_have_one_length():
    with pytest.raises(ValueError, match="length"):
        Candidates(np.zeros(2), np.zeros(2), np.zeros(3), np.zeros(2))
    columns = {name: np.zeros(2) for name in SourceTable.__dataclass_fields__}
    with pytest.raises(ValueError, match="length"):
        SourceTable(**(columns | {"x": np.zeros(3)}))


def test_magnitudes_of_what_is_not_positive_are_unknown():
    mag, err = magnitudes(np.array([100.0, 0.0, -1.0]), np.array([1.0, 1.0, 1.0]), 25.0)
    assert mag[0] == pytest.approx(20.0)
    assert err[0] == pytest.approx(0.01086, rel=1e-3)
    assert np.isnan(mag[1:]).all()
    assert np.isnan(err[1:]).all()


def test_unlikely_candidates_are_not_fitted(sky, narrow_psf):
    class Doubtful:
        name, model, provider, position_sigma, min_snr = "doubtful", "", "", 0.1, 3.0

        def detect(self, frame, background, psf):
            found = ClassicalStrategy().detect(frame, background, psf)
            return Candidates(found.x, found.y, found.flux, np.full(len(found), 0.01))

    settings = MeasureSettings(second_look_snr=0.0)
    found = measure_frame(pointed(sky[0], psf=narrow_psf), Doubtful(), settings=settings)
    assert len(found.sources) == 0


def test_strategy_is_chosen_by_what_the_instrument_has(ogle):
    strategy, message = choose_strategy(ogle)
    assert strategy.name == "classical"
    assert "ogle4-i" in message
    assert choose_strategy(ogle, "classical") == (ClassicalStrategy(), "")
    with pytest.raises(NoWeightsError, match="ogle4-i"):
        choose_strategy(ogle, "pnet")
