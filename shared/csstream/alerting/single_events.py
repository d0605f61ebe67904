"""One event alone: candidates that have no period yet. Pure.

The network has learnt that one event is no periodic star, so it is not asked whether the star
varies; the event must be so deep that noise hardly ever makes its like, and have the shape of one.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from csstream.timeseries.kinds import KINDS
from csstream.timeseries.result import ExaminationResult
from csstream.timeseries.views import fold_views

Array = npt.NDArray[Any]
TRANSIT: Final = KINDS.index("transit")
ECLIPSING: Final = KINDS.index("eclipsing")
SHALLOW: Final = 0.04  # relative flux: shallower dips are transits where no network has looked
# Counted on injected events (benchmarks/single_events.py), in durations.
LENGTH: Final = 1.33  # first to last contact over the length of the box that fits best
LENGTH_ERROR: Final = 0.25
MIDDLE_ERROR: Final = 0.5  # times the signal-to-noise
STEP_ERROR: Final = 0.06  # from the steps of the search


@dataclass(frozen=True, kw_only=True)
class SingleEventRules:
    """What one event must show to be worth an alert. No second event helps to believe it."""

    fap: float = 1e-5  # that noise makes such a dip anywhere in the curve; 0: none is ever sent
    points: int = 5  # within the event
    points_beside: int = 4  # in the two durations before it and after it, each
    shape: float = 0.4  # median over mean depth: one bad frame is no event
    edge: float = 0.3  # durations: of ingress and egress one was seen, not both lost in pauses
    depth: float = 0.003  # relative flux: below are systematics


def candidates(result: ExaminationResult, rules: SingleEventRules) -> Array:
    """Return which curves without a period show one event that is worth an alert, (n,) bool."""
    points = result.single_points
    return np.asarray(
        ~result.crossed
        & (result.single_fap < rules.fap)
        & (points[:, 1] >= rules.points)
        & (points[:, [0, 2]].min(axis=1) >= rules.points_beside)
        & (result.single_shape >= rules.shape)
        & (result.single_edge <= rules.edge)
        & (result.single_depth >= rules.depth)
    )


def with_single_events(
    time: Array, flux: Array, result: ExaminationResult, rules: SingleEventRules
) -> ExaminationResult:
    """Return the result in which candidates have crossed, told by their event; others unchanged.

    Such a curve has a period of nan, one event, and the false-alarm probability of the event. Its
    class is the likelier one of transit and eclipse. The global view is the whole curve with the
    event in the middle.

    Parameters
    ----------
    time : (m,) [day]; flux : (n, m), nan where there is none.
    """
    one = candidates(result, rules)
    if not one.any():
        return result
    kind = dip_kind(result)
    snr = np.where(one, result.single_snr_firm, 1.0)
    duration = LENGTH * result.single_duration
    told: dict[str, Array | float] = {
        "crossed": True,
        "kind": kind,
        "probabilities": _probabilities(kind, result.single_fap),
        "period": np.nan,
        "period_err": np.nan,
        "t0": result.single_t0,
        "dip_t0": result.single_t0,
        "t0_err": duration * np.hypot(MIDDLE_ERROR / snr, STEP_ERROR),
        "duration": duration,
        "duration_err": LENGTH_ERROR * duration,
        "depth": result.single_depth,
        "depth_err": result.single_depth / snr,
        "snr_bls": result.single_snr,
        "snr_pink": result.single_snr_firm,
        "fap": result.single_fap,
        "fap_extrapolated": True,
        "n_events": 1,
        "phase_coverage": np.nan,
    }
    columns = {name: _where(one, new, getattr(result, name)) for name, new in told.items()}
    return replace(result, **columns, **_views(time, flux, result, one))


def dip_kind(result: ExaminationResult) -> Array:
    """Return transit or eclipsing for each curve, (n,) uint8: by the network, else by depth."""
    transit, eclipsing = result.probabilities[:, TRANSIT], result.probabilities[:, ECLIPSING]
    shallow = result.single_depth < SHALLOW
    likelier = np.where(transit == eclipsing, shallow, transit > eclipsing)
    return np.where(likelier, TRANSIT, ECLIPSING).astype(np.uint8)


def _probabilities(kind: Array, fap: Array) -> Array:
    """Of noise and of the class named, (n, 4): nobody has learnt to tell more from one event."""
    chances = np.zeros((len(kind), len(KINDS)))
    chances[:, 0] = fap
    chances[np.arange(len(kind)), kind] = 1.0 - fap
    return chances


def _views(time: Array, flux: Array, result: ExaminationResult, one: Array) -> dict[str, Array]:
    """Global and local views of all curves, new ones where there is one event."""
    whole, near = result.global_view.copy(), result.local_view.copy()
    for row in np.flatnonzero(one):
        seen = np.isfinite(flux[row])
        middle, at = float(result.single_t0[row]), time[seen]
        cycle = 2.001 * float(np.abs(at - middle).max())  # no two points fall together
        duration = float(result.single_duration[row])
        views = fold_views(at, flux[row, seen], cycle, middle, duration)
        whole[row], near[row] = views[0][0], views[1][0]
    return {"global_view": whole, "local_view": near}


def _where(one: Array, new: Array | float, old: Array) -> Array:
    chosen = one.reshape(-1, *(1,) * (old.ndim - 1))
    return np.where(chosen, new, old).astype(old.dtype)
