"""The batched box search against astropy and against its own single-star form."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from astropy.timeseries import BoxLeastSquares

from csstream.timeseries.box_search import (
    WIDTHS,
    best_box,
    box_panel,
    duration_boxes,
    fraction_boxes,
)


def _dip(time, period, t0, duration, depth):
    phase = (time - t0) / period - np.floor((time - t0) / period + 0.5)
    return -depth * (np.abs(phase) * period < 0.5 * duration)


def test_peak_agrees_with_astropy(rng):
    time = np.sort(rng.uniform(-5, 5, 600))
    flux = _dip(time, 1.37, 0.3, 0.08, 0.02) + rng.normal(0, 0.006, 600)
    weight = np.full((1, 600), 0.006**-2.0)
    frequencies = np.linspace(0.4, 2.0, 2000)
    ours = box_panel(time, flux[None], weight, frequencies)[0]
    model = BoxLeastSquares(time, flux, dy=0.006)
    theirs = model.power(1 / frequencies, 0.08, oversample=10, objective="snr")
    ours_at, theirs_at = frequencies[ours.argmax()], frequencies[np.argmax(theirs.depth_snr)]
    assert abs(ours_at - theirs_at) < 0.3 * 0.08 / 1.37 / np.ptp(time)  # of the peak's width
    snr = ours.max() * np.sqrt(weight.sum())
    assert 0.9 < snr / np.max(theirs.depth_snr) < 1.1


def test_residue_times_weight_is_the_fall_of_chi2(rng):
    time = np.sort(rng.uniform(-5, 5, 800))
    flux = _dip(time, 2.0, 0.0, 0.2, 0.05)
    weight = np.ones(800)
    fit = best_box(time, flux, weight, np.array([0.5]))
    chi2 = np.sum((flux - flux.mean()) ** 2)  # the box explains all of it
    assert 0.85 * chi2 < fit.residue * 800 <= 1.0001 * chi2  # bins do not end where the dip does
    assert abs((fit.centre + 0.5) % 1 - 0.5) < 0.01
    assert np.isclose(fit.fraction, 0.1, atol=0.01)


def test_unused_points_do_not_matter(rng):
    time = np.sort(rng.uniform(-2, 2, 200))
    flux = np.vstack([_dip(time, 0.9, 0.1, 0.1, 0.03)] * 2) + rng.normal(0, 0.005, 200)
    weight = np.full((2, 200), 4e4)
    flux[1, ::5] += 100.0
    weight[1, ::5] = 0.0
    frequencies = np.linspace(0.5, 2.0, 300)
    kept = np.arange(200) % 5 != 0
    alone = box_panel(time[kept], flux[:1, kept], weight[:1, kept], frequencies)
    assert np.allclose(box_panel(time, flux, weight, frequencies)[1], alone[0], atol=1e-6)


def test_a_brightening_is_no_dip():
    time = np.linspace(-2, 2, 400)
    flux = -_dip(time, 1.0, 0.0, 0.1, 0.05)
    found = box_panel(time, flux[None], np.ones((1, 400)), np.array([1.0]))[0, 0]
    dip = box_panel(time, -flux[None], np.ones((1, 400)), np.array([1.0]))[0, 0]
    assert found < 0.3 * dip


def test_stars_in_a_panel_do_not_touch_each_other(rng):
    time = np.sort(rng.uniform(-2, 2, 150))
    flux = rng.normal(0, 0.01, (70, 150))  # more than one group of lanes
    weight = np.full((70, 150), 1e4)
    frequencies = np.linspace(0.5, 3.0, 100)
    together = box_panel(time, flux, weight, frequencies)
    for row in (0, 63, 64, 69):
        alone = box_panel(time, flux[row : row + 1], weight[row : row + 1], frequencies)
        np.testing.assert_allclose(alone[0], together[row], rtol=2e-5)
    flux[1:] = 0.3
    assert np.array_equal(box_panel(time, flux, weight, frequencies)[0], together[0])


DURATIONS = np.array([0.06, 0.12, 0.18])


def _whole_bins(frequencies, step):
    """Frequencies nearby whose cycles hold whole bins, where astropy loses no last bin."""
    return 1.0 / ((np.round(1.0 / frequencies / step) + 1e-10) * step)


@pytest.mark.parametrize("common", [True, False])
def test_equals_astropy_for_the_same_boxes(rng, common):
    time = np.sort(rng.uniform(0, 6, 500))
    time -= time[0]
    error = rng.uniform(0.004, 0.008, (20, 500))
    if common:
        error = error[:1] * rng.uniform(0.5, 2.0, (20, 1))
    flux = error * rng.normal(size=(20, 500))
    flux[::2] += _dip(time, 1.37, 0.6, 0.12, 0.02)
    frequencies = _whole_bins(np.linspace(0.4, 2.0, 150), 0.006)
    boxes = duration_boxes(frequencies, DURATIONS[:1], 10)
    ours = box_panel(time, flux, error**-2.0, frequencies, boxes, points=1e-6)
    for row in range(20):
        model = BoxLeastSquares(time, flux[row], dy=error[row])
        theirs = model.power(1 / frequencies, DURATIONS[:1], objective="snr", oversample=10)
        snr = ours[row] * np.sqrt(np.sum(error[row] ** -2.0))
        same = np.isclose(snr, theirs.power, rtol=2e-5)
        # Its last box of a cycle ends in a bin that is never filled.
        assert same.mean() > 0.95
        assert same[np.argmax(theirs.power)]


def _brute_force(time, flux, weight, frequency, boxes):
    """SR² of the best dip in double precision, box by box."""
    width, bins = boxes.bin_width[0], boxes.bins[0]
    phase = time * frequency - np.floor(time * frequency)
    index = np.minimum((phase / width).astype(int), bins - 1)
    share = weight / weight.sum()
    product = share * (flux - np.sum(share * flux))
    best = 0.0
    for size, step in zip(boxes.widths, boxes.steps, strict=True):
        for start in range(0, bins, step):
            inside = (index - start) % bins < size
            s, r = product[inside].sum(), share[inside].sum()
            if s < 0 and r >= 2.5 / np.count_nonzero(weight):
                best = max(best, s * s / (r * (1 - r)))
    return best


@pytest.mark.parametrize("stars", [3, 40])
def test_equals_brute_force_with_weights_and_missing_points(rng, stars):
    time = np.sort(rng.uniform(-3, 3, 150))
    flux = rng.normal(0, 1e-3, (stars, 150))
    weight = rng.uniform(0.5, 2.0, (stars, 150)) * (rng.uniform(size=(stars, 150)) > 0.3)
    frequencies = np.array([0.31, 0.777, 1.9])
    for boxes in (fraction_boxes(1), duration_boxes(frequencies[:1], DURATIONS, 7)):
        for frequency in frequencies:
            plan = replace(boxes, bin_width=boxes.bin_width * frequency / frequencies[0])
            plan = boxes if boxes.widths == WIDTHS else plan
            found = box_panel(time, flux, weight, np.array([frequency]), plan)[:, 0]
            for row in range(stars):
                expected = _brute_force(time, flux[row], weight[row], frequency, plan)
                assert found[row] ** 2 == pytest.approx(expected, rel=1e-4)


def test_common_weights_take_the_same_value_as_general_ones(rng):
    time = np.sort(rng.uniform(-3, 3, 200))
    flux = rng.normal(0, 0.01, (30, 200))
    weight = np.tile(rng.uniform(0.5, 2.0, 200), (30, 1)) * rng.uniform(1, 100, (30, 1))
    frequencies = np.linspace(0.3, 2.0, 100)
    common = box_panel(time, flux, weight, frequencies)
    weight[0] *= rng.uniform(0.99, 1.01, 200)  # makes the whole panel general
    general = box_panel(time, flux, weight, frequencies)
    assert np.allclose(common[1:], general[1:], rtol=2e-5)


def test_scale_of_the_flux_does_not_matter(rng):
    time = np.sort(rng.uniform(-3, 3, 200))
    flux = rng.normal(0, 1.0, (5, 200))
    frequencies = np.linspace(0.3, 2.0, 50)
    one = box_panel(time, flux, np.ones((5, 200)), frequencies)
    for scale in (1e-12, 1e12):
        other = box_panel(time, scale * flux, np.full((5, 200), scale**-2.0), frequencies)
        assert np.allclose(other / scale, one, rtol=1e-4)


def test_a_star_without_weights_has_no_box(rng):
    time = np.linspace(-2, 2, 50)
    weight = np.ones((3, 50))
    weight[1] = 0.0
    found = box_panel(time, rng.normal(size=(3, 50)), weight, np.linspace(0.3, 2.0, 20))
    assert np.all(found[1] == 0)
    assert np.all(found[[0, 2]] > 0)


@pytest.mark.parametrize("stars", [1, 100])
def test_a_series_too_short_for_any_period_has_no_box(rng, stars):
    flux = rng.normal(0.0, 1.0, (stars, 30))
    found = box_panel(np.linspace(0.0, 0.1, 30), flux, np.ones_like(flux), np.empty(0))
    assert found.shape == (stars, 0)
