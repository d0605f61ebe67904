"""From FITS keywords and an instrument file to a :class:`FrameHeader`.

An instrument file may rename keywords in its section ``[header]`` (``DETECTOR = "CHIPNO"``) or
forbid one (``GAIN = ""``): then the instrument file's own value is used.
"""

from __future__ import annotations

import math
import re
from typing import Any

from csstream.imaging.errors import FrameError
from csstream.imaging.frames import times
from csstream.imaging.frames.frame import FrameHeader
from csstream.instruments.instrument import Instrument

ELECTRONS = {"electron", "electrons", "e", "e-", "el"}
COUNTS = {"adu", "count", "counts", "dn", "ct", "cts"}
PER_SECOND = re.compile(r"^(.*?)\s*(?:/\s*s(?:ec)?|\s+s-1|\s*s\*\*-1)$")
TRAILING_NUMBER = re.compile(r"^[A-Za-z_\- ]*(\d+)$")
SUMMARY_KEYWORDS = (
    *("OBJECT", "TELESCOP", "INSTRUME", "DETECTOR", "FILTER", "DATE-OBS", "RA", "DEC"),
    *("OBSID", "VISIT", "NDETECT"),  # the publisher groups detectors into visits by these
)
MAX_TEXT = 68  # [character] what fits a card


class Keywords:
    """The image extension's header over the primary's, through the instrument's renaming."""

    def __init__(self, image: Any, primary: Any, instrument: Instrument, origin: str) -> None:
        self.image, self.primary = image, primary
        self.names, self.origin = instrument.header, origin

    def name(self, keyword: str) -> str:
        """Return the frames' own name for ``keyword``; empty if it is not to be read."""
        return self.names.get(keyword, keyword)

    def get(self, keyword: str) -> Any:
        """Return the value or None; an empty or undefined value counts as absent."""
        name = self.name(keyword)
        if not name:
            return None
        for header in (self.image, self.primary):
            value = header.get(name)
            if value is not None and str(value).strip() not in ("", "UNDEFINED"):
                return value.strip() if isinstance(value, str) else value
        return None

    def number(self, keyword: str, *, positive: bool = False) -> float | None:
        """Return a finite number or None; refuse anything else by the keyword's name."""
        value = self.get(keyword)
        if value is None or type(value).__name__ == "Undefined":
            return None
        try:
            number = float(value)
        except (TypeError, ValueError):
            raise self.bad(keyword, f"is {str(value)[:MAX_TEXT]!r}, not a number") from None
        if not math.isfinite(number) or (positive and number <= 0.0):
            raise self.bad(
                keyword, f"is {number}, not a {'positive' if positive else 'finite'} number"
            )
        return number

    def text(self, keyword: str) -> str:
        """Return the value as text, empty if absent."""
        value = self.get(keyword)
        return "" if value is None else str(value)[:MAX_TEXT]

    def bad(self, keyword: str, what: str) -> FrameError:
        """Return the error that says what is wrong with a keyword."""
        return FrameError("bad_keyword", f"{self.origin}: keyword {self.name(keyword)} {what}")


def read_keywords(
    keys: Keywords,
    instrument: Instrument,
    shape: tuple[int, int],
    *,
    scale_arcsec: float | None,
    require_time: bool,
) -> FrameHeader:
    """Interpret the keywords of the FITS contract.

    Parameters
    ----------
    shape : (ny, nx)
    scale_arcsec : float or None [arcsec/pixel]
        Of the celestial WCS; None where there is none.
    require_time : bool
        Refuse a frame whose time of mid-exposure cannot be derived.

    Raises
    ------
    FrameError
        ``missing_keyword``, ``bad_keyword`` or ``wrong_instrument``, naming the keyword.
    """
    _check_instrument(keys, instrument)
    exposure = keys.number("EXPTIME", positive=True) or instrument.cadence.exposure_time
    unit = _unit_electrons(keys, instrument, exposure)
    saturation = keys.number("SATURATE", positive=True)
    read_noise = keys.number("RDNOISE")
    if read_noise is not None and read_noise < 0.0:
        raise keys.bad("RDNOISE", f"is {read_noise}, a negative noise")
    zero = keys.number("MAGZERO")
    return FrameHeader(
        instrument=instrument.name,
        detector=_detector(keys),
        band=instrument.band or keys.text("FILTER"),
        exposure_time=exposure,
        mjd_mid_tai=_mid_exposure(keys, exposure, require_time),
        shape=shape,
        unit_electrons=unit,
        read_noise=instrument.detector.read_noise if read_noise is None else read_noise,
        saturation=(saturation or instrument.detector.saturation) * unit,
        zero_point=_zero_point(zero, unit, keys, exposure, instrument),
        pixel_scale_arcsec=scale_arcsec or instrument.detector.pixel_scale_arcsec,
        has_wcs=scale_arcsec is not None,
        pointing=_pointing(keys, instrument),
        summary={name: keys.text(name) for name in SUMMARY_KEYWORDS if keys.text(name)},
    )


def _check_instrument(keys: Keywords, instrument: Instrument) -> None:
    for keyword, wanted in (("INSTRUME", instrument.instrume), ("FILTER", instrument.band)):
        found = keys.text(keyword)
        if wanted and found and found.casefold() != wanted.casefold():
            raise FrameError(
                "wrong_instrument",
                f"{keys.origin}: keyword {keys.name(keyword)} is {found!r}, but the instrument "
                f"file {instrument.name} is for {wanted!r}",
            )


def _detector(keys: Keywords) -> int:
    value = keys.get("DETECTOR")
    if value is None:
        return 0  # a camera of one detector need not number it
    match = TRAILING_NUMBER.match(str(value).strip())
    if match is None or int(match[1]) > 2**31 - 1:
        raise keys.bad(
            "DETECTOR",
            f"is {str(value)[:MAX_TEXT]!r}, not a number; name the right keyword in the "
            'instrument file: [header] DETECTOR = "…"',
        )
    return int(match[1])


def _unit_electrons(keys: Keywords, instrument: Instrument, exposure: float) -> float:
    """Return electrons per image unit; rates are multiplied by the exposure time."""
    gain = keys.number("GAIN", positive=True) or instrument.detector.gain
    unit = keys.text("BUNIT").casefold()
    per_second = PER_SECOND.match(unit)
    bare = (per_second[1] if per_second else unit).strip()
    if bare in ("", "electron", "adu"):
        bare = bare or instrument.detector.bunit
    if bare in ELECTRONS:
        factor = 1.0 if keys.text("BUNIT") else gain
    elif bare in COUNTS:
        factor = gain
    else:
        raise keys.bad(
            "BUNIT",
            f"is {keys.text('BUNIT')!r}, not electron, adu or one of them per second; to use the "
            'instrument file\'s unit and gain instead, write there: [header] BUNIT = ""',
        )
    return factor * exposure if per_second else factor


def _zero_point(
    zero: float | None, unit: float, keys: Keywords, exposure: float, instrument: Instrument
) -> float:
    """Return the magnitude of one electron per second.

    MAGZERO is that of one image unit per second. For an image that already is a rate, one image
    unit *is* the rate, so the exposure time drops out of the conversion.
    """
    if zero is None:
        return instrument.photometry.zero_point
    rate = PER_SECOND.match(keys.text("BUNIT").casefold()) is not None
    return zero + 2.5 * math.log10(unit / exposure if rate else unit)


def _mid_exposure(keys: Keywords, exposure: float, require: bool) -> float:
    scale = keys.text("TIMESYS")
    mjd, date = keys.number("MJD-OBS"), keys.text("DATE-OBS")
    try:
        start = _start(keys, mjd, date)
        if start is None:
            return _no_time(keys, require)
        return times.mid_exposure(start, scale, exposure)
    except times.TimeFormatError as error:
        if not require:
            return math.nan
        keyword = "TIMESYS" if "time scale" in str(error) else "DATE-OBS"
        raise keys.bad(keyword, str(error)) from error


def _start(keys: Keywords, mjd: float | None, date: str) -> float | None:
    if not date:
        return mjd
    clock = keys.text("TIME-OBS") or keys.text("UT") or None
    if mjd is not None and "T" not in date:
        return mjd
    start, has_clock = times.parse_date(date, clock)
    if not has_clock:
        raise times.TimeFormatError(f"{date!r} has no time of day, and there is no TIME-OBS")
    if mjd is not None and not times.agree(mjd, start):
        raise times.TimeFormatError(
            f"{date!r} and MJD-OBS {mjd} lie more than {times.AGREEMENT:.0f} s apart; forbid the "
            'wrong one in the instrument file: [header] MJD-OBS = ""'
        )
    return start if mjd is None else mjd


def _no_time(keys: Keywords, require: bool) -> float:
    if require:
        raise FrameError(
            "missing_keyword",
            f"{keys.origin}: neither {keys.name('MJD-OBS') or 'MJD-OBS'} nor "
            f"{keys.name('DATE-OBS') or 'DATE-OBS'} is there, so the time is unknown",
        )
    return math.nan


def _pointing(keys: Keywords, instrument: Instrument) -> tuple[float, float]:
    ra, dec = keys.get("RA"), keys.get("DEC")
    if ra is None or dec is None:
        return instrument.pointing.ra, instrument.pointing.dec
    try:
        degrees = sexagesimal(ra, hours=True), sexagesimal(dec, hours=False)
    except ValueError:
        return instrument.pointing.ra, instrument.pointing.dec
    if not (0.0 <= degrees[0] < 360.0 and -90.0 <= degrees[1] <= 90.0):
        return instrument.pointing.ra, instrument.pointing.dec
    return degrees


def sexagesimal(value: Any, *, hours: bool) -> float:
    """Return degrees of a number [deg] or of text ``[-]a:b:c`` (``hours``: a is hours).

    Raises ValueError for anything else.
    """
    if isinstance(value, int | float):
        return float(value)
    parts = str(value).replace(":", " ").split()
    if len(parts) == 1:
        return float(parts[0])
    if len(parts) != 3:
        raise ValueError(f"{value!r} is not a:b:c")
    first, minutes, seconds = (float(part) for part in parts)
    if not (0 <= minutes < 60 and 0 <= seconds < 60):
        raise ValueError(f"{value!r} is not a:b:c")
    size = abs(first) + minutes / 60.0 + seconds / 3600.0
    sign = -1.0 if parts[0].startswith("-") else 1.0
    return sign * size * (15.0 if hours else 1.0)
