"""The batched box search against astropy and against its own single-star form."""

from __future__ import annotations

import numpy as np
from astropy.timeseries import BoxLeastSquares

from csstream.timeseries.box_search import best_box, box_panel


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
        assert np.array_equal(alone[0], together[row])
