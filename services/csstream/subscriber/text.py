"""Alerts in words and figures, for terminals and titles."""

from __future__ import annotations

import math
from typing import Any, Final

import numpy.typing as npt

from csstream.contracts.records import Alert

Array = npt.NDArray[Any]
NAMES: Final = {
    "transit": "transiting planet",
    "eclipsing": "eclipsing binary",
    "pulsating": "pulsating star",
    "none": "no variable",
}
MAX_DIGITS: Final = 7
SMALLEST_FAP: Final = 1e-99


def times_of(alert: Alert) -> Array:
    """Return the times of the curve in the scale of t0 and of the period, float64 (m,) [day]."""
    return alert.bjd_tdb if alert.time_scale == "bjd_tdb" else alert.mjd_mid_tai


def scale_text(alert: Alert) -> str:
    """Return the name of that scale."""
    return "BJD (TDB)" if alert.time_scale == "bjd_tdb" else "MJD (TAI)"


def with_error(value: float, error: float, unit: str = "") -> str:
    """Return ``1.23456 ± 0.00012 d``: as many digits as two significant ones of the error need."""
    if not math.isfinite(value):
        return "–"
    tail = f" {unit}" if unit else ""
    if not math.isfinite(error) or error <= 0:
        return f"{value:.5g}{tail}"
    digits = min(MAX_DIGITS, max(0, 1 - math.floor(math.log10(error))))
    return f"{value:.{digits}f} ± {error:.{digits}f}{tail}"


def fap_text(alert: Alert) -> str:
    """Return the false-alarm probability as ``3e-05``, or ``<1e-99`` where it is smaller.

    A tilde before it, ``~3e-12``, says that it is extrapolated.
    """
    if not math.isfinite(alert.fap):
        return "–"
    mark = "~" if alert.fap_extrapolated else ""
    return mark + (f"{alert.fap:.0e}" if alert.fap >= SMALLEST_FAP else "<1e-99")


def folded_snr(alert: Alert) -> float:
    """Return the S/N of the folded curve that the thresholds looked at; nan when it is unknown."""
    return alert.significances.get("snr_folded", math.nan)


def position_text(alert: Alert) -> str:
    """Return the ICRS position in degrees."""
    return f"{alert.ra:.5f} {alert.dec:+.5f}"


def probabilities_text(alert: Alert) -> str:
    """Return the class probabilities, largest first: ``eclipsing 0.97, transit 0.02``."""
    ranked = sorted(alert.probabilities.items(), key=lambda item: -item[1])
    return ", ".join(f"{kind} {value:.2f}" for kind, value in ranked if value >= 0.005)
