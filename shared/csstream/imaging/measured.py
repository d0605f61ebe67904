"""One frame's measurement, and what makes it comparable with others: place and zero point."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from csstream.imaging.frames.flags import UNRELIABLE
from csstream.imaging.frames.frame import Frame
from csstream.imaging.matching import match_pixels, match_sky
from csstream.imaging.psf.field_psf import FieldPsf
from csstream.imaging.registration import Affine, nominal_wcs, register, wcs_from_registration
from csstream.imaging.sky import sky_positions
from csstream.imaging.source_table import SourceTable
from csstream.imaging.zero_point import tie_zero_point

MATCH_FWHM = 0.5  # [FWHM] for the zero point's matches
TIE_STARS = 2000


@dataclass(frozen=True, eq=False)
class ReferenceStars:
    """The stars of a reference frame: what others are registered and tied to."""

    sources: SourceTable
    wcs: Any
    zero_point: float  # [mag] of one electron per second


@dataclass(frozen=True, kw_only=True, eq=False)
class Measured:
    """One frame's measurement."""

    sources: SourceTable
    wcs: Any
    fwhm: float  # [pixel]
    psf: FieldPsf | None
    psf_method: str  # extension, empirical, moffat or nominal
    background: float  # [electron/s/pixel], median
    zero_point: float  # [mag] of one electron per second
    zero_point_err: float  # [mag]; nan where it was not tied
    depth: float  # [mag] five-sigma, of the faint stars; nan if unknown
    saturated: int  # sources
    cosmic_ray_pixels: int
    registration: Affine | None = None
    timings: dict[str, float] = field(default_factory=dict)  # [s] by step

    def as_reference(self) -> ReferenceStars:
        """Return what other frames of the sequence are registered and tied to."""
        return ReferenceStars(self.sources, self.wcs, self.zero_point)


def place(measured: Measured, frame: Frame, reference: ReferenceStars | None) -> Measured:
    """Give the sources positions on the sky."""
    wcs, affine = frame.wcs, None
    if wcs is None and reference is not None:
        own, other = measured.sources, reference.sources
        affine = register(own.x, own.y, own.flux, other.x, other.y, other.flux)
        wcs = wcs_from_registration(affine, reference.wcs, frame.shape)
    elif wcs is None:
        wcs = nominal_wcs(frame.header.pointing, frame.header.pixel_scale_arcsec, frame.shape)
    ra, dec = sky_positions(wcs, measured.sources.x, measured.sources.y)
    sources = measured.sources.with_positions(ra, dec)
    return replace(measured, sources=sources, wcs=wcs, registration=affine)


def tie(measured: Measured, reference: ReferenceStars) -> Measured:
    """Tie the zero point to the reference's magnitudes."""
    own, other = measured.sources, reference.sources
    radius = MATCH_FWHM * measured.fwhm
    if measured.registration is not None:
        x, y = measured.registration.apply(own.x, own.y)
        mine, theirs, _ = match_pixels(x, y, other.x, other.y, radius)
    else:
        scale = math.sqrt(abs(float(np.linalg.det(measured.wcs.pixel_scale_matrix)))) * 3600.0
        mine, theirs, _ = match_sky(own.ra, own.dec, other.ra, other.dec, radius * scale)
    clean = (own.flags[mine] | other.flags[theirs]) & int(UNRELIABLE) == 0
    mine, theirs = mine[clean][:TIE_STARS], theirs[clean][:TIE_STARS]
    delta, error = tie_zero_point(
        own.mag[mine], own.mag_err[mine], other.mag[theirs], other.mag_err[theirs]
    )
    zero_point = measured.zero_point + delta
    return replace(
        measured,
        sources=own.with_zero_point(zero_point),
        zero_point=zero_point,
        zero_point_err=error,
        depth=measured.depth + delta,
    )


def depth_of(sources: SourceTable, zero_point: float) -> float:
    """Return the five-sigma magnitude from the errors of the fainter half."""
    known = np.isfinite(sources.flux) & np.isfinite(sources.flux_err)
    if np.count_nonzero(known) < 4:
        return math.nan
    flux, error = sources.flux[known], sources.flux_err[known]
    noise = float(np.median(error[flux <= np.median(flux)]))
    return zero_point - 2.5 * math.log10(5.0 * noise) if noise > 0.0 else math.nan
