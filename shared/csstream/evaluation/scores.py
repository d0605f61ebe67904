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
