"""The star field of a simulated survey: constant stars and variables on one pixel plane."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from csstream.imaging.psf.pixel_psf import PixelPsf
from csstream.instruments.instrument import Instrument
from csstream.simulation.catalogue import (
    FRAME_MARGIN,
    LOG_SLOPE,
    PAPER_DENSITY,
    StarCatalogue,
    draw_catalogue,
)
from csstream.simulation.frames import background_level
from csstream.simulation.spectral import SPECTRAL_TYPES
from csstream.simulation.variables.enriched import draw_variables
from csstream.simulation.variables.paper import (
    PAPER_SHARES,
    PeriodLaw,
    Shares,
    draw_kinds,
    draw_paper_variables,
)
from csstream.simulation.variables.shapes import Variables

FloatArray = npt.NDArray[np.float64]
EDGE = 12.0  # [pixel] variables keep this far from the edge of the undithered frame
HEADROOM = {"transit": (0.3, 1.3), "eclipsing": (0.4, 2.4), "pulsating": (0.9, 2.9)}
"""[mag] Range of a variable's mean below the brightness at which a star saturates."""
ISOLATION = 3.0  # [pixel] no star within this distance of a variable comes near its brightness
CONTRAST = 2.5  # [mag] a star is near in brightness when it is less than this fainter
TRIES = 1000  # positions tried before a variable is placed beside a neighbour
SOLAR_TYPE = [each.letter for each in SPECTRAL_TYPES].index("G")  # of the enriched variables

Mix = Literal["enriched", "paper"]


@dataclass(frozen=True, kw_only=True)
class FieldSettings:
    """What stars to draw.

    ``mix`` "enriched" adds ``transits``, ``eclipsing`` and ``pulsators`` where they can be
    measured; "paper" makes ``shares`` of the field's own stars vary.
    """

    shape: tuple[int, int] = (512, 512)  # (ny, nx) [pixel]
    density: float = PAPER_DENSITY  # [star/pixel]
    mag_bright: float = 18.0
    mag_faint: float = 26.0
    log_slope: float = LOG_SLOPE
    transits: int = 4
    eclipsing: int = 4
    pulsators: int = 4
    mix: Mix = "enriched"
    shares: Shares = PAPER_SHARES
    periods: PeriodLaw = "paper"  # of the paper's binaries; "searchable" cuts it to the span


@dataclass(frozen=True, eq=False)
class Field:
    """Stars of one detector's field; the variables are the last rows of the catalogue."""

    catalogue: StarCatalogue  # undithered positions; mag is the mean magnitude
    variables: Variables
    shape: tuple[int, int]  # (ny, nx) of the frame [pixel]

    def curves(self, mjd: FloatArray) -> FloatArray:
        """Return the variables' fluxes over their means at MJD TAI (m,) [day]; (variables, m)."""
        if len(self.variables) == 0:
            return np.empty((0, mjd.size))
        return np.asarray(self.variables.relative_flux(mjd), np.float64)

    def relative_flux(self, variables: FloatArray) -> FloatArray:
        """Return every star's flux over its mean, (n,), given the variables' at one time."""
        flux = np.ones(len(self.catalogue))
        flux[flux.size - variables.size :] = variables
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
        return self.catalogue.shifted(dx, dy)


def draw_field(
    settings: FieldSettings,
    instrument: Instrument,
    psf: PixelPsf,
    span: tuple[float, float],
    dither: float,
    rng: np.random.Generator,
) -> Field:
    """Draw the stars of a field, some of which vary.

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
    if settings.mix == "paper":
        return _with_shares(stars, settings, span, rng)
    limit = saturation_magnitude(instrument, psf)
    return _with_enrichment(stars, settings, span, limit, rng)


def _with_shares(
    stars: StarCatalogue,
    settings: FieldSettings,
    span: tuple[float, float],
    rng: np.random.Generator,
) -> Field:
    """Let shares of the stars vary, wherever they lie and however faint they are."""
    if stars.types is None:
        raise ValueError("the paper's mix needs stars with spectral types")
    kinds = draw_kinds(rng, len(stars), settings.shares)
    constant, varying = np.flatnonzero(kinds == "none"), np.flatnonzero(kinds != "none")
    types = stars.types[varying]
    variables = draw_paper_variables(rng, kinds[varying], types, span, settings.periods)
    ordered = stars.take(np.concatenate([constant, varying]))
    return Field(ordered, variables, settings.shape)


def _with_enrichment(
    stars: StarCatalogue,
    settings: FieldSettings,
    span: tuple[float, float],
    limit: float,
    rng: np.random.Generator,
) -> Field:
    """Add variables at places where they can be measured.

    They are brighter than most stars, below saturation, away from the edge and, where the field
    leaves room, not blended with a star of similar brightness.
    """
    variables = draw_variables(
        rng,
        n_transit=settings.transits,
        n_eclipsing=settings.eclipsing,
        n_pulsating=settings.pulsators,
        span=span,
    )
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
    return stars.with_star(x, y, mag, SOLAR_TYPE)


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
