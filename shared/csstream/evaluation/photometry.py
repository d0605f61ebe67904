"""Magnitudes and positions of the finds that are stars: scatter, bias, and errors quoted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from csstream.evaluation.judged import LIMIT, WIDEST, Judged
from csstream.evaluation.lists import MAG_PER_RELATIVE_FLUX, Float, Mask
from csstream.evaluation.statistics import robust_width

BELOW_LIMIT = (6.5, 5.0, 4.0, 3.0, 2.0, 1.0, 0.5)  # [mag] edges: 18.5 to 24.5 for a limit of 25
# Stars brighter than the first edge saturate where the PSF is sharpest: they are not judged.


def magnitude_edges(limit: float = LIMIT) -> tuple[float, ...]:
    """Return the edges of the bins in which photometry is judged [mag]."""
    return tuple(limit - below for below in BELOW_LIMIT)


@dataclass(frozen=True, kw_only=True, eq=False)
class Pairs:
    """Scored stars that were found. All arrays (k,)."""

    mag: Float  # [mag] true
    miss: Float  # [mag] measured − true
    shift_x: Float  # [pixel] measured − true
    shift_y: Float  # [pixel]
    sigma_mag: Float  # [mag] bound
    sigma_x: Float  # [pixel] bound
    sigma_y: Float  # [pixel] bound
    flux_pull: Float  # flux error over the quoted error; nan where none is quoted
    x_pull: Float
    y_pull: Float


def pairs_of(judged: Judged, radius: float = WIDEST) -> Pairs:
    """Return the finds within ``radius`` [pixel] of a scored star whose magnitude is known."""
    found = np.flatnonzero(judged.right(radius) & np.isfinite(judged.finds.mag))
    found = found[judged.scored[judged.star[found]]]
    finds, truth = judged.finds.select(found), judged.truth.select(judged.star[found])
    miss = finds.mag - truth.mag
    shift_x, shift_y = finds.x - truth.x, finds.y - truth.y
    # (f − f_true) / σ_f, with σ_f / f = mag_err / 1.0857: symmetrical, as a magnitude's is not.
    flux_pull = (1.0 - 10.0 ** (0.4 * miss)) * MAG_PER_RELATIVE_FLUX / finds.mag_err
    return Pairs(
        mag=truth.mag,
        miss=miss,
        shift_x=shift_x,
        shift_y=shift_y,
        sigma_mag=truth.sigma_mag,
        sigma_x=truth.sigma_x,
        sigma_y=truth.sigma_y,
        flux_pull=flux_pull,
        x_pull=shift_x / finds.x_err,
        y_pull=shift_y / finds.y_err,
    )


def magnitude_errors(pairs: Pairs, limit: float = LIMIT) -> dict[str, float]:
    """Return mean and median of |Δm| and the pull widths of all scored stars that were found.

    Pulls are of the stars that cannot saturate.
    """
    usable = pairs.mag >= magnitude_edges(limit)[0]
    return {
        "mean_abs_dm": _mean(np.abs(pairs.miss)),
        "median_abs_dm": _median(np.abs(pairs.miss)),
        "flux_pull": _width(pairs.flux_pull[usable]),
        "position_pull": _width(_both(pairs.x_pull, pairs.y_pull, usable)),
        "position_scatter": _width(_both(pairs.shift_x, pairs.shift_y, usable)),
    }


def photometry_by_magnitude(pairs: Pairs, edges: Sequence[float]) -> list[dict[str, float]]:
    """Return per bin of true magnitude what light curves and colours feel.

    ``width_over_bound`` is the robust width of Δm/σ per star and ``bias_over_sigma`` its median;
    ``scatter``, ``bias`` and ``sigma`` [mag] are robust width and median of Δm and the median
    bound; positions alike [pixel].
    """
    rows = []
    for low, high in pairwise(edges):
        inside = (pairs.mag >= low) & (pairs.mag < high)
        rows.append({"low": low, "high": high} | _bin(pairs, inside))
    return rows


def _bin(pairs: Pairs, inside: Mask) -> dict[str, float]:
    miss, sigma = pairs.miss[inside], pairs.sigma_mag[inside]
    ratio = miss / sigma
    place = _both(pairs.shift_x, pairs.shift_y, inside)
    bound = _both(pairs.sigma_x, pairs.sigma_y, inside)
    return {
        "stars": int(inside.sum()),
        "scatter": _width(miss),
        "bias": _median(miss),
        "sigma": _median(sigma),
        "width_over_bound": _width(ratio),
        "bias_over_sigma": _median(ratio),
        "position_scatter": _width(place),
        "position_sigma": _median(bound),
        "position_over_bound": _width(place / bound),
        "flux_pull": _width(pairs.flux_pull[inside]),
        "flux_pull_median": _median(pairs.flux_pull[inside]),
        "position_pull": _width(_both(pairs.x_pull, pairs.y_pull, inside)),
    }


def _both(along_x: Float, along_y: Float, rows: Mask) -> Float:
    return np.concatenate([along_x[rows], along_y[rows]])


def _width(values: Float) -> float:
    return robust_width(values[np.isfinite(values)])


def _median(values: Float) -> float:
    known = values[np.isfinite(values)]
    return float(np.median(known)) if known.size else float("nan")


def _mean(values: Float) -> float:
    return float(values.mean()) if values.size else float("nan")
