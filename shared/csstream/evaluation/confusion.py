"""The calibration of a finder's incompleteness on skies of known crowding."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from csstream.evaluation.statistics import robust_width
from csstream.imaging.finding.confusion import Confusion, decades

Float = npt.NDArray[np.float64]

SNR_EDGES = (0.0, 30.0, 100.0, 300.0, np.inf)
LEAST_STARS = 20  # in a range of S/N


@dataclass(frozen=True, eq=False)
class Pulls:
    """The matched stars of one sky: measured − true in units of the fit's own errors, (n,)."""

    crowding: float  # ν of :mod:`csstream.imaging.finding.confusion`
    flux: Float
    position: Float
    snr: Float  # true flux over the fit's error


def calibrate_confusion(skies: list[Pulls]) -> Confusion:
    """Return the coefficients that make the pulls of all skies unbiased and of unit width.

    Least squares through the origin over the skies: without neighbours there is no confusion.
    Raises ValueError without a sky.
    """
    if not skies:
        raise ValueError("no sky to calibrate the confusion on")
    nu = np.array([sky.crowding for sky in skies])
    flux = np.array([robust_width(sky.flux) ** 2 - 1.0 for sky in skies])
    position = np.array([robust_width(sky.position) ** 2 - 1.0 for sky in skies])
    shift, per_decade = _shifts(skies)
    return Confusion(
        shift=shift,
        shift_per_decade=per_decade,
        flux_variance=max(_slope(nu, flux), 0.0),
        position_variance=max(_slope(nu, position), 0.0),
    )


def _shifts(skies: list[Pulls]) -> tuple[float, float]:
    """Shift and its slope, from medians over ranges of S/N, weighted by the number of stars."""
    rows, medians = [], []
    for sky in skies:
        for low, high in pairwise(SNR_EDGES):
            inside = (sky.snr >= low) & (sky.snr < high)
            if inside.sum() < LEAST_STARS:
                continue
            weight = np.sqrt(inside.sum())
            brighter = float(decades(sky.snr[inside]).mean())
            rows.append([weight * sky.crowding, weight * sky.crowding * brighter])
            medians.append(weight * np.median(sky.flux[inside]))
    if not rows:
        return 0.0, 0.0
    (shift, slope), *_ = np.linalg.lstsq(np.array(rows), np.array(medians), rcond=None)
    return float(shift), float(slope)


def _slope(x: Float, y: Float) -> float:
    return float(x @ y / (x @ x)) if np.any(x > 0.0) else 0.0
