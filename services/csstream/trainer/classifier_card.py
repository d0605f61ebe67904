"""The model card of a classifier: what it is, what it learned from, how good it is."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

from csstream.inference.classifier import CHANNELS
from csstream.timeseries.features import SCALARS
from csstream.timeseries.kinds import KINDS
from csstream.timeseries.settings import ExamineSettings
from csstream.timeseries.views import GLOBAL_BINS, LOCAL_BINS
from csstream.trainer.classifier_data import Counts, TrainingSet
from csstream.trainer.classifier_metrics import metrics
from csstream.trainer.classifier_stars import ORIGINS
from csstream.trainer.classifier_store import SOURCE_STEP

Array = npt.NDArray[Any]

SNR_EDGES = (0.0, 0.5, 1.0, 1.5, 2.0, 3.0, 5.0, 10.0, np.inf)


def make_card(
    settings: dict[str, Any],
    noise: list[str],
    split: dict[str, TrainingSet],
    counts: Counts,
    chances: Array,
    figures: dict[str, Any],
    winner: str,
) -> dict[str, Any]:
    """Card of the winner, whose probabilities of the test rows are ``chances`` (k, 4)."""
    test = split["test"]
    limit = ExamineSettings().probability
    return {
        "name": "classifier",
        "task": "classifier",
        "kind": winner,
        "made_by": (
            f"csstream train classifier --seed {settings['seed']} --panels {settings['panels']}"
        ),
        "noise": noise,
        "settings": settings,
        "inputs": {
            "global": f"(b, {CHANNELS}, {GLOBAL_BINS}) float32: folded view, mask, scatter",
            "local": f"(b, {CHANNELS}, {LOCAL_BINS}) float32: +-2 durations, mask, scatter",
            "scalars": f"(b, {len(SCALARS)}) float32",
        },
        "scalars": list(SCALARS),
        "outputs": list(KINDS),
        "limits": (
            "Shapes of one simulator; no real light curves. Variables with a wrong period are "
            "left out. Probabilities hold for a shortlist of which one half is variable."
        ),
        "probability_limit": limit,
        "rows": {name: len(part) for name, part in split.items()},
        "counts": {name: dict(getattr(counts, name)) for name in Counts.__dataclass_fields__},
        "test": figures[winner],
        "test_other": figures["trees" if winner == "network" else "network"],
        "test_by_origin": by_origin(test, chances, limit),
        "test_by_snr": by_snr(test, chances),
        "test_by_noise": by_noise(test, chances, noise, limit),
    }


def by_origin(data: TrainingSet, chances: Array, limit: float) -> dict[str, dict[str, Any]]:
    """Of each origin: rows, the share named right, and the share above the alert's limit."""
    right = np.argmax(chances, axis=1) == data.label
    alerted = 1.0 - chances[:, 0] >= limit
    table = {}
    for code, origin in enumerate(ORIGINS):
        rows = data.origin == code
        if rows.any():
            shares = {"right": float(right[rows].mean()), "alerted": float(alerted[rows].mean())}
            table[origin] = {"rows": int(rows.sum()), **shares}
    return table


def by_noise(
    data: TrainingSet, chances: Array, noise: list[str], limit: float
) -> list[dict[str, Any]]:
    """Figures of the rows of each source of noise that have both variables and others."""
    source = data.panel // SOURCE_STEP
    table = []
    for code, name in enumerate(noise):
        rows = source == code
        if np.any(data.label[rows] > 0) and np.any(data.label[rows] == 0):
            figures = metrics(chances[rows], data.label[rows], limit)
            table.append({"noise": name, **figures})
    return table


def by_snr(data: TrainingSet, chances: Array) -> list[dict[str, Any]]:
    """Of each bin of equation 5: rows, and the share of variables taken for variables."""
    table = []
    for low, high in pairwise(SNR_EDGES):
        rows = (data.label > 0) & (data.snr >= low) & (data.snr < high)
        if rows.any():
            variable = float(np.mean(chances[rows, 0] < 0.5))
            top = None if np.isinf(high) else high
            table.append({"low": low, "high": top, "rows": int(rows.sum()), "variable": variable})
    return table
