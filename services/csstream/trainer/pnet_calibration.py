"""What makes probabilities and errors of a network's answers, measured on a sky of its own."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from csstream.evaluation.calibration import fit_calibration
from csstream.evaluation.scores import partners, score
from csstream.evaluation.statistics import robust_width
from csstream.imaging.pnet_calibration import LAPLACE_TO_SIGMA
from csstream.trainer.pnet_skies import Examined

Float = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]

MAG_PER_LN = 2.5 / np.log(10.0)
THRESHOLDS = (0.15, 0.2, 0.25, 0.3, 0.35, 0.4, 0.45, 0.5, 0.55, 0.6)  # of the raw score
KNOTS = 12
MISS_LIMIT = 3.0  # [ln] a flux this wrong is another star's


def calibrate(skies: Sequence[Examined], radius: float) -> dict[str, Any]:
    """Return the knots of a model card from all finds of some frames.

    ``radius`` [pixel]: a find with a simulated star that near is right.
    """
    pairs = [(examined, partner(examined, radius)) for examined in skies]
    logit = np.concatenate([examined.found.logit for examined, _ in pairs]).astype(np.float64)
    right = np.concatenate([other >= 0 for _, other in pairs])
    at, probability = fit_calibration(logit, right) if logit.size else (np.zeros(1), np.zeros(1))
    misses = [misses_of(examined, other) for examined, other in pairs]
    shift, flux, ln_position, ln_flux = (
        np.concatenate(column) for column in zip(*misses, strict=True)
    )
    return {
        "logit": at.tolist(),
        "probability": probability.tolist(),
        "position": _width_factors(ln_position, shift),
        "flux": _width_factors(ln_flux, flux),
    }


def choose_threshold(skies: Sequence[Examined], radius: float) -> float:
    """Return the raw score at which the list of stars has the best F1.

    Right is a find that is any simulated star; to be found are the stars that were listed in
    training. The frames must hold finds down to the least of :data:`THRESHOLDS`.
    """
    scores = [np.mean([_list_f1(examined, t, radius) for examined in skies]) for t in THRESHOLDS]
    return THRESHOLDS[int(np.argmax(scores))]


def partner(examined: Examined, radius: float) -> npt.NDArray[np.int64]:
    """Return the index of each find's star, or −1."""
    found, truth = examined.found, examined.truth
    return partners(found.x, found.y, truth.x, truth.y, radius)


def misses_of(
    examined: Examined, other: npt.NDArray[np.int64]
) -> tuple[Float, Float, Float, Float]:
    """Return x's miss [pixel], the flux's [ln], and the logarithms of both widths, of the hits."""
    hit = other >= 0
    star = other[hit]
    flux = (examined.truth.mag[star] - examined.magnitude[hit]) / MAG_PER_LN
    shift = examined.found.x[hit] - examined.truth.x[star]
    ln_position = np.log(examined.found.position_width[hit].astype(np.float64))
    ln_flux = np.log(examined.found.flux_width[hit].astype(np.float64))
    return shift, np.clip(flux, -MISS_LIMIT, MISS_LIMIT), ln_position, ln_flux


def _width_factors(ln_width: Float, miss: Float) -> dict[str, list[float]]:
    """Return knots of error over Laplace width, in groups of equal number."""
    if miss.size < KNOTS:
        return {"ln_width": [0.0], "factor": [LAPLACE_TO_SIGMA]}
    order = np.argsort(ln_width, kind="stable")
    groups = np.array_split(order, KNOTS)
    at = [float(ln_width[g].mean()) for g in groups]
    factor = [robust_width(miss[g] / np.exp(ln_width[g])) for g in groups]
    return {"ln_width": at, "factor": factor}


def _list_f1(examined: Examined, threshold: float, radius: float) -> float:
    found, truth = examined.found, examined.truth
    kept = found.score >= threshold
    other = partners(found.x[kept], found.y[kept], truth.x, truth.y, radius)
    wanted = examined.inside & (truth.mag < examined.listed_mag)
    return score(other, np.ones(other.size, np.bool_), wanted).f1
