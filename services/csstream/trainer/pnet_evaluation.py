"""An honest evaluation of PNet: other skies than it was trained on, at pinned conditions."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

from csstream.evaluation.calibration import reliability
from csstream.evaluation.scores import RADII, partners, score
from csstream.evaluation.statistics import robust_width
from csstream.imaging.finding.pnet_calibration import Calibration
from csstream.trainer.pnet_calibration import MAG_PER_LN, misses_of, partner
from csstream.trainer.pnet_skies import Examined

Float = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]

BIN_EDGES = (7.5, 6.0, 4.0, 3.0, 2.0, 1.5, 1.0)  # [mag] brighter than the scene's faintest star
ERROR_BINS = 5
LISTED = 0.5  # least probability in a list that no fit prunes


def summarise(examined: Examined, calibration: Calibration, scale: float = 1.0) -> dict[str, Any]:
    """Return scores, scatter, and how far probabilities and errors can be trusted, of one frame.

    ``scale`` stretches the radii at which finds are matched, for PSFs wider than two pixels.
    Scored is the list of finds that are more likely stars than not.
    """
    probability = calibration.probability(examined.found.logit)
    listed = examined.select(probability >= LISTED)
    scored_true = examined.inside & (examined.truth.mag < examined.scored_mag)
    result: dict[str, Any] = {"finds": int(listed.found.x.size), "scored_mag": examined.scored_mag}
    result["lenient"] = _scores(listed, scored_true, scale, strict=False)
    result["strict"] = _scores(listed, scored_true, scale, strict=True)
    result |= _photometry(listed, partner(listed, RADII[-1] * scale), scored_true)
    return result | trust([examined], calibration, scale)


def trust(
    skies: Sequence[Examined], calibration: Calibration, scale: float = 1.0
) -> dict[str, list[dict[str, float]]]:
    """Return, of all finds of some frames, probabilities and errors beside what they were.

    Errors are of x [pixel] and of the magnitude, in groups by the predicted error.
    """
    matched = [(examined, partner(examined, RADII[-1] * scale)) for examined in skies]
    logit = np.concatenate([examined.found.logit for examined, _ in matched])
    right = np.concatenate([other >= 0 for _, other in matched])
    misses = [misses_of(examined, other) for examined, other in matched]
    shift, flux, _, _ = (np.concatenate(column) for column in zip(*misses, strict=True))
    position = np.concatenate([calibration.position_error(e.found)[o >= 0] for e, o in matched])
    relative = np.concatenate([calibration.flux_error(e.found)[o >= 0] for e, o in matched])
    return {
        "reliability": reliability(calibration.probability(logit), right),
        "position_errors": _error_table(position, shift),
        "magnitude_errors": _error_table(MAG_PER_LN * relative, MAG_PER_LN * flux),
    }


def _scores(
    examined: Examined, scored_true: Mask, scale: float, *, strict: bool
) -> dict[str, list[float]]:
    """Return recall, precision and F1 at each of :data:`RADII`, times ``scale``.

    Lenient: a find is right when it is any simulated star. Strict: only when it is a scored one.
    """
    found, truth = examined.found, examined.truth
    stars = truth.select(scored_true) if strict else truth
    wanted = np.ones(len(stars), np.bool_) if strict else scored_true
    counted = examined.magnitude < examined.scored_mag
    columns: dict[str, list[float]] = {"radius": [], "recall": [], "precision": [], "f1": []}
    for radius in RADII:
        other = partners(found.x, found.y, stars.x, stars.y, radius * scale)
        values = (radius * scale, *score(other, counted, wanted))
        for column, value in zip(columns.values(), values, strict=True):
            column.append(round(float(value), 4))
    return columns


def _photometry(
    examined: Examined, other: npt.NDArray[np.int64], scored_true: Mask
) -> dict[str, Any]:
    hit = other >= 0
    hit[hit] = scored_true[other[hit]]
    true_mag = examined.truth.mag[other[hit]]
    miss = examined.magnitude[hit] - true_mag
    shift = examined.found.x[hit] - examined.truth.x[other[hit]]
    edges = examined.truth.mag.max() - np.array(BIN_EDGES)
    scatter = []
    for low, high in pairwise(edges):
        inside = (true_mag >= low) & (true_mag < high)
        row = {"mag": [round(float(low), 2), round(float(high), 2)], "number": int(inside.sum())}
        row |= {"mag_scatter": robust_width(miss[inside]), "x_scatter": robust_width(shift[inside])}
        scatter.append(row)
    return {
        "mag_miss_mean": float(np.abs(miss).mean()) if miss.size else float("nan"),
        "mag_miss_median": float(np.median(np.abs(miss))) if miss.size else float("nan"),
        "scatter": scatter,
    }


def _error_table(error: Float, miss: Float) -> list[dict[str, float]]:
    order = np.argsort(error, kind="stable")
    table = []
    for group in np.array_split(order, ERROR_BINS):
        if group.size == 0:
            continue
        pull = miss[group] / error[group]
        row = {"error": float(np.median(error[group])), "scatter": robust_width(miss[group])}
        row |= {"pull_width": robust_width(pull), "within_one": float((np.abs(pull) < 1.0).mean())}
        table.append(row | {"number": int(group.size)})
    return table
