"""How surely a dip is no noise: as often as stated, and less so where noise is correlated."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from csstream.timeseries.event_scores import score_events
from csstream.timeseries.event_search import SingleEvents, single_events

NOISE, SPAN = 0.01, 3.5  # [relative flux], [day]


def curves(rng, stars=64, epochs=500, red=0.0):
    """Times (m,), fluxes and weights (n, m) of constant stars; ``red`` wanders over half a day."""
    time = 60000.0 + np.linspace(0.0, SPAN, epochs)
    flux = rng.normal(0.0, NOISE, (stars, epochs))
    nodes = rng.normal(0.0, red * NOISE, (stars, 16))
    for row in range(stars):
        flux[row] += np.interp(time, np.linspace(time[0], time[-1], 16), nodes[row])
    return time, flux, np.full(flux.shape, NOISE**-2.0)


def scored(time, flux, weight):
    """The search's dips, and their scores."""
    found = single_events(time, flux, weight)
    return found, score_events(time, flux, weight, found)


def test_one_look_at_noise_reaches_a_probability_less_often_than_all_looks_together(rng):
    fap = np.concatenate([scored(*curves(rng, 512, 300))[1].fap for _ in range(8)])
    for level in (1e-1, 1e-2):
        assert 0.05 * level < np.mean(fap <= level) < level
    assert fap.min() > 1e-6


def test_a_dip_stands_out_and_white_noise_leaves_its_signal_to_noise(rng):
    time, flux, weight = curves(rng)
    flux[3, np.abs(time - 60001.3) < 0.07] -= 0.03
    found, scores = scored(time, flux, weight)
    assert scores.fap[3] < 1e-9
    assert scores.snr[3] == pytest.approx(found.snr[3], rel=0.15)
    assert scores.snr[3] < found.snr[3]
    assert 0.8 < scores.shape[3] < 1.2
    assert 0.0 < scores.edge[3] < 0.1


def test_correlated_noise_makes_the_same_dip_less_sure(rng):
    snr = []
    for red in (0.0, 1.5):
        time, flux, weight = curves(np.random.default_rng(1), red=red)
        flux[3, np.abs(time - 60001.3) < 0.07] -= 0.02
        snr.append(scored(time, flux, weight)[1].snr[3])
    assert snr[1] < 0.8 * snr[0]
    assert np.min(scored(*curves(rng, 128, 500, red=1.5))[1].fap) > 1e-5


def test_one_bad_point_is_no_event(rng):
    time, flux, weight = curves(rng)
    flux[5, 250] -= 40 * NOISE
    _, scores = scored(time, flux, weight)
    assert scores.fap[5] > 1e-3


def test_an_event_between_two_pauses_has_no_edge(rng):
    time, flux, weight = curves(rng)
    flux[7, np.abs(time - 60001.3) < 0.07] -= 0.03
    near = np.abs(time - 60001.3)
    weight[7, (near > 0.07) & (near < 0.14)] = 0.0
    _, scores = scored(time, flux, weight)
    assert scores.edge[7] > 0.3
    weight[7, time < 60001.3] = NOISE**-2.0  # its beginning is seen after all
    assert scored(time, flux, weight)[1].edge[7] < 0.2


def test_where_nothing_was_found_there_is_nothing():
    time = np.linspace(0.0, 1.0, 50)
    nan = np.full(2, np.nan)
    events = SingleEvents(np.zeros(2), nan, nan, nan, np.zeros((2, 3), np.int64))
    for stars, moments in ((2, time), (2, time[:0]), (0, time)):
        flux = np.zeros((stars, len(moments)))
        part = SingleEvents(*(getattr(events, n)[:stars] for n in events.__dataclass_fields__))
        scores = score_events(moments, flux, flux, part)
        assert np.all(scores.fap == 1.0)
        assert np.all(scores.snr == 0.0)
        assert np.isnan(scores.shape).all()


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(6, 60), st.floats(0.0, 0.9))
def test_any_curve_gives_numbers_in_range(seed, epochs, missing):
    rng = np.random.default_rng(seed)
    time = np.sort(rng.uniform(0.0, 2.0, epochs))
    flux = rng.normal(0.0, 1.0, (3, epochs)) * 10.0 ** rng.uniform(-6, 6)
    weight = np.where(rng.uniform(size=flux.shape) < missing, 0.0, rng.uniform(size=flux.shape))
    _, scores = scored(time, flux, weight)
    assert np.all((scores.fap >= 0.0) & (scores.fap <= 1.0))
    assert np.all(np.isfinite(scores.snr) & (scores.snr >= 0.0))
    assert np.all(np.isnan(scores.edge) | (scores.edge > 0.0))
