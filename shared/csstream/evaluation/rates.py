"""Shares with exact limits, and the precision that they mean in a population."""

from __future__ import annotations

from typing import NamedTuple

from scipy.special import betaincinv

LEVEL = 0.95


class Rate(NamedTuple):
    """``hits`` of ``total``, and the limits of the share; all nan where there is nothing."""

    hits: int
    total: int
    value: float
    low: float
    high: float


def rate(hits: int, total: int, level: float = LEVEL) -> Rate:
    """Return a share with its two-sided limits of Clopper and Pearson (1934, Biometrika 26, 404).

    Raises ValueError unless ``0 <= hits <= total``.
    """
    if not 0 <= hits <= total:
        raise ValueError(f"{hits} of {total} is no share")
    if total == 0:
        return Rate(0, 0, float("nan"), float("nan"), float("nan"))
    tail = 0.5 * (1.0 - level)
    low = float(betaincinv(hits, total - hits + 1, tail)) if hits > 0 else 0.0
    high = float(betaincinv(hits + 1, total - hits, 1.0 - tail)) if hits < total else 1.0
    return Rate(hits, total, hits / total, low, high)


class Precision(NamedTuple):
    """Share of the alerts that are right; the limits pair the worst and the best of both rates."""

    value: float
    low: float
    high: float


def precision_at(prevalence: float, recall: Rate, false_positives: Rate) -> Precision:
    """Return the precision where a share ``prevalence`` of the stars is what is looked for."""
    return Precision(
        _precision(prevalence, recall.value, false_positives.value),
        _precision(prevalence, recall.low, false_positives.high),
        _precision(prevalence, recall.high, false_positives.low),
    )


def _precision(prevalence: float, recall: float, false_rate: float) -> float:
    right = prevalence * recall
    alerts = right + (1.0 - prevalence) * false_rate
    return right / alerts if alerts > 0.0 else float("nan")
