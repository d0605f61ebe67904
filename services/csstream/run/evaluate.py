"""Found against injected: which variables were alerted, with which period, and what was false.

An alert belongs to the nearest injected variable within ``MATCH_PIXELS``. A period is right within
``PERIOD_TOLERANCE``, for an eclipsing binary also at half or twice its orbit (the alert's period
convention states which multiple it means). Every object that ever had an alert and belongs to no
variable is false, also when the alert was withdrawn later; those within ``NEIGHBOUR_PIXELS`` of a
variable are false too and counted a second time as neighbours, since they tell of blending.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from csstream.contracts.records import Alert
from csstream.instruments.instrument import Instrument
from csstream.run.truth import Chance, Variable, chance, noise_of

FloatArray = npt.NDArray[np.float64]

MATCH_PIXELS = 1.5
NEIGHBOUR_PIXELS = 4.0
PERIOD_TOLERANCE = 0.01
HARMONICS = {"transit": (1.0,), "eclipsing": (1.0, 0.5, 2.0), "pulsating": (1.0,)}


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """One injected variable and the alert that belongs to it."""

    variable: Variable
    chance: Chance
    alert: Alert | None  # the standing one of the nearest object; None: not found
    first_visit: int | None  # visit of the first alert of any object there
    separation_arcsec: float  # nan: not found
    period_ratio: float  # alerted over true; nan without a period
    period_right: bool
    harmonic: float  # multiple of the true period that was alerted; nan: none


@dataclass(frozen=True, kw_only=True)
class FalseAlert:
    """An alert that belongs to no injected variable."""

    alert: Alert
    withdrawn: bool
    neighbour_of: int | None  # star_id of the variable beside it


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """Found against injected."""

    outcomes: tuple[Outcome, ...]
    false: tuple[FalseAlert, ...]

    def numbers(self) -> dict[str, int]:
        """Return the numbers of ``summary.json``."""
        return {
            "injected": len(self.outcomes),
            "detectable": sum(o.chance.detectable for o in self.outcomes),
            "recovered": sum(o.alert is not None for o in self.outcomes),
            "period_right": sum(o.period_right for o in self.outcomes),
            "false": len(self.false),
        }

    @property
    def neighbours(self) -> int:
        """False alerts that lie beside a variable."""
        return sum(f.neighbour_of is not None for f in self.false)

    @property
    def missed(self) -> int:
        """Detectable variables without an alert."""
        return sum(o.chance.detectable and o.alert is None for o in self.outcomes)


def evaluate(
    variables: Sequence[Variable],
    alerts: Sequence[Alert],
    times: FloatArray,
    instrument: Instrument,
) -> Evaluation:
    """Compare all alerts of a run with the variables that were injected.

    Parameters
    ----------
    alerts : every distinct alert, withdrawals too
    times : MJD TAI [day] of the frames that were measured
    """
    scale, noise = instrument.detector.pixel_scale_arcsec, noise_of(instrument)
    histories = _histories(alerts)
    nearest = [_nearest(history[-1], variables) for history in histories]
    outcomes = []
    for number, variable in enumerate(variables):
        mine = [
            (distance, history)
            for history, (index, distance) in zip(histories, nearest, strict=True)
            if index == number and distance <= MATCH_PIXELS * scale
        ]
        outcomes.append(_outcome(variable, chance(variable, times, noise), mine))
    false = [
        _false(history, variables[index] if index >= 0 else None, distance / scale)
        for history, (index, distance) in zip(histories, nearest, strict=True)
        if index < 0 or distance > MATCH_PIXELS * scale
    ]
    return Evaluation(outcomes=tuple(outcomes), false=tuple(false))


def _histories(alerts: Sequence[Alert]) -> list[list[Alert]]:
    by_object: dict[int, list[Alert]] = {}
    for alert in sorted(alerts, key=lambda a: (a.object_id, a.visit, a.examination)):
        by_object.setdefault(alert.object_id, []).append(alert)
    return list(by_object.values())


def _nearest(alert: Alert, variables: Sequence[Variable]) -> tuple[int, float]:
    distances = [separation_arcsec(alert.ra, alert.dec, v.ra, v.dec) for v in variables]
    if not distances:
        return -1, np.inf
    index = int(np.argmin(distances))
    return index, distances[index]


def separation_arcsec(ra: float, dec: float, other_ra: float, other_dec: float) -> float:
    """Return the distance of two ICRS positions [deg] by the haversine formula [arcsec]."""
    lat, other_lat = np.radians(dec), np.radians(other_dec)
    half_lat, half_lon = 0.5 * (other_lat - lat), 0.5 * np.radians(other_ra - ra)
    h = np.sin(half_lat) ** 2 + np.cos(lat) * np.cos(other_lat) * np.sin(half_lon) ** 2
    return float(np.degrees(2.0 * np.arcsin(np.sqrt(h))) * 3600.0)


def _outcome(variable: Variable, seen: Chance, mine: list[tuple[float, list[Alert]]]) -> Outcome:
    standing = [(d, h) for d, h in mine if h[-1].reason != "withdrawn"]
    if not standing:
        return Outcome(
            variable=variable,
            chance=seen,
            alert=None,
            first_visit=None,
            separation_arcsec=np.nan,
            period_ratio=np.nan,
            period_right=False,
            harmonic=np.nan,
        )
    distance, history = min(standing, key=lambda pair: pair[0])
    ratio = history[-1].period / variable.period
    harmonic = matching_harmonic(variable.kind, ratio)
    return Outcome(
        variable=variable,
        chance=seen,
        alert=history[-1],
        first_visit=min(h[0].visit for _, h in mine),
        separation_arcsec=distance,
        period_ratio=ratio,
        period_right=bool(np.isfinite(harmonic)),
        harmonic=harmonic,
    )


def matching_harmonic(kind: str, ratio: float) -> float:
    """Return the allowed multiple that ``ratio`` is within tolerance of; nan: none."""
    for multiple in HARMONICS.get(kind, (1.0,)):
        if abs(ratio / multiple - 1.0) <= PERIOD_TOLERANCE:
            return multiple
    return float("nan")


def _false(history: list[Alert], variable: Variable | None, pixels: float) -> FalseAlert:
    withdrawn = history[-1].reason == "withdrawn"
    shown = history[-2] if withdrawn and len(history) > 1 else history[-1]
    beside = variable.star_id if variable is not None and pixels <= NEIGHBOUR_PIXELS else None
    return FalseAlert(alert=shown, withdrawn=withdrawn, neighbour_of=beside)
