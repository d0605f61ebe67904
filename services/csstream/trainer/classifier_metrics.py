"""How good a classifier of light curves is: figures for its model card."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from csstream.timeseries.kinds import KINDS

Array = npt.NDArray[Any]

BINS = 10


def metrics(probabilities: Array, label: Array, passed: Array, limit: float) -> dict[str, Any]:
    """Figures of probabilities (k, 4) against labels (k,).

    passed : (k,) bool: crossed all thresholds but the network's. limit : the network's, on the
    probability that the star is variable.
    """
    variable = 1.0 - probabilities[:, 0]
    truth = label > 0
    named = 1 + np.argmax(probabilities[:, 1:], axis=1)
    alerted = variable >= limit
    return {
        "rows": len(label),
        "log_loss": _log_loss(probabilities, label),
        "average_precision": average_precision(variable, truth),
        "accuracy": float(np.mean(np.argmax(probabilities, axis=1) == label)),
        "confusion": confusion(np.argmax(probabilities, axis=1), label),
        "kind_accuracy_of_alerted": _mean(named[truth & alerted] == label[truth & alerted]),
        "recall_at_limit": {
            kind: _mean(alerted[label == k]) for k, kind in enumerate(KINDS) if k > 0
        },
        "false_positive_rate_at_limit": _mean(alerted[~truth]),
        "with_thresholds": {
            "false_positive_rate_thresholds_alone": _mean(passed[~truth]),
            "false_positive_rate": _mean((passed & alerted)[~truth]),
            "false_positives": int(np.count_nonzero((passed & alerted)[~truth])),
            "recall": {
                kind: _mean((passed & alerted)[label == k]) for k, kind in enumerate(KINDS) if k
            },
        },
        "reliability": reliability(variable, truth),
    }


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
    """Stated against true share of variables in ten bins, and the expected calibration error."""
    index = np.minimum((variable * BINS).astype(int), BINS - 1)
    rows, error = [], 0.0
    for b in range(BINS):
        inside = index == b
        if not inside.any():
            continue
        stated, found = float(variable[inside].mean()), float(truth[inside].mean())
        error += inside.mean() * abs(stated - found)
        rows.append({"stated": round(stated, 3), "found": round(found, 3), "n": int(inside.sum())})
    return {"bins": rows, "expected_calibration_error": float(error)}


def _log_loss(probabilities: Array, label: Array) -> float:
    chosen = probabilities[np.arange(len(label)), label]
    return float(-np.mean(np.log(np.maximum(chosen, 1e-9))))


def _mean(values: Array) -> float | None:
    return float(np.mean(values)) if len(values) else None
