"""Figures of a classifier by hand-computed cases, and who wins."""

from __future__ import annotations

import numpy as np
import pytest

from csstream.trainer.classifier_metrics import (
    average_precision,
    balance,
    best_temperature,
    compare,
    confusion,
    false_positives_at,
    log_loss,
    metrics,
    reliability,
    softmax,
)


def test_metrics_by_hand():
    chances = np.array(
        [[0.95, 0.05, 0, 0], [0.02, 0.9, 0.08, 0], [0.5, 0, 0.5, 0], [0.01, 0, 0, 0.99]]
    )
    label = np.array([0, 1, 2, 0])
    found = metrics(chances, label, 0.9)
    assert found["recall_at_limit"] == {"transit": 1.0, "eclipsing": 0.0, "pulsating": None}
    assert found["false_positive_rate_at_limit"] == 0.5
    assert confusion(np.array([0, 1, 0, 3]), label)["none"]["pulsating"] == 1


def test_average_precision_and_reliability():
    truth = np.array([True, False, True, False])
    wanted = (1 + 2 / 3) / 2
    assert average_precision(np.array([0.9, 0.8, 0.7, 0.1]), truth) == pytest.approx(wanted)
    bins = reliability(np.array([0.95, 0.95, 0.05, 0.05]), np.array([True, True, False, False]))
    assert bins["expected_calibration_error"] == pytest.approx(0.05)


def test_variables_and_others_weigh_the_same():
    label = np.array([0, 1, 2, 3])
    assert balance(label) == pytest.approx([2.0, 2 / 3, 2 / 3, 2 / 3])
    chances = np.tile([0.5, 0.25, 0.125, 0.125], (4, 1))
    wanted = -(0.5 * np.log(0.5) + 0.5 * (np.log(0.25) + 2 * np.log(0.125)) / 3)
    assert log_loss(chances, label) == pytest.approx(wanted)


def test_false_positives_at_a_recall():
    score = np.array([0.9, 0.8, 0.3, 0.85, 0.2, 0.1, 0.05])
    truth = np.array([True, True, True, False, False, False, False])
    assert false_positives_at(score, truth, 0.6) == 0.25
    assert false_positives_at(score, truth, 1.0) == 0.25
    assert np.isnan(false_positives_at(score, ~truth & False, 0.9))


def test_the_temperature_is_found_again():
    rng = np.random.default_rng(1)
    logits = rng.normal(0, 3, (20000, 4)) + np.array([np.log(3.0), 0, 0, 0])  # half are none
    label = np.array([rng.choice(4, p=p) for p in softmax(logits, 1.0)])
    assert best_temperature(1.7 * logits, label) == pytest.approx(1.7, rel=0.08)


def test_a_clear_winner_wins_and_equals_are_within_errors():
    rng = np.random.default_rng(2)
    label, panel = rng.integers(0, 4, 800), np.arange(800) // 40
    good = rng.normal(size=(800, 4))
    good[np.arange(800), label] += 4.0
    bad = rng.normal(size=(800, 4))
    bad[np.arange(800), label] += 1.0
    one, two = softmax(good, 1.0), softmax(bad, 1.0)
    assert compare(one, two, label, panel)["winner"] == "first"
    assert compare(two, one, label, panel)["winner"] == "second"
    assert compare(one, one.copy(), label, panel)["winner"] == "within errors"
