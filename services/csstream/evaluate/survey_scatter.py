"""Scatter of constant stars' curves over what the photons allow."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from csstream.contracts.units import AB_ZERO_POINT_NJY
from csstream.evaluation.crowding import neighbour_distance
from csstream.evaluation.curve_store import FieldCurves, StarTruth
from csstream.imaging.fit.bound import cramer_rao_bound
from csstream.imaging.frames.flags import UNRELIABLE
from csstream.imaging.psf.profiles import psf_from_instrument
from csstream.instruments.instrument import Instrument
from csstream.simulation.catalogue import electrons_from_magnitudes
from csstream.simulation.frames import background_level

Float = npt.NDArray[np.float64]

MAD_TO_SIGMA: Final = 1.4826
LEAST_SHARE: Final = 0.8  # of the frames that must show a star
EDGES: Final = (18.5, 20.0, 21.0, 22.0, 23.0, 24.0, 25.0, 26.0)
BRIGHT, FAINT = 18.5, 23.0  # of the uncrowded half


@dataclass(frozen=True, eq=False)
class Scatter:
    """Constant stars that the list shows; arrays (n,)."""

    mag: Float
    over_joint: Float  # robust scatter over the joint bound, fluxes of the merged list
    over_isolated: Float  # over the bound of the star alone
    over_quoted: Float  # over the median quoted error
    uncrowded: npt.NDArray[
        np.bool_
    ]  # its nearest comparable neighbour is no closer than the median


def scatter_of(curves: FieldCurves, instrument: Instrument, size: int) -> Scatter:
    """Return the scatter of a field's constant stars, fluxes as delivered."""
    truth, objects = curves.truth, curves.objects
    star = np.maximum(objects.star, 0)
    good = (curves.flags & int(UNRELIABLE)) == 0
    flux = np.where(good, curves.flux, np.nan)
    enough = np.isfinite(flux).mean(axis=1) >= LEAST_SHARE
    rows = np.flatnonzero(curves.quiet & curves.listed & (objects.star >= 0) & enough)
    spread = robust_scatter(flux[rows])
    light = 10.0 ** (0.4 * (AB_ZERO_POINT_NJY - truth.mag[star[rows]]))
    apart = neighbour_distance(truth.x, truth.y, truth.mag)[star[rows]]
    isolated = isolated_sigma(truth, instrument, size)[star[rows]]
    return Scatter(
        truth.mag[star[rows]],
        spread / (truth.sigma[star[rows]] * light),
        spread / (isolated * light),
        spread / np.nanmedian(curves.flux_err[rows], axis=1),
        apart >= np.median(apart),
    )


def robust_scatter(flux: npt.NDArray[np.floating]) -> Float:
    """Return 1.4826 × the median absolute deviation of each curve (n, m), nan left out."""
    middle = np.nanmedian(flux, axis=1)
    return np.asarray(MAD_TO_SIGMA * np.nanmedian(np.abs(flux - middle[:, None]), axis=1))


def isolated_sigma(truth: StarTruth, instrument: Instrument, size: int) -> Float:
    """Return the relative error that photons allow each star alone, (s,)."""
    flux = electrons_from_magnitudes(truth.mag, instrument)
    bound = cramer_rao_bound(
        psf_from_instrument(instrument),
        truth.x,
        truth.y,
        flux,
        shape=(size, size),
        background=background_level(instrument),
        read_noise=instrument.detector.read_noise,
        free_positions=False,
    )
    return np.asarray(bound.isolated_flux_err / flux)


def scatter_summary(stars: Scatter) -> dict[str, Any]:
    """Return medians over bins of magnitude, and the two figures that must hold."""
    bins = []
    for low, high in pairwise(EDGES):
        within = (stars.mag >= low) & (stars.mag < high)
        bins.append(
            {
                "low": low,
                "high": high,
                "stars": int(within.sum()),
                "over_joint": _median(stars.over_joint[within]),
                "over_isolated_uncrowded": _median(stars.over_isolated[within & stars.uncrowded]),
                "over_quoted": _median(stars.over_quoted[within]),
            }
        )
    half = stars.uncrowded & (stars.mag >= BRIGHT) & (stars.mag <= FAINT)
    return {
        "bins": bins,
        "uncrowded_over_isolated": _median(stars.over_isolated[half]),
        "all_over_joint": _median(stars.over_joint[stars.mag >= BRIGHT]),
        "all_over_joint_95": _quantile(stars.over_joint[stars.mag >= BRIGHT], 0.95),
    }


def _median(values: Float) -> float | None:
    return _quantile(values, 0.5)


def _quantile(values: Float, share: float) -> float | None:
    known = values[np.isfinite(values)]
    return float(np.quantile(known, share)) if known.size else None
