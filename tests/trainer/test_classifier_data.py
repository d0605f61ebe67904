"""The classifier's training set and metrics; needs no torch."""

from __future__ import annotations

import numpy as np
import pytest

from csstream.simulation.variables.shapes import Eclipsing, Pulsator
from csstream.timeseries.features import SCALARS
from csstream.trainer import classifier_data
from csstream.trainer.classifier_metrics import average_precision, confusion, metrics, reliability


@pytest.fixture(scope="module")
def training_set():
    return classifier_data.make_training_set(2, seed=3)


def test_rows_come_from_the_search_and_from_the_seed(training_set):
    data, counts = training_set
    again, _ = classifier_data.make_training_set(1, seed=3, first=1)
    mine = data.select(data.panel == 1)
    assert np.array_equal(mine.scalars, again.scalars)
    assert np.array_equal(mine.global_view, again.global_view, equal_nan=True)
    assert data.scalars.shape == (len(data), len(SCALARS))
    assert np.isfinite(data.scalars).all()
    assert set(np.unique(data.label)) == {0, 1, 2, 3}
    assert sum(counts.shortlisted.values()) - sum(counts.wrong_period.values()) == len(data)
    assert counts.simulated["none"] == 2 * (classifier_data.STARS - 58)


def test_flux_jumps_have_one_size_in_each_star():
    rng = np.random.default_rng(1)
    made = classifier_data.jumps(rng, rng.normal(size=300), np.full((200, 1), 0.01))
    jumping = np.any(made != 0, axis=1)
    assert 0.1 < jumping.mean() < 0.3
    assert all(len(np.unique(row[row != 0])) == 1 for row in made[jumping])


def test_correlated_noise_has_unit_variance_and_its_time_scale():
    rng = np.random.default_rng(1)
    made = classifier_data.correlated(rng, np.arange(500) * 0.1, 200, 1.0)
    assert made.std() == pytest.approx(1.0, abs=0.05)
    assert np.mean(made[:, :-10] * made[:, 10:]) == pytest.approx(np.exp(-1), abs=0.06)


def test_only_binaries_may_have_a_multiple_of_their_period():
    binary = Eclipsing(
        period=1.0, t0=0.0, radius_1=0.2, radius_2=0.2, brightness_ratio=0.9, inclination=1.5,
        ellipsoidal=0.0,
    )  # fmt: skip
    star = Pulsator(period=1.0, t0=0.0, amplitude=0.5, rise=0.2, bump=0.0, bump_phase=0.0)
    right = classifier_data.right_period
    assert right(0.5, binary, 50.0)
    assert not right(0.5, star, 50.0)
    assert right(1.009, star, 50.0)
    assert not right(1.02, star, 50.0)
    assert right(1.02, star, 3.0)  # still in phase after three cycles


def test_metrics_by_hand():
    chances = np.array(
        [[0.95, 0.05, 0, 0], [0.02, 0.9, 0.08, 0], [0.5, 0, 0.5, 0], [0.01, 0, 0, 0.99]]
    )
    label = np.array([0, 1, 2, 0])
    passed = np.array([True, True, False, False])
    found = metrics(chances, label, passed, 0.9)
    assert found["recall_at_limit"] == {"transit": 1.0, "eclipsing": 0.0, "pulsating": None}
    assert found["false_positive_rate_at_limit"] == 0.5
    assert found["with_thresholds"]["false_positives"] == 0
    assert confusion(np.array([0, 1, 0, 3]), label)["none"]["pulsating"] == 1


def test_average_precision_and_reliability():
    truth = np.array([True, False, True, False])
    assert average_precision(np.array([0.9, 0.8, 0.7, 0.1]), truth) == pytest.approx(
        (1 + 2 / 3) / 2
    )
    bins = reliability(np.array([0.95, 0.95, 0.05, 0.05]), np.array([True, True, False, False]))
    assert bins["expected_calibration_error"] == pytest.approx(0.05)
