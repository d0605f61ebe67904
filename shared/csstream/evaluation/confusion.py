"""The calibration of a finder's incompleteness on skies of known crowding."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from csstream.evaluation.statistics import robust_width
from csstream.imaging.confusion import Confusion

Float = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Pulls:
    """The matched stars of one sky: measured − true in units of the fit's own errors, (n,)."""

    crowding: float  # ν of :mod:`csstream.imaging.confusion`
    flux: Float
    position: Float


def calibrate_confusion(skies: list[Pulls]) -> Confusion:
    """Return the coefficients that make the pulls of all skies unbiased and of unit width.

    Least squares through the origin over the skies: without neighbours there is no confusion.
    Raises ValueError without a sky.
    """
    if not skies:
        raise ValueError("no sky to calibrate the confusion on")
    nu = np.array([sky.crowding for sky in skies])
    shift = np.array([np.median(sky.flux) for sky in skies])
    flux = np.array([robust_width(sky.flux) ** 2 - 1.0 for sky in skies])
    position = np.array([robust_width(sky.position) ** 2 - 1.0 for sky in skies])
    return Confusion(
        shift=_slope(nu, shift),
        flux_variance=max(_slope(nu, flux), 0.0),
        position_variance=max(_slope(nu, position), 0.0),
    )


def _slope(x: Float, y: Float) -> float:
    return float(x @ y / (x @ x)) if np.any(x > 0.0) else 0.0
