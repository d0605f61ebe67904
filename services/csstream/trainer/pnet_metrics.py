"""How good a list of stars is, against the simulated truth."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.spatial import cKDTree

Float = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]


class Score(NamedTuple):
    """Recall over the scored stars, precision, and their harmonic mean."""

    recall: float
    precision: float
    f1: float


def match_one_to_one(
    x: Float, y: Float, true_x: Float, true_y: Float, radius: float
) -> npt.NDArray[np.int64]:
    """Pair each found star with at most one true star, closest pairs first.

    Returns, for each found star (n,), the index of its true star or −1.
    """
    partner = np.full(x.size, -1, np.int64)
    if x.size == 0 or true_x.size == 0:
        return partner
    tree = cKDTree(np.column_stack([true_x, true_y]))
    near = tree.query_ball_point(np.column_stack([x, y]), radius)
    found = np.repeat(np.arange(x.size), [len(n) for n in near])
    true = np.concatenate([np.asarray(n, np.int64) for n in near])
    distance = np.hypot(x[found] - true_x[true], y[found] - true_y[true])
    taken = np.zeros(true_x.size, np.bool_)
    for k in np.argsort(distance, kind="stable"):
        if partner[found[k]] < 0 and not taken[true[k]]:
            partner[found[k]] = true[k]
            taken[true[k]] = True
    return partner


def score_lenient(partner: npt.NDArray[np.int64], scored_found: Mask, scored_true: Mask) -> Score:
    """Score where a find is right when it is *any* simulated star.

    ``scored_found`` (n,) picks the finds that count for precision, ``scored_true`` (m,) the true
    stars that count for recall.
    """
    hit = np.zeros(scored_true.size, np.bool_)
    hit[partner[partner >= 0]] = True
    recall = float(hit[scored_true].mean()) if scored_true.any() else float("nan")
    right = partner[scored_found] >= 0
    precision = float(right.mean()) if right.size else float("nan")
    total = recall + precision
    return Score(recall, precision, 2.0 * recall * precision / total if total > 0.0 else 0.0)
