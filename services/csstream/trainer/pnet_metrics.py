"""How good a list of stars is, against the simulated truth."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from csstream.imaging.matching import match_pixels

Float = npt.NDArray[np.float64]
Index = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]

RADII = (0.1, 0.25, 0.5)  # [pixel]


class Score(NamedTuple):
    """Recall over the scored stars, precision over the scored finds, their harmonic mean."""

    recall: float
    precision: float
    f1: float


def partners(x: Float, y: Float, true_x: Float, true_y: Float, radius: float) -> Index:
    """Return for each find (n,) the index of its true star, or −1; one to one, closest first."""
    found, true, _ = match_pixels(x, y, true_x, true_y, radius)
    partner = np.full(x.size, -1, np.int64)
    partner[found] = true
    return partner


def score(partner: Index, scored_found: Mask, scored_true: Mask) -> Score:
    """Score a match of finds (n,) against true stars (m,).

    Parameters
    ----------
    scored_found : ndarray, (n,), bool
        The finds that count for precision; right is whoever has a partner.
    scored_true : ndarray, (m,), bool
        The true stars that count for recall.
    """
    hit = np.zeros(scored_true.size, np.bool_)
    hit[partner[partner >= 0]] = True
    recall = float(hit[scored_true].mean()) if scored_true.any() else 1.0
    precision = float((partner[scored_found] >= 0).mean()) if scored_found.any() else 1.0
    total = recall + precision
    return Score(recall, precision, 2.0 * recall * precision / total if total > 0.0 else 0.0)


def robust_width(values: Float) -> float:
    """Return 1.4826 × the median absolute deviation; nan without values."""
    if values.size == 0:
        return float("nan")
    return float(1.4826 * np.median(np.abs(values - np.median(values))))


def fit_calibration(logit: Float, right: Mask, knots: int = 16) -> tuple[Float, Float]:
    """Return knots (k,) of P(right) over the raw logit, both rising, for linear interpolation.

    Each knot is the mean logit of an equally large group and the share of it that is right, made
    monotone by pooling neighbours (Ayer et al. 1955).
    """
    order = np.argsort(logit, kind="stable")
    groups = [g for g in np.array_split(order, knots) if g.size]
    pooled: list[tuple[float, float, int]] = []  # mean logit, share right, number
    for group in groups:
        entry = (float(logit[group].mean()), float(right[group].mean()), int(group.size))
        while pooled and pooled[-1][1] >= entry[1]:
            before = pooled.pop()
            n = before[2] + entry[2]
            mean, share = ((before[i] * before[2] + entry[i] * entry[2]) / n for i in (0, 1))
            entry = (mean, share, n)
        pooled.append(entry)
    return np.array([e[0] for e in pooled]), np.array([e[1] for e in pooled])


def reliability(probability: Float, right: Mask, bins: int = 10) -> list[dict[str, float]]:
    """Return, per bin of probability, its mean, the share that is right, and the number."""
    which = np.clip((probability * bins).astype(np.int64), 0, bins - 1)
    table = []
    for k in range(bins):
        inside = which == k
        if inside.any():
            mean, share = float(probability[inside].mean()), float(right[inside].mean())
            table.append({"probability": mean, "right": share, "number": int(inside.sum())})
    return table
