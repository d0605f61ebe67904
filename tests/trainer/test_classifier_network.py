"""Network, training and export of the classifier; needs torch."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("onnx")

from csstream.timeseries.features import SCALARS  # noqa: E402
from csstream.trainer.classifier_data import TrainingSet  # noqa: E402
from csstream.trainer.classifier_export import (  # noqa: E402
    ExportError,
    check_parity,
    export_classifier,
)
from csstream.trainer.classifier_network import CurveNetwork  # noqa: E402
from csstream.trainer.classifier_training import (  # noqa: E402
    ClassifierSettings,
    fit,
    inputs_of,
    probabilities,
    split_by_panel,
)

pytestmark = pytest.mark.train


@pytest.fixture
def data():
    """Rows whose label shows in the global view and in one scalar."""
    rng = np.random.default_rng(2)
    label = rng.integers(0, 4, 400)
    whole = rng.normal(0, 0.1, (400, 201)).astype(np.float32)
    whole[np.arange(400), 100] -= (label == 1) * 3.0
    whole[:, ::7] = np.nan
    near = rng.normal(0, 0.1, (400, 61)).astype(np.float32)
    scalars = rng.normal(size=(400, len(SCALARS))).astype(np.float32)
    scalars[:, 0] = label
    return TrainingSet(whole, near, scalars, label, np.arange(400) % 40, np.ones(400, bool))


def test_panels_are_never_shared_between_the_sets(data):
    split = split_by_panel(data)
    panels = [set(part.panel) for part in (split.train, split.validation, split.test)]
    assert not panels[0] & panels[1]
    assert not (panels[0] | panels[1]) & panels[2]
    assert sum(map(len, panels)) == 40


def test_training_learns_and_the_same_seed_gives_the_same_network(data, tmp_path):
    split = split_by_panel(data)
    settings = ClassifierSettings(epochs=12, batch=32, seed=5)
    first = fit(split, settings, tmp_path, lambda line: None)
    second = fit(split, settings, tmp_path, lambda line: None)
    chances = probabilities(first, split.test)
    assert np.mean(np.argmax(chances, axis=1) == split.test.label) > 0.8
    assert np.array_equal(chances, probabilities(second, split.test))


def test_export_says_the_same(data, tmp_path):
    network = CurveNetwork(data.scalars).eval()
    network.temperature.fill_(1.7)
    path = tmp_path / "classifier.onnx"
    export_classifier(network, path)
    assert check_parity(network, path, inputs_of(data)) < 1e-5
    network.dense[0].weight.data += 0.5
    with pytest.raises(ExportError, match="differ"):
        check_parity(network, path, inputs_of(data))
