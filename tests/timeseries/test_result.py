"""What the network must say at least, given how surely a star's variation is no noise."""

from __future__ import annotations

import numpy as np
import pytest

from csstream.timeseries.examine import examine_panel
from csstream.timeseries.result import least_probability
from csstream.timeseries.settings import ExamineSettings

SETTINGS = ExamineSettings()
DOUBTFUL = 0.8  # chance that a star varies, by a network that has not seen its like


@pytest.fixture(scope="module")
def panel():
    """Times, fluxes and errors of 40 stars, the first with two transits."""
    rng = np.random.default_rng(910)
    time = 60000.0 + np.linspace(0.0, 3.5, 1000)
    flux = 1000.0 * (1.0 + rng.normal(0.0, 0.03, (40, 1000)))
    flux[0] -= 100.0 * (np.abs((time - 60000.7) % 2.1) < 0.08)
    return time, flux, np.full(flux.shape, 30.0)


def doubtful(views, local, scalars):
    """The same chances for all stars."""
    return np.tile([1.0 - DOUBTFUL, DOUBTFUL, 0.0, 0.0], (len(views), 1))


def test_where_noise_is_ruled_out_a_doubtful_network_does_not_stop_an_alert(panel):
    result = examine_panel(*panel, SETTINGS, doubtful)
    assert result.fap[0] < SETTINGS.sure_fap
    assert np.flatnonzero(result.crossed).tolist() == [0]


def test_without_that_rule_it_does(panel):
    result = examine_panel(*panel, ExamineSettings(sure_fap=0.0), doubtful)
    assert not result.crossed.any()


def test_the_rule_never_asks_for_more():
    assert least_probability(1e-5, SETTINGS) == SETTINGS.probability
    assert least_probability(1e-7, SETTINGS) == SETTINGS.sure_probability
    assert least_probability(1e-7, ExamineSettings(probability=0.3)) == 0.3
