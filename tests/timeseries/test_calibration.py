"""What is dropped, what is kept, and what the errors become."""

from __future__ import annotations

import numpy as np
import pytest

from csstream.timeseries.calibration import prepare_panel
from csstream.timeseries.errors import TimeseriesError
from csstream.timeseries.outliers import drop_brightenings, drop_isolated_dips


def test_errors_become_those_of_the_scatter(rng, space_time, make_panel):
    time, flux, error = make_panel(rng, space_time, stars=40)
    panel = prepare_panel(time, flux, 0.5 * error, ensemble=False)
    chi2 = (panel.weight * panel.flux**2).sum(axis=1) / panel.epochs
    assert np.median(chi2) == pytest.approx(1.0, abs=0.1)
    assert np.median(panel.error_scale) == pytest.approx(2.0, abs=0.2)


def test_deep_eclipses_stay(rng, space_time, make_panel):
    time, flux, error = make_panel(rng, space_time)
    eclipsed = np.abs((time / 0.9) % 1 - 0.5) < 0.06
    flux[0, eclipsed] *= 0.5
    panel = prepare_panel(time, flux, error)
    assert np.all(panel.weight[0, eclipsed] > 0)
    assert np.median(panel.flux[0, eclipsed]) == pytest.approx(-0.5, abs=0.02)


def test_a_cosmic_ray_goes_and_a_pulsator_stays(rng):
    flux = rng.normal(0, 0.01, (2, 200))
    flux[0, 17] = 0.5
    flux[1, ::5] += 0.5  # a fifth of the epochs: the star
    drop_brightenings(flux)
    assert np.isnan(flux[0, 17])
    assert np.isfinite(flux[0]).sum() == 199
    assert np.isfinite(flux[1]).all()


def test_only_a_dip_of_one_epoch_goes_and_only_in_dense_sampling(rng):
    flux = rng.normal(0, 0.001, (1, 100))
    flux[0, [30, 60, 61, 62]] = -0.05
    dense, sparse = flux.copy(), flux.copy()
    drop_isolated_dips(np.arange(100) * 0.005, dense)
    drop_isolated_dips(np.arange(100) * 0.05, sparse)
    assert list(np.flatnonzero(np.isnan(dense[0]))) == [30]
    assert np.isfinite(sparse).all()


def test_what_all_stars_share_is_taken_out(rng, space_time, make_panel):
    time, flux, error = make_panel(rng, space_time, stars=60, noise=0.002)
    shared = 1.0 + 0.01 * rng.normal(size=len(time))
    panel = prepare_panel(time, flux * shared, error)
    assert np.std(panel.flux) == pytest.approx(0.002, rel=0.1)


def test_trend_with_a_measure_of_each_star_is_taken_out(rng, space_time, make_panel):
    time, flux, error = make_panel(rng, space_time, stars=80, noise=0.004)
    seeing = np.sin(2 * np.pi * (time - time[0]) / 1.1)
    flux *= 1.0 + 0.01 * rng.normal(size=(80, 1)) * seeing
    left = prepare_panel(time, flux, error).flux @ seeing / len(time)
    kept = prepare_panel(time, flux, error, ensemble=False).flux @ seeing / len(time)
    assert np.std(left) < 0.25 * np.std(kept)


def test_a_variable_star_is_not_taken_from_itself(rng, space_time, make_panel):
    time, flux, error = make_panel(rng, space_time, stars=80, noise=0.004)
    dip = np.abs((time / 0.9) % 1 - 0.5) < 0.03
    flux[0, dip] *= 0.98
    panel = prepare_panel(time, flux, error)
    assert np.mean(panel.flux[0, dip]) == pytest.approx(-0.02, abs=0.003)


@pytest.mark.parametrize(
    ("time", "shape", "reason"),
    [
        (np.arange(5.0), (2, 4), "shape"),
        (np.arange(5.0), (5,), "shape"),
        (np.array([0.0, 2.0, 1.0]), (1, 3), "time_order"),
        (np.array([0.0, np.nan, 1.0]), (1, 3), "time_order"),
    ],
)
def test_bad_panels_are_refused_with_a_reason(time, shape, reason):
    with pytest.raises(TimeseriesError) as caught:
        prepare_panel(time, np.ones(shape), np.ones(shape))
    assert caught.value.reason == reason


@pytest.mark.parametrize("depth_sigma", [1.0, 5.0])
def test_the_trend_does_not_eat_transits(rng, space_time, make_panel, depth_sigma):
    """Depth of injected transits with and without trend removal, seeing in all the curves."""
    time, flux, error = make_panel(rng, space_time, stars=100, noise=0.01)
    seeing = np.sin(2 * np.pi * (time - time[0]) / 1.1)
    flux *= 1.0 + 0.01 * rng.normal(size=(100, 1)) * seeing
    clean = prepare_panel(time, flux, error).flux
    hosts = np.arange(10)
    start = rng.uniform(0.0, 1.6, (10, 1))
    inside = np.abs((time[None, :] - time[0] - start + 0.8) % 1.6 - 0.8) < 0.06
    flux[hosts] *= 1.0 - depth_sigma * 0.01 * inside
    left = prepare_panel(time, flux, error).flux
    lost = [
        np.mean((clean - left)[k][inside[k]]) - np.mean((clean - left)[k][~inside[k]])
        for k in hosts
    ]
    assert np.mean(lost) == pytest.approx(depth_sigma * 0.01, rel=0.06)


def test_the_paper_s_clip_eats_deep_eclipses_and_fills_gaps(rng, space_time, make_panel):
    time, flux, error = make_panel(rng, space_time, stars=1, noise=0.01)
    inside = np.abs((time / 0.9) % 1 - 0.5) < 0.03
    flux[0, inside] *= 1.0 - 0.12
    flux[0, 5] = np.nan
    kept = prepare_panel(time, flux, error, ensemble=False)
    clipped = prepare_panel(time, flux, error, ensemble=False, outliers="paper")
    assert np.mean(kept.flux[0, inside]) == pytest.approx(-0.12, abs=0.02)
    assert np.mean(clipped.flux[0, inside]) > -0.03
    assert kept.weight[0, 5] == 0.0
    assert clipped.weight[0, 5] > 0.0


def test_the_median_by_partition_is_the_one_by_sorting(rng):
    from csstream.timeseries.medians import weighted_median

    values, weight = rng.integers(0, 9, (200, 31)).astype(float), rng.uniform(0, 1, (200, 31))
    weight[rng.random(weight.shape) < 0.3] = 0.0
    weight[0] = 0.0
    for row, found in enumerate(weighted_median(values, weight)):
        order = np.argsort(values[row], kind="stable")
        total = np.cumsum(weight[row][order])
        place = np.searchsorted(total, 0.5 * total[-1])
        assert found == (values[row][order][place] if total[-1] > 0 else 0.0)
