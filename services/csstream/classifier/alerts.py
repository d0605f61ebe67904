"""From an examined object to the records that subscribers read. No clock in a body."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Final, NamedTuple, cast

import numpy as np
import numpy.typing as npt

from csstream.alerting.decisions import SINGLE, WITHDRAWN
from csstream.alerting.judging import Judgement
from csstream.contracts.records import Alert, Panel, ThinAlert
from csstream.contracts.units import AB_ZERO_POINT_NJY
from csstream.timeseries.kinds import KINDS
from csstream.timeseries.periods import PERIOD_CONVENTION
from csstream.timeseries.result import ExaminationResult

Array = npt.NDArray[Any]
SIGNIFICANCES: Final = ("snr_bls", "snr_pink", "sde", "power_ls", "snr_amplitude")
FOLDED: Final = "snr_folded"  # the one that the thresholds look at, see thresholds.significance
CONVENTIONS: Final = {
    "none": "no period: the alert that this one replaces is withdrawn",
    "transit": f"from transit to transit: {PERIOD_CONVENTION}",
    "eclipsing": f"from primary eclipse to primary eclipse: {PERIOD_CONVENTION}; "
    "where both eclipses are alike this is half of the orbit",
    "pulsating": f"from maximum to maximum light: {PERIOD_CONVENTION}",
    SINGLE: "no period: one event alone was seen; t0 is its middle",
}


@dataclass(frozen=True, kw_only=True)
class Versions:
    """What made the alerts, besides what the panel says about its measurements."""

    classifier_model: str
    code_version: str


class Examined(NamedTuple):
    """A panel, and what was found in it and decided."""

    panel: Panel
    time: Array  # (m,) [day] BJD TDB
    judgement: Judgement


def build_alert(examined: Examined, row: int, versions: Versions) -> Alert:
    """Return the alert of one object of an examined panel.

    The curve holds the epochs at which the object has a flux. A withdrawal has the class "none"
    and the numbers of the look that made it.
    """
    panel, decision = examined.panel, examined.judgement.decision
    look, reason = decision.examination, decision.reason[row]
    object_id = int(panel.object_id[row])
    kind = "none" if reason == WITHDRAWN else KINDS[int(look.kind[row])]
    flux = mean_flux(panel.flux[row], panel.flux_err[row])
    return Alert(
        alert_id=look.alert_id[row],
        reason=cast(Any, reason),
        replaces=decision.replaces[row] or None,
        object_id=object_id,
        **_place(panel, row),
        mean_flux=flux,
        mag=magnitude(flux),
        kind=kind,
        period=float(look.period[row]),
        period_err=float(look.period_err[row]),
        period_convention=convention(kind, float(look.period[row])),
        **_numbers(examined, row),
        **_curve(examined, row),
        detection_model=panel.model,
        classifier_model=versions.classifier_model,
        reference_version=panel.reference_version,
        code_version=versions.code_version,
        time_scale="bjd_tdb",
        mirrors=examined.judgement.mirrors(object_id),
        mirror_of=examined.judgement.mirror_of(object_id),
    )


def thin(alert: Alert) -> ThinAlert:
    """Return the alert without its curves, for the topic of the newest alerts."""
    return ThinAlert(
        alert_id=alert.alert_id,
        reason=alert.reason,
        replaces=alert.replaces,
        object_id=alert.object_id,
        visit=alert.visit,
        band=alert.band,
        ra=alert.ra,
        dec=alert.dec,
        mag=alert.mag,
        kind=alert.kind,
        period=alert.period,
        fap=alert.fap,
        significance=alert.significances[FOLDED],
    )


def convention(kind: str, period: float) -> str:
    """Return in words what one period of this class means."""
    return CONVENTIONS[kind if math.isfinite(period) or kind == "none" else SINGLE]


def mean_flux(flux: Array, flux_err: Array) -> float:
    """Return the mean of a curve's fluxes weighted by 1/err**2 [nJy]; nan for an empty curve."""
    good = np.isfinite(flux) & np.isfinite(flux_err) & (flux_err > 0)
    if not good.any():
        return math.nan
    weights = 1.0 / np.square(flux_err[good].astype(np.float64))
    return float(np.sum(weights * flux[good]) / np.sum(weights))


def magnitude(flux_njy: float) -> float:
    """Return the AB magnitude of a flux in nJy; nan where the flux is not positive."""
    return AB_ZERO_POINT_NJY - 2.5 * math.log10(flux_njy) if flux_njy > 0 else math.nan


def _place(panel: Panel, row: int) -> dict[str, Any]:
    shared = ("cell", "panel", "examination", "visit", "instrument", "band")
    position = ("ra", "dec", "ra_err", "dec_err")
    place = {name: float(getattr(panel, name)[row]) for name in position}
    for name in ("ra_err", "dec_err"):  # no scatter: a star at its place in a reference catalogue
        place[name] = place[name] if place[name] > 0 else math.nan
    return {name: getattr(panel, name) for name in shared} | place


def _numbers(examined: Examined, row: int) -> dict[str, Any]:
    result, look = examined.judgement.seen, examined.judgement.decision.examination
    names = ("t0", "t0_err", "duration", "duration_err", "depth", "depth_err", "fap")
    numbers: dict[str, Any] = {name: float(getattr(result, name)[row]) for name in names}
    numbers["fap_extrapolated"] = bool(result.fap_extrapolated[row])
    numbers["probabilities"] = _probabilities(result, row)
    numbers["significances"] = {n: float(getattr(result, n)[row]) for n in SIGNIFICANCES}
    numbers["significances"][FOLDED] = float(look.significance[row])
    numbers["events"] = int(result.n_events[row])
    numbers["phase_coverage"] = float(result.phase_coverage[row])
    numbers["global_view"] = result.global_view[row].astype(np.float32)
    numbers["local_view"] = result.local_view[row].astype(np.float32)
    return numbers


def _probabilities(result: ExaminationResult, row: int) -> dict[str, float]:
    values = np.clip(result.probabilities[row], 0.0, 1.0)  # float32 may pass 1 by a bit
    return {kind: float(value) for kind, value in zip(KINDS, values, strict=True)}


def _curve(examined: Examined, row: int) -> dict[str, Any]:
    panel = examined.panel
    seen = np.isfinite(panel.flux[row])
    return {
        "epochs": int(np.count_nonzero(seen)),
        "mjd_mid_tai": panel.mjd_mid_tai[seen],
        "bjd_tdb": examined.time[seen],
        "flux": panel.flux[row][seen],
        "flux_err": panel.flux_err[row][seen],
        "epoch_visit": panel.epoch_visit[seen],
        "epoch_detector": panel.epoch_detector[seen],
    }
