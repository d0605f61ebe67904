"""How good a classifier of light curves is: figures for its model card, and who wins."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from csstream.timeseries.kinds import KINDS

Array = npt.NDArray[Any]

BINS = 10
RECALLS = (0.90, 0.95, 0.97)  # at which false-positive rates are compared
RESAMPLINGS = 400
CERTAIN = 2.0  # standard errors from which a difference counts


def metrics(probabilities: Array, label: Array, limit: float) -> dict[str, Any]:
    """Figures of probabilities (k, 4) against labels (k,).

    limit : threshold of an alert on the probability that the star is variable.
    """
    variable = 1.0 - probabilities[:, 0]
    truth = label > 0
    named = 1 + np.argmax(probabilities[:, 1:], axis=1)
    alerted = variable >= limit
    return {
        "rows": len(label),
        "log_loss": log_loss(probabilities, label),
        "average_precision": average_precision(variable, truth),
        "accuracy": float(np.mean(np.argmax(probabilities, axis=1) == label)),
        "confusion": confusion(np.argmax(probabilities, axis=1), label),
        "kind_accuracy_of_alerted": _mean(named[truth & alerted] == label[truth & alerted]),
        "recall_at_limit": {
            kind: _mean(alerted[label == k]) for k, kind in enumerate(KINDS) if k > 0
        },
        "false_positive_rate_at_limit": _mean(alerted[~truth]),
        "false_positive_rate_at_recall": {
            f"{recall:g}": false_positives_at(variable, truth, recall) for recall in RECALLS
        },
        "reliability": reliability(variable, truth),
    }


def compare(one: Array, two: Array, label: Array, panel: Array, seed: int = 0) -> dict[str, Any]:
    """Differences of two sets of probabilities (k, 4), with errors by resampling whole panels.

    Each figure is (first minus second, its standard error). Average precision and log-loss decide:
    ``winner`` is ``first`` or ``second`` where both agree and one of them is certain, else
    ``within errors``.
    """
    rng = np.random.default_rng(seed)
    groups = [np.flatnonzero(panel == p) for p in np.unique(panel)]
    drawn = [
        _differences(one, two, label, np.concatenate([groups[k] for k in chosen]))
        for chosen in rng.integers(0, len(groups), (RESAMPLINGS, len(groups)))
    ]
    whole = _differences(one, two, label, np.arange(len(label)))
    error = {name: float(np.std([d[name] for d in drawn])) for name in whole}
    table = {name: {"difference": whole[name], "error": error[name]} for name in whole}
    return {"figures": table, "winner": _winner(table)}


def _winner(table: dict[str, dict[str, float]]) -> str:
    gains = [
        sign * table[name]["difference"] / max(table[name]["error"], 1e-12)
        for name, sign in (("average_precision", 1.0), ("log_loss", -1.0))
    ]
    if min(gains) > 0 and max(gains) > CERTAIN:
        return "first"
    if max(gains) < 0 and min(gains) < -CERTAIN:
        return "second"
    return "within errors"


def _differences(one: Array, two: Array, label: Array, rows: Array) -> dict[str, float]:
    truth = label[rows] > 0
    figures = []
    for probabilities in (one[rows], two[rows]):
        variable = 1.0 - probabilities[:, 0]
        values = {
            "average_precision": average_precision(variable, truth),
            "log_loss": log_loss(probabilities, label[rows]),
            "calibration_error": reliability(variable, truth)["expected_calibration_error"],
        }
        for recall in RECALLS:
            name = f"false_positive_rate_at_{recall:g}"
            values[name] = false_positives_at(variable, truth, recall)
        figures.append(values)
    first, second = figures
    return {name: first[name] - second[name] for name in first}


def balance(label: Array) -> Array:
    """Weights (k,) with mean 1 that give variables and others one half each."""
    variable = np.asarray(label) > 0
    share = float(np.clip(np.mean(variable), 1e-6, 1.0 - 1e-6)) if len(variable) else 0.5
    return np.where(variable, 0.5 / share, 0.5 / (1.0 - share))


def false_positives_at(score: Array, truth: Array, recall: float) -> float:
    """Share of the negatives at or above the score that reaches a recall of the positives."""
    positive, negative = np.sort(score[truth])[::-1], score[~truth]
    if len(positive) == 0 or len(negative) == 0:
        return float("nan")
    limit = positive[min(int(np.ceil(recall * len(positive))), len(positive)) - 1]
    return float(np.mean(negative >= limit))


def confusion(named: Array, label: Array) -> dict[str, dict[str, int]]:
    """Counts by true kind, then by named kind."""
    return {
        kind: {
            other: int(np.count_nonzero((label == k) & (named == j)))
            for j, other in enumerate(KINDS)
        }
        for k, kind in enumerate(KINDS)
    }


def average_precision(score: Array, truth: Array) -> float:
    """Mean precision over the recalls, ties in order of appearance."""
    order = np.argsort(-score, kind="stable")
    hits = truth[order]
    precision = np.cumsum(hits) / np.arange(1, len(hits) + 1)
    return float(np.sum(precision * hits)) / max(int(np.count_nonzero(hits)), 1)


def reliability(variable: Array, truth: Array) -> dict[str, Any]:
    """Stated against true share of variables in ten bins, and the expected calibration error.

    Variables and others have one half of the weight each.
    """
    weight = balance(truth)
    index = np.minimum((variable * BINS).astype(int), BINS - 1)
    rows, error = [], 0.0
    for b in range(BINS):
        inside = index == b
        if not inside.any():
            continue
        stated, found = (
            float(np.average(values[inside], weights=weight[inside]))
            for values in (variable, truth)
        )
        error += weight[inside].sum() / weight.sum() * abs(stated - found)
        rows.append({"stated": round(stated, 3), "found": round(found, 3), "n": int(inside.sum())})
    return {"bins": rows, "expected_calibration_error": float(error)}


def log_loss(probabilities: Array, label: Array) -> float:
    """Mean of minus the logarithm of the true class's probability.

    Variables and others have one half of the weight each.
    """
    chosen = probabilities[np.arange(len(label)), label]
    return float(-np.average(np.log(np.maximum(chosen, 1e-9)), weights=balance(label)))


def softmax(logits: Array, temperature: float) -> Array:
    """Probabilities (k, 4) of logits (k, 4)."""
    values = np.asarray(logits, np.float64) / temperature
    values = np.exp(values - values.max(axis=1, keepdims=True))
    return np.asarray(values / values.sum(axis=1, keepdims=True))


def best_temperature(logits: Array, label: Array) -> float:
    """The temperature with the smallest loss on a set that nothing else was fitted to."""
    tried = np.geomspace(0.4, 4.0, 121)
    losses = [log_loss(softmax(logits, t), label) for t in tried]
    return float(tried[int(np.argmin(losses))])


def _mean(values: Array) -> float | None:
    return float(np.mean(values)) if len(values) else None
