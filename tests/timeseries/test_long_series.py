"""A hundred thousand epochs: a result, with work that is bounded."""

from __future__ import annotations

import numpy as np
import pytest

from csstream.timeseries import box_search, harmonic_search
from csstream.timeseries.calibration import prepare_panel
from csstream.timeseries.event_search import single_events
from csstream.timeseries.examine import examine_panel, search_panel
from csstream.timeseries.settings import ExamineSettings

EPOCHS = 100_000
PERIOD = 2.345  # [day]


@pytest.fixture
def work(monkeypatch):
    """Epochs times frequencies of the box search, and epochs plus frequencies of the transforms."""
    done = {"boxes": 0, "sums": 0}
    boxes, sums = box_search.kernels.boxes_of_star, harmonic_search.fourier_sums

    def counted_boxes(time, frequencies, *rest):
        done["boxes"] += len(time) * len(frequencies)
        boxes(time, frequencies, *rest)

    def counted_sums(time, values, start, step, count):
        done["sums"] += len(time) + count
        return sums(time, values, start, step, count)

    monkeypatch.setattr(box_search.kernels, "boxes_of_star", counted_boxes)
    monkeypatch.setattr(harmonic_search, "fourier_sums", counted_sums)
    return done


def transit(time):
    phase = np.abs((time / PERIOD + 0.2) % 1.0 - 0.5) * PERIOD
    return 0.01 * (phase < 0.05)


def test_a_transit_in_a_long_series_is_found(rng, work):
    time = 60000.0 + np.arange(EPOCHS) * 300.0 / 86400.0
    flux = 1.0 + 0.02 * rng.normal(size=EPOCHS) - transit(time)
    settings = ExamineSettings(shortest_period=2.2, longest_period=2.5)
    result = examine_panel(time, flux[None], np.full((1, EPOCHS), 0.02), settings)
    assert result.period[0] == pytest.approx(PERIOD, rel=1e-5)
    assert result.depth[0] == pytest.approx(0.01, rel=0.1)
    assert result.n_epochs[0] > 0.999 * EPOCHS  # a few brightenings are dropped
    assert result.fap[0] < 1e-10
    assert work["boxes"] < 2000 * EPOCHS
    assert work["sums"] < 6 * (EPOCHS + 2000)


def test_grids_of_long_series_end(rng, work):
    """Ten years of irregular epochs: no more frequencies than the settings allow."""
    time = np.sort(rng.uniform(0.0, 3650.0, 6000))
    flux = 1.0 + 0.02 * rng.normal(size=(1, 6000))
    settings = ExamineSettings(most_box_periods=500, most_sinusoids=4000)
    search = search_panel(prepare_panel(time, flux, np.full_like(flux, 0.02)), settings)
    assert (search.boxes.count, search.sinusoids.count) == (500, 4000)
    assert work == {"boxes": 500 * 6000, "sums": 6 * (6000 + 4000)}


def test_single_dips_of_a_long_series(rng):
    time = np.arange(EPOCHS) * 300.0 / 86400.0
    flux = 0.01 * rng.normal(size=(1, EPOCHS))
    flux[0, np.abs(time - 200.0) < 0.1] -= 0.03
    found = single_events(time, flux, np.full_like(flux, 1e4))
    assert found.middle[0] == pytest.approx(200.0, abs=0.02)
    assert found.duration[0] == pytest.approx(0.2, rel=0.3)
