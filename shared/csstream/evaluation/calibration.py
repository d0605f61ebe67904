"""Probabilities from raw scores, and how far they can be trusted."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Float = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]


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
