"""What makes probabilities and errors of a network's answers, measured on a sky of its own."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from csstream.evaluation.calibration import fit_calibration
from csstream.evaluation.scores import partners
from csstream.evaluation.statistics import robust_width
from csstream.imaging.finding.pnet_calibration import LAPLACE_TO_SIGMA
from csstream.trainer.pnet_skies import Examined

Float = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]

MAG_PER_LN = 2.5 / np.log(10.0)
LEAST_SCORE = 0.1  # raw; calibration looks at finds down to it
LEAST_PROBABILITY = 0.1
PROBABILITY_KNOTS = 48  # the steep part holds few finds
KNOTS = 12
MISS_LIMIT = 3.0  # [ln] a flux this wrong is another star's


def calibrate(skies: Sequence[Examined], radius: float) -> dict[str, Any]:
    """Return the knots of a model card from all finds of some frames.

    ``radius`` [pixel]: a find with a simulated star that near is right.
    """
    pairs = [(examined, partner(examined, radius)) for examined in skies]
    logit = np.concatenate([examined.found.logit for examined, _ in pairs]).astype(np.float64)
    right = np.concatenate([other >= 0 for _, other in pairs])
    at, probability = np.zeros(1), np.zeros(1)
    if logit.size:
        at, probability = fit_calibration(logit, right, PROBABILITY_KNOTS)
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


def choose_threshold(knots: dict[str, Any]) -> float:
    """Return the raw score at which a find is a star with :data:`LEAST_PROBABILITY`.

    It is low: the joint fit drops what carries no flux, and a star that the list lacks spoils
    its neighbours' fluxes, which a ghost does not.
    """
    logit = np.array(knots["logit"])
    likely = np.flatnonzero(np.array(knots["probability"]) >= LEAST_PROBABILITY)
    first = int(likely[0]) if likely.size else logit.size - 1
    before = max(first - 1, 0)
    low, high = (knots["probability"][k] for k in (before, first))
    share = (LEAST_PROBABILITY - low) / (high - low) if high > low else 0.0
    at = logit[before] + min(max(share, 0.0), 1.0) * (logit[first] - logit[before])
    return float(max(LEAST_SCORE, 1.0 / (1.0 + np.exp(-at))))


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
