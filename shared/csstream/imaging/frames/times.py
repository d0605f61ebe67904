"""Time of mid-exposure from a FITS header, in MJD TAI.

The scale is converted by ERFA's own routines and its built-in leap seconds: nothing is fetched.
TDB is taken as TT (they differ by less than 2 ms).
"""

from __future__ import annotations

import datetime
import math
import re
import warnings
from collections.abc import Callable

import erfa

MJD_ZERO = 2400000.5
ORDINAL_OF_MJD_ZERO = datetime.date(1858, 11, 17).toordinal()
SECONDS_PER_DAY = 86400.0
GPS_BEHIND_TAI = 19.0  # [s]
AGREEMENT = 2.0  # [s] how far MJD-OBS and DATE-OBS may lie apart

SCALES = {
    "": "utc",
    "UTC": "utc",
    "UT": "utc",
    "GMT": "utc",
    "TAI": "tai",
    "IAT": "tai",
    "TT": "tt",
    "TDT": "tt",
    "ET": "tt",
    "TDB": "tt",
    "GPS": "gps",
}

ISO_DATE = re.compile(r"^(\d{4})-(\d{2})-(\d{2})(?:T(\d{2}):(\d{2}):(\d{2}(?:\.\d*)?)Z?)?$")
OLD_DATE = re.compile(r"^(\d{2})/(\d{2})/(\d{2})$")  # DD/MM/YY: FITS defines the year as 19YY
CLOCK = re.compile(r"^(\d{1,2}):(\d{2}):(\d{2}(?:\.\d*)?)$")


class TimeFormatError(ValueError):
    """A date, a clock time or a time scale that the FITS standard does not know."""


def to_tai(mjd: float, scale: str) -> float:
    """Convert ``mjd`` [day] from the scale that TIMESYS names to TAI.

    Raises :class:`TimeFormatError` for a scale that is not convertible (LOCAL, TCB, …).
    """
    kind = SCALES.get(scale.strip().upper())
    if kind is None:
        raise TimeFormatError(
            f"time scale {scale!r} is not one of {', '.join(filter(None, SCALES))}"
        )
    if kind == "tai":
        return mjd
    if kind == "gps":
        return mjd + GPS_BEHIND_TAI / SECONDS_PER_DAY
    convert: Callable[[float, float], tuple[float, float]]
    convert = erfa.utctai if kind == "utc" else erfa.tttai
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", erfa.ErfaWarning)  # years without known leap seconds
        day, fraction = convert(MJD_ZERO, mjd)
    return float((day - MJD_ZERO) + fraction)


def parse_date(date: str, clock: str | None) -> tuple[float, bool]:
    """Return (MJD [day], whether a time of day was given) of DATE-OBS and its companion.

    Parameters
    ----------
    date : str
        ``YYYY-MM-DD[Thh:mm:ss[.s]]`` or the old ``DD/MM/YY``.
    clock : str, optional
        ``hh:mm:ss[.s]`` of a separate keyword, used where ``date`` has no time of day.
    """
    text = date.strip()
    iso, old = ISO_DATE.match(text), OLD_DATE.match(text)
    if iso:
        year, month, day = int(iso[1]), int(iso[2]), int(iso[3])
    elif old:
        year, month, day = 1900 + int(old[3]), int(old[2]), int(old[1])
    else:
        raise TimeFormatError(f"{date!r} is neither YYYY-MM-DDThh:mm:ss nor DD/MM/YY")
    try:
        midnight = float(datetime.date(year, month, day).toordinal() - ORDINAL_OF_MJD_ZERO)
    except ValueError as error:
        raise TimeFormatError(f"{date!r} is no date of the calendar") from error
    if iso and iso[4] is not None:
        return midnight + _day_fraction(iso[4], iso[5], iso[6], text), True
    if clock is None:
        return midnight, False
    match = CLOCK.match(clock.strip())
    if match is None:
        raise TimeFormatError(f"{clock!r} is not hh:mm:ss")
    return midnight + _day_fraction(match[1], match[2], match[3], clock), True


def mid_exposure(start: float, scale: str, exposure_time: float) -> float:
    """Return mid-exposure [MJD TAI] of an exposure that starts at MJD ``start`` in ``scale``."""
    return to_tai(start, scale) + 0.5 * exposure_time / SECONDS_PER_DAY


def agree(first: float, second: float) -> bool:
    """Whether two MJDs mean the same instant within ``AGREEMENT`` seconds."""
    return math.fabs(first - second) * SECONDS_PER_DAY <= AGREEMENT


def _day_fraction(hour: str, minute: str, second: str, text: str) -> float:
    h, m, s = int(hour), int(minute), float(second)
    if h > 23 or m > 59 or s >= 61.0:
        raise TimeFormatError(f"{text!r} is no time of day")
    return (h * 3600 + m * 60 + s) / SECONDS_PER_DAY
