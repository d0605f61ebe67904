"""Network, training and export of the classifier; needs torch."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("onnx")

from csstream.inference.classifier import CurveClassifier  # noqa: E402
from csstream.inference.session import open_session  # noqa: E402
from csstream.timeseries.features import SCALARS  # noqa: E402
from csstream.trainer.classifier_data import TrainingSet  # noqa: E402
from csstream.trainer.classifier_export import (  # noqa: E402
    ExportError,
    check_parity,
    export_classifier,
)
from csstream.trainer.classifier_metrics import softmax  # noqa: E402
from csstream.trainer.classifier_network import CurveNetwork  # noqa: E402
from csstream.trainer.classifier_noise import SimulatedNoise  # noqa: E402
from csstream.trainer.classifier_training import (  # noqa: E402
    ClassifierSettings,
    fit,
    inputs_of,
    logits_of,
    split_by_panel,
    train_classifier,
)
from csstream.trainer.classifier_trees import export_trees, fit_trees, scores  # noqa: E402

pytestmark = pytest.mark.train


@pytest.fixture
def data():
    """Rows whose label shows in the global view and in one scalar."""
    rng = np.random.default_rng(2)
    label = rng.integers(0, 4, 400)
    whole = rng.normal(0, 0.1, (400, 2, 201)).astype(np.float32)
    whole[np.arange(400), 0, 100] -= (label == 1) * 3.0
    whole[:, :, ::7] = np.nan
    near = rng.normal(0, 0.1, (400, 2, 61)).astype(np.float32)
    scalars = rng.normal(size=(400, len(SCALARS))).astype(np.float32)
    scalars[:, 0] = label
    panel = np.arange(400) % 40
    return TrainingSet(whole, near, scalars, label, panel, label, label.astype(float))


def test_panels_are_never_shared_between_the_sets(data):
    split = split_by_panel(data)
    panels = [set(part.panel) for part in split.values()]
    assert sum(map(len, panels)) == len(set.union(*panels)) == 40


def test_training_learns_and_the_same_seed_gives_the_same_network(data, tmp_path):
    split = split_by_panel(data)
    settings = ClassifierSettings(epochs=20, batch=32, seed=5)
    first = fit(split, settings, tmp_path, lambda line: None)
    second = fit(split, settings, tmp_path, lambda line: None)
    found = logits_of(first, split["test"])
    assert np.mean(np.argmax(found, axis=1) == split["test"].label) > 0.8
    assert np.array_equal(found, logits_of(second, split["test"]))


def test_export_says_the_same(data, tmp_path):
    network = CurveNetwork(data.scalars).eval()
    wanted = softmax(logits_of(network, data), 1.7)
    network.temperature.fill_(1.7)
    path = tmp_path / "classifier.onnx"
    export_classifier(network, path)
    assert check_parity(path, inputs_of(data), wanted) < 1e-5
    with pytest.raises(ExportError, match="differ"):
        check_parity(path, inputs_of(data), softmax(logits_of(network, data) + 0.5, 2.5))


def test_exported_trees_say_the_same(data, tmp_path):
    inputs = inputs_of(data)
    trees = fit_trees(inputs, data.label, 1)
    path = tmp_path / "trees.onnx"
    export_trees(trees, 1.3, path)
    assert check_parity(path, inputs, softmax(scores(trees, inputs), 1.3)) < 1e-5


def test_the_whole_run_gives_a_classifier_that_serves(tmp_path):
    said = []
    settings = ClassifierSettings(panels=20, epochs=2)
    path = train_classifier(settings, [SimulatedNoise()], tmp_path, said.append)
    session = open_session(path)
    chances = CurveClassifier(session).predict(
        np.zeros((2, 2, 201)), np.zeros((2, 2, 61)), np.zeros((2, len(SCALARS)))
    )
    assert chances.sum(axis=1) == pytest.approx(1.0)
    card = session.card.values
    assert card["scalars"] == list(SCALARS)
    assert card["noise"] == ["simulated noise"]
    assert card["kind"] in ("network", "trees")
    assert set(card["test_by_origin"]) <= set(card["counts"]["simulated"])
    assert any("network - trees" in line for line in said)
