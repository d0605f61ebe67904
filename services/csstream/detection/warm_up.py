"""Compiles and loads everything before the group is joined: the first frame must not wait."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from csstream.detection.strategies import Station
from csstream.imaging.frames.frame import Frame, blank_header, frame_from_array
from csstream.imaging.measure import Measured, measure_frame
from csstream.imaging.reference.catalogue import ReferenceCatalogue, ReferenceStarTable
from csstream.imaging.reference.measure import measure_listed
from csstream.imaging.registration import nominal_wcs

SIDE = 160  # [pixel]
STARS = 60
SNR = (30.0, 300.0)  # of the stars' fluxes over the noise of a few pixels


def warm_up(station: Station) -> None:
    """Measure an artificial frame along every path: with and without PSF and WCS, tied, listed."""
    full = _frame(station)
    bare = replace(full, psf=None, wcs=None)
    measured = measure_frame(full, station.strategy, nominal_psf=station.psf)
    reference = measured.as_reference()
    measure_frame(bare, station.strategy, nominal_psf=station.psf, reference=reference)
    measure_listed(full, _list_of(full, measured), nominal_psf=station.psf)


def _list_of(frame: Frame, measured: Measured) -> ReferenceCatalogue:
    """The frame's own stars as a reference catalogue."""
    found = measured.sources
    good = np.isfinite(found.flux) & (found.flux > 0) & np.isfinite(found.ra)
    found = found.select(good)
    n = len(found.x)
    same = {name: getattr(found, name) for name in ("ra", "dec", "x", "y", "flux", "flux_err")}
    stars = ReferenceStarTable(
        object_id=1 + np.arange(n, dtype=np.int64),
        position_err=np.full(n, 0.01),
        calibrator=np.ones(n, bool),
        neighbour_id=np.zeros(n, np.int64),
        neighbour_share=np.zeros(n),
        n_frames=np.ones(n, np.int32),
        flags=np.zeros(n, np.int32),
        **same,
    )
    return ReferenceCatalogue(
        version="warm-up",
        instrument=frame.header.instrument,
        band=frame.header.band,
        zero_point=measured.zero_point,
        fwhm=measured.fwhm,
        wcs=measured.wcs,
        stars=stars,
    )


def _frame(station: Station) -> Frame:
    instrument, rng = station.instrument, np.random.default_rng(0)
    sky = max(instrument.photometry.sky * instrument.cadence.exposure_time, 1.0)
    noise = np.hypot(np.sqrt(sky), instrument.detector.read_noise)
    image = np.full((SIDE, SIDE), sky, np.float32)
    x, y = rng.uniform(5, SIDE - 6, (2, STARS))
    flux = noise * np.geomspace(*SNR, STARS) * station.psf.fwhm
    station.psf.render(image, x, y, flux, min(16, station.psf.half_width))
    image = rng.poisson(image).astype(np.float32)
    scale = instrument.detector.pixel_scale_arcsec
    header = blank_header(
        instrument=instrument.name,
        band=instrument.band,
        exposure_time=instrument.cadence.exposure_time,
        shape=image.shape,
        read_noise=instrument.detector.read_noise,
        saturation=instrument.detector.saturation * instrument.detector.gain,
        zero_point=instrument.photometry.zero_point,
        pixel_scale_arcsec=scale,
    )
    wcs = nominal_wcs((instrument.pointing.ra, instrument.pointing.dec), scale, image.shape)
    return frame_from_array(image, header, wcs=wcs, psf=station.psf)
