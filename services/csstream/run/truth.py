"""The variable stars that a simulation injected, and which of them a run could have found.

A variable is *detectable* when all of these hold, worked out from the truth table and the times of
the frames that were measured, never from what was found:

- it is not saturated at maximum light (``mag`` at least ``saturation magnitude``);
- a *transit* or *eclipse* has at least two distinct events with a frame in them; of a *pulsator* at
  least one and a half cycles were covered;
- its ideal signal-to-noise is at least ``MIN_SNR``: depth / sigma x sqrt(frames in events) for
  transits and eclipses, full amplitude / sigma x sqrt(frames / 8) for pulsators (a sine's best
  fit), where sigma is the relative error of one frame from photon, sky, dark and read noise within
  the PSF, with ``FLOOR`` added in quadrature for what crowding costs at least.

Blends are not taken into account: the injected variables stand apart from bright neighbours.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from astropy.table import Table

from csstream.imaging.psf.pixel_psf import PixelPsf
from csstream.imaging.psf.profiles import psf_from_instrument
from csstream.instruments.instrument import Instrument

FloatArray = npt.NDArray[np.float64]

MIN_SNR = 10.0
MIN_EVENTS = 2
MIN_CYCLES = 1.5
FLOOR = 0.005  # relative flux


@dataclass(frozen=True, kw_only=True)
class Variable:
    """One injected variable star."""

    star_id: int
    ra: float  # [deg]
    dec: float  # [deg]
    mag: float  # [mag] mean
    kind: str
    period: float  # [day]
    t0: float  # [day] MJD TAI
    duration: float  # [day]; nan for pulsators
    depth: float  # relative flux, or the full amplitude of a pulsator


@dataclass(frozen=True, kw_only=True)
class Chance:
    """What the frames could show of a variable."""

    events: int  # distinct events with a frame in them; whole cycles for a pulsator
    in_event: int  # frames inside events; all frames for a pulsator
    snr: float
    saturated: bool
    detectable: bool


def read_variables(path: Path) -> list[Variable]:
    """Read the rows of a survey's ``truth.ecsv`` whose kind is not ``none``.

    Raises
    ------
    ValueError
        A column is missing.
    """
    # constant stars are most of the table, and astropy reads some 1000 rows a second
    lines = [line for line in path.read_text().splitlines() if " none " not in f" {line} "]
    table = Table.read(lines, format="ascii.ecsv")
    fields = tuple(Variable.__dataclass_fields__)
    missing = [name for name in fields if name not in table.colnames]
    if missing:
        raise ValueError(f"{path} is no truth table: it has no column {', '.join(missing)}")
    rows = table[np.asarray(table["kind"]) != "none"]
    return [_variable(row) for row in rows]


def _variable(row: Table.Row) -> Variable:
    numbers = {
        name: float(row[name]) for name in ("ra", "dec", "mag", "period", "t0", "duration", "depth")
    }
    return Variable(star_id=int(row["star_id"]), kind=str(row["kind"]), **numbers)


@dataclass(frozen=True, kw_only=True)
class Noise:
    """An instrument's noise in one frame, through an ideal PSF fit."""

    zero_point: float  # [mag] of one electron per second
    exposure_time: float  # [s]
    background: float  # [electron**2/pixel] variance of sky, dark current and reading
    noise_pixels: float  # [pixel] 1 / sum(PSF**2): the area that a fit gathers noise from
    saturation_mag: float  # [mag] of a star centred on a pixel that just saturates

    def relative_error(self, mag: float) -> float:
        """Return the error of one flux over the flux."""
        electrons = self.exposure_time * 10.0 ** (0.4 * (self.zero_point - mag))
        variance = electrons + self.noise_pixels * self.background
        return float(np.hypot(np.sqrt(variance) / electrons, FLOOR))


def noise_of(instrument: Instrument) -> Noise:
    """Work out the noise of an instrument's nominal frame."""
    detector, time = instrument.detector, instrument.cadence.exposure_time
    sky = (instrument.photometry.sky + detector.dark_current) * time
    psf = psf_from_instrument(instrument)
    peak = float(psf.evaluate(0.0, 0.0))
    full = (detector.saturation * detector.gain - sky) / peak / time
    return Noise(
        zero_point=instrument.photometry.zero_point,
        exposure_time=time,
        background=sky + detector.read_noise**2,
        noise_pixels=noise_pixels(psf),
        saturation_mag=instrument.photometry.zero_point - 2.5 * float(np.log10(full)),
    )


def noise_pixels(psf: PixelPsf) -> float:
    """Return 1 / sum(PSF**2) for a star centred on a pixel [pixel]."""
    offsets = np.arange(-12.0, 13.0)
    dx, dy = np.meshgrid(offsets, offsets)
    return float(1.0 / np.sum(np.square(psf.evaluate(dx.ravel(), dy.ravel()))))


def chance(variable: Variable, times: FloatArray, noise: Noise) -> Chance:
    """Say what frames at ``times`` (MJD TAI [day], shape (m,)) could show of a variable."""
    if variable.kind == "pulsating":
        in_event = len(times)
        events = np.ptp(times) / variable.period if in_event else 0.0
        enough = events >= MIN_CYCLES
        weight = in_event / 8.0
    else:
        numbers = event_numbers(variable, times)
        in_event, events = len(numbers), float(len(np.unique(numbers)))
        enough = events >= MIN_EVENTS
        weight = float(in_event)
    snr = variable.depth / noise.relative_error(variable.mag) * np.sqrt(weight)
    saturated = variable.mag < noise.saturation_mag
    return Chance(
        events=int(events),
        in_event=in_event,
        snr=float(snr),
        saturated=saturated,
        detectable=bool(enough and snr >= MIN_SNR and not saturated),
    )


def event_numbers(variable: Variable, times: FloatArray) -> npt.NDArray[np.int64]:
    """Return the number of the event that each frame within one lies in; other frames are left."""
    cycles = (times - variable.t0) / variable.period
    number = np.round(cycles)
    inside = np.abs(cycles - number) * variable.period <= 0.5 * variable.duration
    return number[inside].astype(np.int64)
