"""The shipped classifier: views with gaps in, probabilities out, on curves it should know."""

from __future__ import annotations

import numpy as np
import pytest

from csstream.inference.classifier import CurveClassifier, with_mask
from csstream.inference.session import InferenceError, open_session
from csstream.simulation.variables.curves import eclipsing, pulsator, transit
from csstream.timeseries.examine import examine_panel
from csstream.timeseries.features import SCALARS
from csstream.timeseries.kinds import KINDS
from csstream.timeseries.settings import ExamineSettings


@pytest.fixture(scope="module")
def classifier():
    return CurveClassifier(open_session("classifier"))


def test_empty_bins_are_masked():
    channels = with_mask(np.array([[[0.5, np.nan, -9.0], [0.25, np.nan, 7.0]]]))
    assert channels.tolist() == [[[0.5, 0.0, -3.0], [1.0, 0.0, 1.0], [0.25, 0.0, 3.0]]]
    assert channels.dtype == np.float32


def test_probabilities_add_up_and_do_not_depend_on_the_company(classifier):
    rng = np.random.default_rng(0)
    shapes = (9, 2, 201), (9, 2, 61), (9, len(SCALARS))
    inputs = [rng.normal(size=shape) for shape in shapes]
    together = classifier.predict(*inputs)
    assert together.shape == (9, 4)
    assert np.allclose(together.sum(axis=1), 1.0)
    alone = classifier.predict(*(a[3:4] for a in inputs))
    assert np.allclose(alone[0], together[3], atol=1e-6)


def test_the_card_names_the_scalars_of_this_code():
    card = open_session("classifier").card.values
    assert card["scalars"] == list(SCALARS)
    assert card["outputs"] == list(KINDS)
    assert card["probability_limit"] == ExamineSettings().probability


def test_wrong_shapes_are_refused(classifier):
    with pytest.raises(InferenceError):
        classifier.predict(np.zeros((1, 2, 200)), np.zeros((1, 2, 61)), np.zeros((1, len(SCALARS))))


def test_it_names_a_transit_a_binary_and_a_pulsator_and_nothing_else(classifier):
    rng = np.random.default_rng(8)
    time = 60000.0 + np.linspace(0.0, 3.5, 400)
    flux = 1.0 + 0.004 * rng.normal(size=(40, 400))
    flux[0] *= transit(time, 1.3, time[0] + 0.5, radius_ratio=0.15, axis_ratio=6.0)
    flux[1] *= eclipsing(
        time, 0.9, time[0], radius_1=0.22, radius_2=0.18, brightness_ratio=0.5, inclination=1.55
    )
    flux[2] *= pulsator(time, 0.55, time[0], amplitude=0.6, rise=0.2)
    result = examine_panel(time, flux, np.full_like(flux, 0.004), classifier=classifier)
    assert [KINDS[k] for k in result.kind[:3]] == ["transit", "eclipsing", "pulsating"]
    assert list(np.flatnonzero(result.crossed)) == [0, 1, 2]
