"""A telescope as data: the type, and the one place that reads its TOML file."""

from __future__ import annotations

import math
import tomllib
from dataclasses import dataclass, replace
from dataclasses import field as made
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
    width_range: tuple[float, float] = (0.83, 1.14)  # of the width from frame to frame, factors
    beta_range: tuple[float, float] = (1.0, 1.0)  # of beta from frame to frame, factors
    ellipticity: float = 0.02  # RMS of each component from frame to frame


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
class StarField:
    """How crowded a typical field is: what networks for this instrument are trained on."""

    density: float = 0.0  # [star/pixel] down to S/N 4.8 when isolated; 0: by the PSF's area
    log_slope: float = 0.28  # log10 of the counts grows by this per magnitude


@dataclass(frozen=True, kw_only=True)
class Instrument:
    """One telescope, camera and band. Read it with :func:`load_instrument`."""

    name: str
    title: str
    instrume: str  # value of the INSTRUME keyword; empty: any
    band: str  # value of the FILTER keyword; empty: any
    weights: str  # name of a PNet that ships, or the path of an ONNX file; empty: none
    detector: Detector
    photometry: Photometry
    psf: PsfShape
    cadence: Cadence
    pointing: Pointing
    header: dict[str, str] = made(default_factory=dict)
    """Keyword of the FITS contract -> the frames' own keyword; empty: do not read it."""
    field: StarField = StarField()


SECTIONS: dict[str, type] = {
    "detector": Detector,
    "photometry": Photometry,
    "psf": PsfShape,
    "cadence": Cadence,
    "pointing": Pointing,
}
OPTIONAL: dict[str, type] = {"field": StarField}
RANGES = ("width_range", "beta_range")  # of the PSF; TOML has lists, a frozen type has tuples


def shipped_instruments() -> list[str]:
    """Return the names of the instrument files inside the package."""
    entries = resources.files(PACKAGE).iterdir()
    return sorted(e.name.removesuffix(".toml") for e in entries if e.name.endswith(".toml"))


def load_instrument(name_or_path: str | Path) -> Instrument:
    """Read an instrument by the name of a shipped file or by the path of a TOML file.

    ``weights`` that end in ``.onnx`` are a path, relative to the TOML file.

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
    instrument = _build(raw, origin)
    if instrument.weights.endswith(".onnx"):
        return replace(instrument, weights=str(Path(name_or_path).parent / instrument.weights))
    return instrument


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
            values[section] = kind(**_with_tuples(values[section]))
        for section, kind in OPTIONAL.items():
            values[section] = kind(**values.get(section, {}))
        instrument = Instrument(**values)
    except TypeError as error:
        raise InstrumentError(f"{origin}: {error}") from error
    _check(instrument, origin)
    return instrument


def _with_tuples(section: dict[str, Any]) -> dict[str, Any]:
    return {k: tuple(v) if k in RANGES and isinstance(v, list) else v for k, v in section.items()}


def _check(instrument: Instrument, origin: str) -> None:
    _check_ranges(instrument, origin)
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
        if not (_is_number(value) and value > 0):
            raise InstrumentError(f"{origin}: {key} must be a positive number, not {value!r}")
    if not all(isinstance(value, str) for value in instrument.header.values()):
        raise InstrumentError(f"{origin}: every value of [header] must be a keyword in quotes")
    if instrument.detector.bunit not in ("electron", "adu"):
        raise InstrumentError(f"{origin}: detector.bunit must be electron or adu")


def _check_ranges(instrument: Instrument, origin: str) -> None:
    for name in RANGES:
        ends = getattr(instrument.psf, name)
        fine = isinstance(ends, tuple) and len(ends) == 2 and all(map(_is_number, ends))
        if not (fine and 0.0 < ends[0] <= ends[1]):
            raise InstrumentError(f"{origin}: psf.{name} must be two rising factors, not {ends!r}")
    bounds = {
        "psf.ellipticity": (instrument.psf.ellipticity, 0.0, 0.3),
        "field.density": (instrument.field.density, 0.0, 0.2),
        "field.log_slope": (instrument.field.log_slope, 0.01, 2.0),
    }
    for key, (value, low, high) in bounds.items():
        if not (_is_number(value) and low <= value <= high):
            raise InstrumentError(f"{origin}: {key} must be from {low} to {high}, not {value!r}")


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and math.isfinite(value)
