"""The PSF that a simulated telescope has in one exposure, and the one that an observer knows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np

from csstream.imaging.psf.field_psf import FieldPsf
from csstream.imaging.psf.pixel_psf import PixelPsf
from csstream.imaging.psf.profiles import psf_from_instrument
from csstream.instruments.instrument import Instrument
from csstream.simulation.optics import Aberrations, draw_optics
from csstream.simulation.optics_field import OpticsField

TelescopePsf = PixelPsf | FieldPsf | OpticsField
Optics = Literal["galsim", "analytic"]
Shape = tuple[float, float]  # ellipticity (e1, e2)


class Telescope(Protocol):
    """Optics that breathe: the PSF follows from the width and the shape of the moment."""

    @property
    def nominal(self) -> PixelPsf:
        """The round PSF of nominal width, the same everywhere: what an observer knows."""

    def at(self, width: float, ellipticity: Shape) -> TelescopePsf:
        """The PSF ``width`` times as wide as on average, stretched by ``ellipticity``."""


@dataclass(frozen=True, eq=False)
class AnalyticTelescope:
    """The instrument file's model at one width: the same PSF all over the field."""

    instrument: Instrument
    width_arcsec: float  # R80 of a diffraction PSF, FWHM of a Moffat profile
    ellipticity: Shape = (0.0, 0.0)

    @property
    def nominal(self) -> PixelPsf:
        return analytic_psf(self.instrument, self.width_arcsec)

    def at(self, width: float, ellipticity: Shape) -> PixelPsf:
        e1, e2 = (a + b for a, b in zip(self.ellipticity, ellipticity, strict=True))
        return analytic_psf(self.instrument, self.width_arcsec * width, (e1, e2))


@dataclass(frozen=True, eq=False)
class AberratedTelescope:
    """Optics that change over the field, stretched from exposure to exposure."""

    field: OpticsField
    nominal: PixelPsf

    def at(self, width: float, ellipticity: Shape) -> OpticsField:
        return self.field.stretched(width, ellipticity)


def draw_telescope(
    rng: np.random.Generator,
    instrument: Instrument,
    shape: tuple[int, int],
    *,
    width_arcsec: float,
    optics: Optics,
    aberrations: Aberrations | None = None,
    ellipticity: float = 0.0,
) -> Telescope:
    """Draw a telescope whose PSF has a mean width [arcsec]: R80, or FWHM of a Moffat profile.

    ``aberrations`` shape the PSF of "galsim" optics over a frame of ``shape`` (ny, nx); the
    analytic PSF gets an ellipticity whose components have the RMS ``ellipticity``.

    Raises
    ------
    PsfError
        The width is below the diffraction limit, GalSim is missing, or the instrument's PSF
        is no diffraction pattern while optics are asked for.
    """
    nominal = analytic_psf(instrument, width_arcsec)
    if optics == "analytic":
        e1, e2 = ellipticity * rng.standard_normal(2)
        return AnalyticTelescope(instrument, width_arcsec, (float(e1), float(e2)))
    field = draw_optics(rng, instrument, shape, r80_arcsec=width_arcsec, aberrations=aberrations)
    return AberratedTelescope(field, nominal)


def analytic_psf(
    instrument: Instrument, width_arcsec: float, ellipticity: Shape = (0.0, 0.0)
) -> PixelPsf:
    """Return the instrument's model at a width [arcsec]: R80, or FWHM of a Moffat profile."""
    if instrument.psf.model == "diffraction":
        return psf_from_instrument(instrument, r80_arcsec=width_arcsec, ellipticity=ellipticity)
    return psf_from_instrument(instrument, fwhm_arcsec=width_arcsec, ellipticity=ellipticity)


def nominal_width(instrument: Instrument) -> float:
    """Return the instrument file's width of the PSF [arcsec]: R80, or FWHM of a Moffat profile."""
    shape = instrument.psf
    return shape.r80_arcsec if shape.model == "diffraction" else shape.fwhm_arcsec


def central_psf(psf: TelescopePsf) -> PixelPsf:
    """Return the PSF in the middle of the field."""
    return psf if isinstance(psf, PixelPsf) else psf.central


def described(psf: TelescopePsf, degree: int = 2) -> PixelPsf | FieldPsf:
    """Return a PSF in a form that a frame's extension can hold: tables times polynomials."""
    return psf.polynomial(degree) if isinstance(psf, OpticsField) else psf
