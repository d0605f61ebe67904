"""A telescope as data: the type, and the one place that reads its TOML file."""

from __future__ import annotations

import math
import tomllib
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path
from typing import Any, Literal

PACKAGE = "csstream.instruments"


class InstrumentError(ValueError):
    """An instrument file is missing, or a value in it is absent or out of range."""


@dataclass(frozen=True, kw_only=True)
class Detector:
    """One detector's scale and noise. ``image unit`` is what the frame's samples count."""

    pixel_scale_arcsec: float  # [arcsec/pixel]
    bunit: Literal["electron", "adu"]
    gain: float  # [electron/image unit]
    read_noise: float  # [electron]
    dark_current: float  # [electron/s/pixel]
    saturation: float  # [image unit]


@dataclass(frozen=True, kw_only=True)
class Photometry:
    """Zero point and sky brightness."""

    zero_point: float  # [mag] of one electron per second
    sky: float  # [electron/s/pixel]


@dataclass(frozen=True, kw_only=True)
class PsfShape:
    """Nominal PSF: diffraction with a Gaussian blur, or a Moffat profile."""

    model: Literal["diffraction", "moffat"]
    aperture_m: float = 0.0  # [m], diffraction only
    wavelength_nm: float = 0.0  # [nm], diffraction only
    r80_arcsec: float = 0.0  # [arcsec], diffraction only
    fwhm_arcsec: float = 0.0  # [arcsec], moffat only
    beta: float = 3.0  # moffat only


@dataclass(frozen=True, kw_only=True)
class Cadence:
    """Exposure time and the interval between the starts of two exposures."""

    exposure_time: float  # [s]
    interval: float  # [s]


@dataclass(frozen=True, kw_only=True)
class Pointing:
    """Nominal field centre, ICRS."""

    ra: float  # [deg]
    dec: float  # [deg]


@dataclass(frozen=True, kw_only=True)
class Instrument:
    """One telescope, camera and band. Read it with :func:`load_instrument`."""

    name: str
    title: str
    instrume: str  # value of the INSTRUME keyword; empty: any
    band: str  # value of the FILTER keyword; empty: any
    weights: str  # name of the PNet that ships for it; empty: none
    detector: Detector
    photometry: Photometry
    psf: PsfShape
    cadence: Cadence
    pointing: Pointing
    header: dict[str, str] = field(default_factory=dict)
    """Keyword of the FITS contract -> the frames' own keyword; empty: do not read it."""


SECTIONS: dict[str, type] = {
    "detector": Detector,
    "photometry": Photometry,
    "psf": PsfShape,
    "cadence": Cadence,
    "pointing": Pointing,
}


def shipped_instruments() -> list[str]:
    """Return the names of the instrument files inside the package."""
    entries = resources.files(PACKAGE).iterdir()
    return sorted(e.name.removesuffix(".toml") for e in entries if e.name.endswith(".toml"))


def load_instrument(name_or_path: str | Path) -> Instrument:
    """Read an instrument by the name of a shipped file or by the path of a TOML file.

    Raises
    ------
    InstrumentError
        The file is missing, is no TOML, or a value is absent, unknown or out of range.
    """
    text, origin = _read_text(name_or_path)
    try:
        raw = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise InstrumentError(f"{origin}: not valid TOML: {error}") from error
    return _build(raw, origin)


def _read_text(name_or_path: str | Path) -> tuple[str, str]:
    name = str(name_or_path)
    if name in shipped_instruments():
        return resources.files(PACKAGE).joinpath(f"{name}.toml").read_text(), name
    path = Path(name_or_path)
    if not path.is_file():
        known = ", ".join(shipped_instruments())
        raise InstrumentError(f"no instrument file {path}; shipped instruments: {known}")
    return path.read_text(), str(path)


def _build(raw: dict[str, Any], origin: str) -> Instrument:
    values = dict(raw)
    try:
        for section, kind in SECTIONS.items():
            if section not in values:
                raise InstrumentError(f"{origin}: section [{section}] is missing")
            values[section] = kind(**values[section])
        instrument = Instrument(**values)
    except TypeError as error:
        raise InstrumentError(f"{origin}: {error}") from error
    _check(instrument, origin)
    return instrument


def _check(instrument: Instrument, origin: str) -> None:
    positive = {
        "detector.pixel_scale_arcsec": instrument.detector.pixel_scale_arcsec,
        "detector.gain": instrument.detector.gain,
        "detector.saturation": instrument.detector.saturation,
        "cadence.exposure_time": instrument.cadence.exposure_time,
        "cadence.interval": instrument.cadence.interval,
    }
    if instrument.psf.model == "diffraction":
        positive["psf.aperture_m"] = instrument.psf.aperture_m
        positive["psf.wavelength_nm"] = instrument.psf.wavelength_nm
        positive["psf.r80_arcsec"] = instrument.psf.r80_arcsec
    elif instrument.psf.model == "moffat":
        positive["psf.fwhm_arcsec"] = instrument.psf.fwhm_arcsec
    else:
        raise InstrumentError(f"{origin}: psf.model must be diffraction or moffat")
    for key, value in positive.items():
        if not (isinstance(value, int | float) and math.isfinite(value) and value > 0):
            raise InstrumentError(f"{origin}: {key} must be a positive number, not {value!r}")
    if not all(isinstance(value, str) for value in instrument.header.values()):
        raise InstrumentError(f"{origin}: every value of [header] must be a keyword in quotes")
    if instrument.detector.bunit not in ("electron", "adu"):
        raise InstrumentError(f"{origin}: detector.bunit must be electron or adu")
