"""How good a list of stars is, against the simulated truth."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from csstream.evaluation.judged import WIDEST, Judged
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
    return _harmonic(_share(hit[scored_true]), _share(partner[scored_found] >= 0))


def score_judged(judged: Judged, radius: float, *, strict: bool = False) -> Score:
    """Score finds within ``radius`` [pixel], see :func:`score`.

    Lenient: a find is right when it is any simulated star. Strict: only when it is a scored one.
    Either way recall is over the scored stars and precision over the finds measured as such.
    """
    hit = judged.hit(radius, strict=strict)[judged.scored]
    right = judged.right(radius, strict=strict)[judged.counted]
    return _harmonic(_share(hit), _share(right))


def by_magnitude(judged: Judged, edges: Sequence[float], radius: float) -> list[dict[str, float]]:
    """Score the finds bin by bin, leniently.

    Recall is over the true magnitude, precision over the measured one.
    """
    hit, right = judged.hit(radius), judged.right(radius)
    rows = []
    for low, high in pairwise(edges):
        true = judged.truth.inside & (judged.truth.mag >= low) & (judged.truth.mag < high)
        found = (judged.finds.mag >= low) & (judged.finds.mag < high)
        result = _harmonic(_share(hit[true]), _share(right[found]))
        row = {"low": low, "high": high, "stars": int(true.sum()), "finds": int(found.sum())}
        rows.append(row | result._asdict())
    return rows


def false_bright(judged: Judged, limit: float = 23.0) -> tuple[int, float, float]:
    """Count the finds measured brighter than ``limit`` that are no simulated star.

    Returns
    -------
    number : int
    per_thousand : float
        Per 1000 scored stars of the scene.
    per_thousand_bright : float
        Per 1000 true stars brighter than ``limit``.
    """
    with np.errstate(invalid="ignore"):
        bright = judged.finds.mag < limit
    false = int((bright & ~judged.right(WIDEST)).sum())
    scored = int(judged.scored.sum())
    near = int((judged.truth.inside & (judged.truth.mag < limit)).sum())
    return false, 1000.0 * false / max(scored, 1), 1000.0 * false / max(near, 1)


def _share(values: Mask) -> float:
    return float(values.mean()) if values.size else 1.0


def _harmonic(recall: float, precision: float) -> Score:
    total = recall + precision
    return Score(recall, precision, 2.0 * recall * precision / total if total > 0.0 else 0.0)
