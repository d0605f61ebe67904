"""The bound of a scene as a table over magnitude."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from csstream.evaluation.limits import best_recall, chance_within, separable
from csstream.evaluation.lists import Float, Truth
from csstream.evaluation.scores import RADII

HALF_BIN = 0.5  # [mag]


def bound_table(
    truth: Truth, magnitudes: Sequence[float], isolated_mag: Float, isolated_x: Float
) -> list[dict[str, float]]:
    """Return what the photons allow at each of some magnitudes.

    Parameters
    ----------
    magnitudes : sequence of float, k [mag]
    isolated_mag, isolated_x : ndarray, (k,) [mag], [pixel]
        Bound of stars of exactly these magnitudes that stand alone.

    Returns
    -------
    list of dict
        ``mag``; ``stars`` of the scene within half a magnitude; ``isolated_mag, isolated_x``;
        ``crowded_mag, crowded_x``, their medians with all neighbours there; ``separable``, the
        share that can be told from their neighbours; ``recall_r``, the best recall within r
        pixels.
    """
    rows = []
    for k, mag in enumerate(magnitudes):
        near = truth.inside & (np.abs(truth.mag - mag) <= HALF_BIN)
        stars = truth.select(np.asarray(near))
        row = {"mag": float(mag), "stars": len(stars)}
        row |= {"isolated_mag": float(isolated_mag[k]), "isolated_x": float(isolated_x[k])}
        row |= {"crowded_mag": _median(stars.sigma_mag), "crowded_x": _median(stars.sigma_x)}
        listed = separable(stars)
        row["separable"] = _mean(listed.astype(np.float64))
        for radius in RADII:
            chance = chance_within(radius, stars.sigma_x, stars.sigma_y) * listed
            row[f"recall_{radius:g}"] = _mean(chance)
        rows.append(row)
    return rows


def recalls(truth: Truth, limit: float) -> dict[str, float]:
    """Return the best recall of all stars brighter than ``limit`` at each radius."""
    return {f"recall_{radius:g}": best_recall(truth, radius, limit) for radius in RADII}


def _median(values: Float) -> float:
    return float(np.median(values)) if values.size else float("nan")


def _mean(values: Float) -> float:
    return float(values.mean()) if values.size else float("nan")
