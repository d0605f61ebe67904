"""What the network must say at least before a star may be alerted."""

from __future__ import annotations

import numpy as np
import pytest

from csstream.timeseries.examine import examine_panel
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


@pytest.mark.parametrize(("variable", "alerted"), [(0.89, []), (0.91, [0])])
def test_a_doubtful_network_stops_an_alert(panel, variable, alerted):
    def network(views, local, scalars):
        return np.tile([1.0 - variable, variable, 0.0, 0.0], (len(views), 1))

    result = examine_panel(*panel, SETTINGS, network)
    assert result.shortlisted[0]
    assert np.flatnonzero(result.crossed).tolist() == alerted
