"""Training of the light-curve classifier: data, network, baseline, export, card."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from time import monotonic
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from csstream.inference.cards import write_card
from csstream.inference.classifier import with_mask
from csstream.timeseries.features import SCALARS
from csstream.timeseries.kinds import KINDS
from csstream.timeseries.settings import ExamineSettings
from csstream.trainer.classifier_data import TrainingSet, make_training_set
from csstream.trainer.classifier_export import check_parity, export_classifier
from csstream.trainer.classifier_metrics import metrics
from csstream.trainer.classifier_network import CurveNetwork

Array = npt.NDArray[Any]
Say = Callable[[str], None]

CHECKPOINT = "checkpoint.pt"
DATA = "training_set.npz"
PARITY_ROWS = 256


@dataclass(frozen=True, kw_only=True)
class ClassifierSettings:
    """How the classifier is trained. Panels are split 70 : 15 : 15, so stars never mix."""

    seed: int = 1
    panels: int = 200
    epochs: int = 30
    batch: int = 128
    learning_rate: float = 2e-3
    weight_decay: float = 1e-4
    threads: int = 1


@dataclass(frozen=True, eq=False)
class Split:
    """Disjoint sets of panels."""

    train: TrainingSet
    validation: TrainingSet
    test: TrainingSet


def train_classifier(settings: ClassifierSettings, out: Path, say: Say) -> Path:
    """Make the data (or read those in ``out``), train, compare, export; returns the ONNX file."""
    out.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(settings.threads)
    data = _data(settings, out, say)
    split = split_by_panel(data)
    network = fit(split, settings, out, say)
    say("training the baseline of gradient-boosted trees")
    baseline = boosted_trees(split, settings.seed)
    path = out / "classifier.onnx"
    export_classifier(network, path)
    difference = check_parity(network, path, inputs_of(split.test.select(slice(0, PARITY_ROWS))))
    limit = ExamineSettings().probability
    test = split.test
    figures = metrics(probabilities(network, test), test.label, test.passed, limit)
    trees = metrics(baseline, test.label, test.passed, limit)
    write_card(path, _card(settings, split, network, figures, trees, difference, limit))
    say(f"AP {figures['average_precision']:.4f} (trees {trees['average_precision']:.4f}): {path}")
    return path


def _data(settings: ClassifierSettings, out: Path, say: Say) -> TrainingSet:
    path = out / DATA
    if path.exists():
        with np.load(path) as stored:
            return TrainingSet(**{name: stored[name] for name in TrainingSet.__dataclass_fields__})
    say(f"simulating and searching {settings.panels} panels")
    data, counts = make_training_set(settings.panels, settings.seed)
    np.savez(path, **{name: getattr(data, name) for name in TrainingSet.__dataclass_fields__})
    say(f"{len(data)} rows; {counts}")
    return data


def split_by_panel(data: TrainingSet) -> Split:
    """Panels 0 … 13 of twenty to train, 14 … 16 to validate, 17 … 19 to test."""
    place = data.panel % 20
    return Split(
        data.select(place < 14), data.select((place >= 14) & (place < 17)), data.select(place >= 17)
    )


def inputs_of(data: TrainingSet) -> tuple[Array, Array, Array]:
    """The network's inputs, as in serving."""
    return with_mask(data.global_view), with_mask(data.local_view), data.scalars


def fit(split: Split, settings: ClassifierSettings, out: Path, say: Say) -> CurveNetwork:
    """Train with early stopping by the validation loss; the best state is kept on disk."""
    torch.manual_seed(settings.seed)
    rng = np.random.default_rng(settings.seed)
    network = CurveNetwork(split.train.scalars)
    optimiser = torch.optim.AdamW(
        network.parameters(), lr=settings.learning_rate, weight_decay=settings.weight_decay
    )
    steps = settings.epochs * (len(split.train) // settings.batch + 1)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, settings.learning_rate, steps)
    best, start = np.inf, monotonic()
    for epoch in range(settings.epochs):
        network.train()
        for whole, near, scalars, label in batches(split.train, settings.batch, rng):
            loss = nn.functional.cross_entropy(network(whole, near, scalars), label)
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            schedule.step()
        valid = _loss(network, split.validation)
        if valid < best:
            best = valid
            state = {"network": network.state_dict(), "settings": asdict(settings)}
            torch.save(state, out / CHECKPOINT)
        took = monotonic() - start
        say(f"epoch {epoch + 1}: validation {valid:.4f}, best {best:.4f}, {took:.0f} s")
    network.load_state_dict(torch.load(out / CHECKPOINT, weights_only=True)["network"])
    _calibrate(network, split.validation)
    return network


def batches(
    data: TrainingSet, size: int, rng: np.random.Generator
) -> Iterator[tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]]:
    """Shuffled batches; half of the curves run backwards in time."""
    whole, near, scalars = inputs_of(data)
    order = rng.permutation(len(data))
    for first in range(0, len(data), size):
        rows = order[first : first + size]
        flip = rng.uniform(size=len(rows)) < 0.5
        views = [np.where(flip[:, None, None], v[rows][:, :, ::-1], v[rows]) for v in (whole, near)]
        arrays = (*views, scalars[rows], data.label[rows])
        a, b, c, d = (torch.from_numpy(np.ascontiguousarray(x)) for x in arrays)
        yield a, b, c, d


def _logits(network: CurveNetwork, data: TrainingSet) -> torch.Tensor:
    network.eval()
    with torch.no_grad():
        return network(*(torch.from_numpy(a) for a in inputs_of(data)))


def _loss(network: CurveNetwork, data: TrainingSet) -> float:
    label = torch.from_numpy(data.label)
    return float(nn.functional.cross_entropy(_logits(network, data), label))


def probabilities(network: CurveNetwork, data: TrainingSet) -> Array:
    """(k, 4) of a set."""
    return np.asarray(torch.softmax(_logits(network, data), dim=1).numpy(), np.float64)


def _calibrate(network: CurveNetwork, data: TrainingSet) -> None:
    """Set the temperature that makes the validation loss smallest."""
    logits, label = _logits(network, data), torch.from_numpy(data.label)
    tried = np.geomspace(0.5, 3.0, 60)
    losses = [float(nn.functional.cross_entropy(logits / t, label)) for t in tried]
    network.temperature.fill_(float(tried[int(np.argmin(losses))]))


def boosted_trees(split: Split, seed: int) -> Array:
    """Probabilities (k, 4) on the test set from gradient-boosted trees on the same inputs."""
    from sklearn.ensemble import HistGradientBoostingClassifier

    def table(data: TrainingSet) -> Array:
        return np.hstack([data.global_view, data.local_view, data.scalars])

    trees = HistGradientBoostingClassifier(
        max_iter=150, learning_rate=0.1, early_stopping=False, random_state=seed
    )
    trees.fit(table(split.train), split.train.label)
    return np.asarray(trees.predict_proba(table(split.test)))


def _card(
    settings: ClassifierSettings,
    split: Split,
    network: CurveNetwork,
    figures: dict[str, Any],
    trees: dict[str, Any],
    difference: float,
    limit: float,
) -> dict[str, Any]:
    rows = {name: len(getattr(split, name)) for name in ("train", "validation", "test")}
    return {
        "name": "classifier",
        "task": "classifier",
        "made_by": f"csstream train classifier --seed {settings.seed} --panels {settings.panels}",
        "settings": asdict(settings),
        "inputs": {
            "global": "(b, 2, 201) float32: folded view, mask",
            "local": "(b, 2, 61) float32: view of +-2 durations, mask",
            "scalars": f"(b, {len(SCALARS)}) float32",
        },
        "scalars": list(SCALARS),
        "outputs": list(KINDS),
        "data": (
            "Simulated light curves only: 35 to 1000 epochs over 0.6 to 12 days, or nightly over "
            "35 to 150 days, white and correlated noise, outliers, flux jumps, gaps, PSF "
            "dependence, zero-point residuals; shortlisted by the serving search. Variables "
            "with a wrong period are left out. Panels are split 70:15:15."
        ),
        "limits": (
            "Trained on shapes of one simulator; no real light curves. Probabilities hold for "
            "the mix of the training set (about half constant stars on the shortlist)."
        ),
        "rows": rows,
        "parameters": sum(p.numel() for p in network.parameters()),
        "temperature": float(network.temperature),
        "probability_limit": limit,
        "onnx_parity": difference,
        "test": figures,
        "test_boosted_trees": trees,
    }
