"""From what PNet says to what can be trusted: probabilities and errors, by a model card's knots."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from csstream.imaging.finding.pnet import Decoded

Float = npt.NDArray[np.float64]

LAPLACE_TO_SIGMA = 1.0276  # 1.4826 × the median of |x| of a Laplace distribution of width one


@dataclass(frozen=True, eq=False)
class Curve:
    """A function by its knots (k,), rising in ``at``; constant beyond the last ones."""

    at: Float
    value: Float

    def __call__(self, where: npt.ArrayLike) -> Float:
        """Return the function, linear between the knots."""
        return np.asarray(np.interp(np.asarray(where, np.float64), self.at, self.value))


@dataclass(frozen=True, eq=False)
class Calibration:
    """Measured on a simulated sky that is neither trained on nor tested on.

    ``probability`` of the raw logit; ``position`` and ``flux``: factors that make an error (the
    robust standard deviation) of a Laplace width, as functions of the width's logarithm.
    """

    probability: Curve
    position: Curve
    flux: Curve

    @classmethod
    def from_card(cls, card: Mapping[str, Any]) -> Calibration:
        """Read the knots of a model card; a card without those of the widths takes them as said."""
        knots = card["calibration"]
        probability = Curve(np.array(knots["logit"]), np.array(knots["probability"]))
        return cls(probability, *(_factors(knots.get(name)) for name in ("position", "flux")))

    def position_error(self, found: Decoded) -> Float:
        """Return the error of x and of y, (n,) [pixel]."""
        return _error(found.position_width, self.position)

    def flux_error(self, found: Decoded) -> Float:
        """Return the relative error of the flux, (n,)."""
        return _error(found.flux_width, self.flux)


def _error(width: npt.NDArray[np.float32], factor: Curve) -> Float:
    exact = width.astype(np.float64)
    return exact * factor(np.log(exact))


def _factors(knots: Mapping[str, list[float]] | None) -> Curve:
    if knots is None:
        return Curve(np.zeros(1), np.full(1, LAPLACE_TO_SIGMA))
    return Curve(np.array(knots["ln_width"]), np.array(knots["factor"]))
