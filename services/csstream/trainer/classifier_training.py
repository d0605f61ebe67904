"""Training of the light-curve classifier: network and baseline, the better one is exported."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
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
from csstream.timeseries.kinds import KINDS
from csstream.timeseries.settings import ExamineSettings
from csstream.trainer.classifier_canvas import PARTS, PLACES, CanvasSource, part_of
from csstream.trainer.classifier_card import make_card
from csstream.trainer.classifier_data import Counts, TrainingSet
from csstream.trainer.classifier_export import check_parity, export_classifier
from csstream.trainer.classifier_metrics import (
    balance,
    best_temperature,
    compare,
    log_loss,
    metrics,
    softmax,
)
from csstream.trainer.classifier_network import CurveNetwork
from csstream.trainer.classifier_store import gather_all
from csstream.trainer.classifier_trees import export_trees, fit_trees, scores

Array = npt.NDArray[Any]
Say = Callable[[str], None]

CHECKPOINT = "checkpoint.pt"
WEIGHTS = "classifier.onnx"
PARITY_ROWS = 256


class TooFewRowsError(RuntimeError):
    """The panels hold too few shortlisted stars to train on."""


@dataclass(frozen=True, kw_only=True)
class ClassifierSettings:
    """How the classifier is trained. Panels are dealt to the parts, so stars never mix."""

    seed: int = 1
    panels: int = 300
    epochs: int = 25
    batch: int = 128
    learning_rate: float = 2e-3
    weight_decay: float = 1e-4
    threads: int = 1
    ship: str = "better"  # or "network" or "trees", whatever the test stars say


@dataclass(frozen=True, eq=False)
class Contender:
    """A trained classifier: its logits of a set, and how it becomes an ONNX file."""

    name: str
    logits: Callable[[TrainingSet], Array]
    export: Callable[[float, Path], None]


def train_classifier(
    settings: ClassifierSettings, sources: Sequence[CanvasSource], out: Path, say: Say
) -> Path:
    """Make the data (or what of them ``out`` lacks), train, compare, export the better one.

    Every source gives the settings' number of panels. Returns the ONNX file. The network is
    exported where the two are equal within their errors.
    """
    out.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(settings.threads)
    data, counts = gather_all(settings.panels, settings.seed, sources, out, say)
    split = split_by_panel(data)
    contenders = (_network(split, settings, out, say), _trees(split, settings, say))
    noise = [source.name for source in sources]
    return _release(contenders, split, counts, settings, noise, out, say)


def split_by_panel(data: TrainingSet) -> dict[str, TrainingSet]:
    """The set cut into its parts. Raises :class:`TooFewRowsError` when one would be empty."""
    part = np.array([part_of(place) for place in range(PLACES)])[data.panel % PLACES]
    split = {name: data.select(part == name) for name in PARTS}
    for name, rows in split.items():
        if len(rows) == 0:
            raise TooFewRowsError(f"no star was shortlisted for {name}: make more panels")
    return split


def inputs_of(data: TrainingSet) -> tuple[Array, Array, Array]:
    """The network's inputs, as in serving."""
    return with_mask(data.global_view), with_mask(data.local_view), data.scalars


def _network(
    split: dict[str, TrainingSet], settings: ClassifierSettings, out: Path, say: Say
) -> Contender:
    network = fit(split, settings, out, say)

    def export(temperature: float, path: Path) -> None:
        network.temperature.fill_(temperature)
        export_classifier(network, path)
        network.temperature.fill_(1.0)

    return Contender("network", lambda data: logits_of(network, data), export)


def _trees(split: dict[str, TrainingSet], settings: ClassifierSettings, say: Say) -> Contender:
    say("training gradient-boosted trees")
    train = split["train"]
    trees = fit_trees(inputs_of(train), train.label, settings.seed)
    return Contender(
        "trees",
        lambda data: scores(trees, inputs_of(data)),
        lambda temperature, path: export_trees(trees, temperature, path),
    )


def _release(
    contenders: tuple[Contender, Contender],
    split: dict[str, TrainingSet],
    counts: Counts,
    settings: ClassifierSettings,
    noise: list[str],
    out: Path,
    say: Say,
) -> Path:
    """Calibrate, compare on the test stars, export both, and write the card of the better one."""
    calibration, test = split["calibration"], split["test"]
    few = test.select(slice(0, PARITY_ROWS))
    temperature = {
        c.name: best_temperature(c.logits(calibration), calibration.label) for c in contenders
    }
    chances = {c.name: softmax(c.logits(test), temperature[c.name]) for c in contenders}
    parity = {}
    for contender in contenders:
        path = out / f"{contender.name}.onnx"
        contender.export(temperature[contender.name], path)
        wanted = softmax(contender.logits(few), temperature[contender.name])
        parity[contender.name] = check_parity(path, inputs_of(few), wanted)
    against = compare(chances["network"], chances["trees"], test.label, test.panel)
    better = "trees" if against["winner"] == "second" else "network"
    winner = better if settings.ship == "better" else settings.ship
    path = out / WEIGHTS
    path.write_bytes((out / f"{winner}.onnx").read_bytes())
    limit = ExamineSettings().probability
    figures = {name: metrics(values, test.label, limit) for name, values in chances.items()}
    card = make_card(asdict(settings), noise, split, counts, chances[winner], figures, winner)
    card |= {"temperature": temperature[winner], "onnx_parity": parity[winner]}
    write_card(path, {**card, "comparison": against})
    _tell(figures, against, winner, path, say)
    return path


def _tell(
    figures: dict[str, Any], against: dict[str, Any], winner: str, path: Path, say: Say
) -> None:
    for name, values in figures.items():
        error = values["reliability"]["expected_calibration_error"]
        ap, loss = values["average_precision"], values["log_loss"]
        rates = values["false_positive_rate_at_recall"]
        say(f"{name}: AP {ap:.4f}, loss {loss:.4f}, calibration {error:.4f}, FPR {rates}")
    for name, row in against["figures"].items():
        say(f"network - trees, {name}: {row['difference']:+.4f} ± {row['error']:.4f}")
    say(f"{against['winner']}: the {winner} ships: {path}")


def fit(
    split: dict[str, TrainingSet], settings: ClassifierSettings, out: Path, say: Say
) -> CurveNetwork:
    """Train with early stopping by the validation loss; the best state is kept on disk."""
    torch.manual_seed(settings.seed)
    rng = np.random.default_rng(settings.seed)
    train = split["train"]
    network = CurveNetwork(train.scalars)
    optimiser = torch.optim.AdamW(
        network.parameters(), lr=settings.learning_rate, weight_decay=settings.weight_decay
    )
    steps = settings.epochs * (len(train) // settings.batch + 1)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, settings.learning_rate, steps)
    weight = _class_weights(train.label)
    best, start = np.inf, monotonic()
    for epoch in range(settings.epochs):
        network.train()
        for whole, near, scalars, label in batches(train, settings.batch, rng):
            loss = _weighted_loss(network(whole, near, scalars), label, weight)
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            schedule.step()
        valid = _loss(network, split["validation"])
        if valid < best:
            best = valid
            state = {"network": network.state_dict(), "settings": asdict(settings)}
            torch.save(state, out / CHECKPOINT)
        took = monotonic() - start
        say(f"epoch {epoch + 1}: validation {valid:.4f}, best {best:.4f}, {took:.0f} s")
    network.load_state_dict(torch.load(out / CHECKPOINT, weights_only=True)["network"])
    return network.eval()


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


def logits_of(network: CurveNetwork, data: TrainingSet) -> Array:
    """Logits (k, 4) of a set."""
    network.eval()
    with torch.no_grad():
        found = network(*(torch.from_numpy(a) for a in inputs_of(data)))
    return np.asarray(found.numpy(), np.float64)


def _loss(network: CurveNetwork, data: TrainingSet) -> float:
    return log_loss(softmax(logits_of(network, data), 1.0), data.label)


def _class_weights(label: Array) -> torch.Tensor:
    """Weight of each class (4,), so that variables and others have one half each."""
    one = balance(np.append(label, [0, 1]))[-2:]  # of a row that is none, and of a variable
    return torch.tensor([one[0]] + [one[1]] * (len(KINDS) - 1), dtype=torch.float32)


def _weighted_loss(logits: torch.Tensor, label: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
    """Mean loss with the weight of each row's class, (4,)."""
    each = nn.functional.cross_entropy(logits, label, reduction="none")
    return (each * weight[label]).mean()
