"""The star field of a simulated survey: constant stars and variables on one pixel plane."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from csstream.imaging.psf import PixelPsf
from csstream.instruments.instrument import Instrument
from csstream.simulation.catalogue import (
    FRAME_MARGIN,
    LOG_SLOPE,
    PAPER_DENSITY,
    StarCatalogue,
    draw_catalogue,
)
from csstream.simulation.frames import background_level
from csstream.simulation.variability import Variables, draw_variables

FloatArray = npt.NDArray[np.float64]
EDGE = 12.0  # [pixel] variables keep this far from the edge of the undithered frame
HEADROOM = {"transit": (0.3, 1.3), "eclipsing": (0.4, 2.4), "pulsating": (0.9, 2.9)}
"""[mag] Range of a variable's mean below the brightness at which a star saturates."""
ISOLATION = 3.0  # [pixel] no star within this distance of a variable comes near its brightness
CONTRAST = 2.5  # [mag] a star is near in brightness when it is less than this fainter
TRIES = 1000  # positions tried before a variable is placed beside a neighbour


@dataclass(frozen=True, kw_only=True)
class FieldSettings:
    """What stars to draw."""

    shape: tuple[int, int] = (512, 512)  # (ny, nx) [pixel]
    density: float = PAPER_DENSITY  # [star/pixel]
    mag_bright: float = 18.0
    mag_faint: float = 26.0
    log_slope: float = LOG_SLOPE
    transits: int = 4
    eclipsing: int = 4
    pulsators: int = 4


@dataclass(frozen=True, eq=False)
class Field:
    """Stars of one detector's field; the variables are the last rows of the catalogue."""

    catalogue: StarCatalogue  # undithered positions; mag is the mean magnitude
    variables: Variables
    shape: tuple[int, int]  # (ny, nx) of the frame [pixel]

    def relative_flux(self, mjd: float) -> FloatArray:
        """Return every star's flux over its mean at one time, MJD TAI [day]; shape (n,)."""
        flux = np.ones(len(self.catalogue))
        count = len(self.variables)
        if count:
            flux[-count:] = self.variables.relative_flux(np.array([mjd]))[:, 0]
        return flux

    def column(self, name: str, missing: float = np.nan) -> FloatArray:
        """Return a column of the variables for all stars; ``missing`` for constant ones."""
        values = np.full(len(self.catalogue), missing)
        count = len(self.variables)
        if count:
            values[-count:] = getattr(self.variables, name)
        return values

    def kinds(self) -> npt.NDArray[np.str_]:
        """Return the kind of every star; ``none`` for constant ones."""
        constant = len(self.catalogue) - len(self.variables)
        return np.array(["none"] * constant + list(self.variables.kind), dtype="U16")

    def dithered(self, dx: float, dy: float) -> StarCatalogue:
        """Return the catalogue shifted by (dx, dy) pixels."""
        stars = self.catalogue
        return StarCatalogue(stars.x + dx, stars.y + dy, stars.mag)


def draw_field(
    settings: FieldSettings,
    instrument: Instrument,
    psf: PixelPsf,
    span: tuple[float, float],
    dither: float,
    rng: np.random.Generator,
) -> Field:
    """Draw constant stars, then variables at places where they can be measured.

    Variables are brighter than most stars, below saturation, away from the edge and, where the
    field leaves room, not blended with a star of similar brightness: enriched on purpose.

    Parameters
    ----------
    span : (first, last) MJD TAI [day]
        Time that the survey covers; periods are drawn so that several events fall into it.
    dither : float [pixel]
        Stars are drawn this much further beyond the frame.
    """
    stars = draw_catalogue(
        rng,
        settings.shape,
        density=settings.density,
        mag_bright=settings.mag_bright,
        mag_faint=settings.mag_faint,
        log_slope=settings.log_slope,
        margin=FRAME_MARGIN + dither,
    )
    variables = draw_variables(
        rng,
        n_transit=settings.transits,
        n_eclipsing=settings.eclipsing,
        n_pulsating=settings.pulsators,
        span=span,
    )
    limit = saturation_magnitude(instrument, psf)
    for kind in variables.kind:
        stars = _with_variable(stars, str(kind), limit, settings.shape, rng)
    return Field(stars, variables, settings.shape)


def saturation_magnitude(instrument: Instrument, psf: PixelPsf) -> float:
    """Return the magnitude at which a star centred on a pixel reaches saturation [mag]."""
    detector = instrument.detector
    room = detector.saturation * detector.gain - background_level(instrument)
    flux = room / float(psf.evaluate(0.0, 0.0)) / instrument.cadence.exposure_time
    return float(instrument.photometry.zero_point - 2.5 * np.log10(flux))


def _with_variable(
    stars: StarCatalogue,
    kind: str,
    limit: float,
    shape: tuple[int, int],
    rng: np.random.Generator,
) -> StarCatalogue:
    bright, faint = HEADROOM[kind]
    mag = limit + rng.uniform(bright, faint)
    x, y = _place(stars, mag, shape, rng)
    return StarCatalogue(np.append(stars.x, x), np.append(stars.y, y), np.append(stars.mag, mag))


def _place(
    stars: StarCatalogue, mag: float, shape: tuple[int, int], rng: np.random.Generator
) -> tuple[float, float]:
    ny, nx = shape
    similar = stars.select(stars.mag < mag + CONTRAST)
    for _ in range(TRIES):
        x = rng.uniform(EDGE, nx - 1 - EDGE)
        y = rng.uniform(EDGE, ny - 1 - EDGE)
        if np.all(np.hypot(similar.x - x, similar.y - y) > ISOLATION):
            break
    return x, y
