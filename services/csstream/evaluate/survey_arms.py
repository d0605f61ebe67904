"""The ways to measure a field's frames into curves: with the reference list, and without."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from csstream.contracts.units import AB_ZERO_POINT_NJY
from csstream.evaluate.survey_plan import Arm
from csstream.evaluation.curve_store import ExtraSources, no_extras
from csstream.imaging.finding.candidates import DetectionStrategy
from csstream.imaging.finding.classical import ClassicalStrategy
from csstream.imaging.finding.strategies import choose_strategy
from csstream.imaging.fit.psf_photometry import psf_photometry
from csstream.imaging.frames.background import estimate_background
from csstream.imaging.frames.frame import Frame
from csstream.imaging.matching import match_pixels
from csstream.imaging.measure import measure_frame
from csstream.imaging.psf.pixel_psf import PixelPsf
from csstream.imaging.psf_fit.estimate import estimate_psf
from csstream.imaging.reference.catalogue import ReferenceCatalogue
from csstream.imaging.reference.measure import measure_listed
from csstream.imaging.sky import pixel_positions, sky_positions
from csstream.imaging.source_table import SourceTable
from csstream.instruments.instrument import Instrument

Float = npt.NDArray[np.float64]

MATCHED = 0.5  # [pixel] between a find and the listed star that it is
LEAST_PROBABILITY = 0.5  # of a find that no fit looks at
TYING_SNR = 50.0  # of the stars that tie the zero point where the measurement does not
LEAST_TIES = 5


@dataclass(frozen=True, kw_only=True, eq=False)
class FrameCurves:
    """One frame: what every object of the list has, (n,), and what there is beside it."""

    flux: Float  # [nJy]; nan: not measured
    flux_err: Float  # [nJy]
    flags: npt.NDArray[np.int32]
    zero_point: float  # [mag]
    zero_point_err: float  # [mag]
    fwhm: float  # [pixel]
    background: float  # [electron/s/pixel]
    extras: ExtraSources = field(default_factory=no_extras)


@dataclass(frozen=True, kw_only=True, eq=False)
class Found:
    """What a frame measured on its own holds; arrays (k,), pixels of the frame."""

    x: Float
    y: Float
    flux: Float  # [electron/s]
    flux_err: Float  # [electron/s]; nan: the arm quotes none
    flags: npt.NDArray[np.int32]
    zero_point: float
    fwhm: float
    background: float


@dataclass(frozen=True, kw_only=True, eq=False)
class Listing:
    """The list that all frames of a field are measured into."""

    reference: ReferenceCatalogue
    x: Float  # (n,) [pixel] of the undithered frame
    y: Float
    wcs: Any  # undithered
    nominal: PixelPsf


Measure = Callable[[Frame, Listing], FrameCurves]


def arm_of(name: Arm, instrument: Instrument) -> Measure:
    """Return how one arm measures a frame."""
    if name == "reference":
        return with_reference
    if name == "classical":
        return lambda frame, listing: matched(_classical(frame, listing.nominal), frame, listing)
    network, _ = choose_strategy(instrument, "pnet")
    if name == "network":
        return lambda frame, listing: matched(_network(frame, network, listing), frame, listing)
    return lambda frame, listing: matched(_fitted(frame, network, listing), frame, listing)


def with_reference(frame: Frame, listing: Listing) -> FrameCurves:
    """Measure the list in a frame, as the detection service does."""
    reference = listing.reference
    measured = measure_listed(frame, reference, nominal_psf=listing.nominal)
    sources, factor = measured.sources, _njy(measured.zero_point)
    ids = reference.stars.object_id
    order = np.argsort(ids)
    listed = sources.object_id > 0
    rows = order[np.searchsorted(ids, sources.object_id[listed], sorter=order)]
    n = len(ids)
    flux, error = np.full(n, np.nan), np.full(n, np.nan)
    flags = np.zeros(n, np.int32)
    flux[rows] = sources.flux[listed] * factor
    error[rows] = sources.flux_err[listed] * factor
    flags[rows] = sources.flags[listed]
    extras = sources.select(~listed & np.isfinite(sources.ra))
    return FrameCurves(
        flux=flux,
        flux_err=error,
        flags=flags,
        zero_point=measured.zero_point,
        zero_point_err=measured.zero_point_err,
        fwhm=measured.fwhm,
        background=measured.background,
        extras=_extras(extras, factor, listing),
    )


def _extras(sources: SourceTable, factor: float, listing: Listing) -> ExtraSources:
    x, y = pixel_positions(listing.wcs, sources.ra, sources.dec)
    return ExtraSources(
        frame=np.zeros(len(sources), np.int64),
        ra=sources.ra,
        dec=sources.dec,
        x=x.astype(np.float32),
        y=y.astype(np.float32),
        x_err=sources.x_err.astype(np.float32),
        y_err=sources.y_err.astype(np.float32),
        flux=(sources.flux * factor).astype(np.float32),
        flux_err=(sources.flux_err * factor).astype(np.float32),
        flags=sources.flags.astype(np.int16),
    )


def matched(found: Found, frame: Frame, listing: Listing) -> FrameCurves:
    """Give what a frame's own measurement found to the listed stars that it is.

    The zero point is tied by the median of the bright matches. An arm that quotes no errors gets
    those of photons on an empty sky.
    """
    ra, dec = sky_positions(frame.wcs, found.x, found.y)
    x, y = pixel_positions(listing.wcs, ra, dec)
    mine, theirs, _ = match_pixels(x, y, listing.x, listing.y, MATCHED)
    zero_point = found.zero_point + _tie(found, mine, theirs, listing)
    factor, n = _njy(zero_point), listing.x.size
    quoted = np.where(np.isfinite(found.flux_err), found.flux_err, _photon_error(found, frame))
    flux, error = np.full(n, np.nan), np.full(n, np.nan)
    flags = np.zeros(n, np.int32)
    flux[theirs], error[theirs] = found.flux[mine] * factor, quoted[mine] * factor
    flags[theirs] = found.flags[mine]
    return FrameCurves(
        flux=flux,
        flux_err=error,
        flags=flags,
        zero_point=zero_point,
        zero_point_err=np.nan,
        fwhm=found.fwhm,
        background=found.background,
    )


def _tie(
    found: Found, mine: npt.NDArray[np.int64], theirs: npt.NDArray[np.int64], listing: Listing
) -> float:
    stars = listing.reference.stars
    bright = stars.calibrator[theirs] & (found.flux[mine] > 0.0)
    bright &= stars.flux[theirs] > TYING_SNR * stars.flux_err[theirs]
    if np.count_nonzero(bright) < LEAST_TIES:
        return 0.0
    ratio = stars.flux[theirs][bright] / found.flux[mine][bright]
    listed = listing.reference.zero_point - 2.5 * float(np.log10(np.median(ratio)))
    return listed - found.zero_point


def _photon_error(found: Found, frame: Frame) -> Float:
    area = 4.0 * np.pi * (found.fwhm / 2.3548) ** 2
    sky = found.background * frame.exposure_time + frame.read_noise**2
    electrons = np.maximum(found.flux, 0.0) * frame.exposure_time + area * sky
    return np.asarray(np.sqrt(electrons) / frame.exposure_time)


def _fitted(frame: Frame, strategy: DetectionStrategy, listing: Listing) -> Found:
    measured = measure_frame(frame, strategy, nominal_psf=listing.nominal)
    s = measured.sources
    return Found(
        x=s.x,
        y=s.y,
        flux=s.flux,
        flux_err=s.flux_err,
        flags=s.flags,
        zero_point=frame.zero_point,
        fwhm=measured.fwhm,
        background=measured.background,
    )


def _network(frame: Frame, strategy: DetectionStrategy, listing: Listing) -> Found:
    """The network's word alone: no fit, no errors."""
    background = estimate_background(frame.image, frame.mask)
    found = strategy.detect(frame, background, listing.nominal)
    found = found.select(found.probability >= LEAST_PROBABILITY)
    rate = np.asarray(found.flux) / frame.exposure_time
    level = float(np.median(background.level)) / frame.exposure_time
    return _without_flags(found.x, found.y, rate, np.full(len(found), np.nan), frame, level,
                          listing.nominal.fwhm)  # fmt: skip


def _classical(frame: Frame, nominal: PixelPsf) -> Found:
    """The paper's § 3.1: SExtractor's core, then PSF photometry of one star at a time."""
    estimate = estimate_psf(frame, nominal)
    psf = nominal if estimate is None else estimate.psf.central
    background = estimate_background(frame.image, frame.mask)
    found = ClassicalStrategy().detect(frame, background, psf)
    sky_free = frame.image - background.level
    flux, error = psf_photometry(sky_free, frame.mask, background.noise, psf, found.x, found.y)
    rate = 1.0 / frame.exposure_time
    level = float(np.median(background.level)) * rate
    return _without_flags(found.x, found.y, flux * rate, error * rate, frame, level, psf.fwhm)


def _without_flags(
    x: Float, y: Float, flux: Float, error: Float, frame: Frame, background: float, fwhm: float
) -> Found:
    """Put columns together; a find on a pixel that is no good has that pixel's flags."""
    ny, nx = frame.shape
    column = np.clip(np.rint(x), 0, nx - 1).astype(np.int64)
    row = np.clip(np.rint(y), 0, ny - 1).astype(np.int64)
    return Found(
        x=np.asarray(x, np.float64),
        y=np.asarray(y, np.float64),
        flux=np.asarray(flux, np.float64),
        flux_err=np.asarray(error, np.float64),
        flags=frame.flags[row, column],
        zero_point=frame.zero_point,
        fwhm=fwhm,
        background=background,
    )


def _njy(zero_point: float) -> float:
    """Return the nJy of one electron per second."""
    return float(10.0 ** (0.4 * (AB_ZERO_POINT_NJY - zero_point)))
