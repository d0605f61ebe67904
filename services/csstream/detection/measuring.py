"""Measures one announced frame: claim check, pixels, stars, sky, zero point."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np

from csstream.contracts.errors import BadInputError, CsstreamError, TransientError
from csstream.contracts.records import ClaimCheck, Exposure
from csstream.detection.catalogues import CatalogueShelf
from csstream.detection.claim_check import ClaimChecker
from csstream.detection.footprint import footprint_cells
from csstream.detection.result import FrameResult
from csstream.detection.strategies import Station
from csstream.imaging.errors import FrameError
from csstream.imaging.frames.fits_io import read_frame
from csstream.imaging.frames.frame import Frame
from csstream.imaging.measure import Measured, ReferenceStars, SourceTable, measure_frame
from csstream.imaging.reference.catalogue import ReferenceCatalogue
from csstream.imaging.reference.measure import measure_listed
from csstream.imaging.sky import sky_positions
from csstream.inference.session import InferenceError
from csstream.runtime.logging import get_logger

Reference = ReferenceCatalogue | ReferenceStars | None
BY_LIST = "reference"  # the method of a frame whose stars are those of a reference catalogue
LIST_MODEL = "reference-fit"
REFERENCES = 64  # kept in memory: one per sequence and detector at work


class FrameMeasurer:
    """Measures exposures; remembers the stars of the reference frames.

    The result depends on the announcement and its files alone, not on what was measured
    before: a reference is measured from its file wherever it is needed first.
    """

    def __init__(self, stations: Mapping[str, Station], checker: ClaimChecker) -> None:
        self._stations = stations
        self._checker = checker
        self._references: OrderedDict[tuple[str, str], ReferenceStars] = OrderedDict()
        self._catalogues = CatalogueShelf(checker=checker)

    def measure(self, exposure: Exposure) -> FrameResult:
        """Return the sources of an exposure and what is known of its frame.

        Raises
        ------
        BadInputError
            ``unknown_instrument``; a claim check fails (for the reference frame the reason starts
            with ``reference_``, for the reference catalogue with ``catalogue_``); the frame
            breaks the FITS contract or cannot be placed on the sky; ``measurement_failed``.
        TransientError
            The disk or the processor failed.
        """
        station = self._station(exposure)
        if exposure.image is None:
            raise BadInputError("inconsistent", f"{exposure.exposure_id}: no image is claimed")
        catalogue = self._catalogues.of(exposure)
        if catalogue is None:
            return self._free(exposure, exposure.image, station)
        frame, measured, timings = self._measure(exposure.image, station, catalogue)
        result = _result(frame, measured, station, timings)
        return replace(
            result,
            method=BY_LIST,
            model=LIST_MODEL,
            provider="",
            reference_version=catalogue.version,
            reference_family=catalogue.family,
        )

    def _free(self, exposure: Exposure, image: ClaimCheck, station: Station) -> FrameResult:
        """Measure the stars that are found in the frame."""
        is_reference = exposure.reference_frame in (None, image)
        reference = None if is_reference else self._reference(exposure, station)
        frame, measured, timings = self._measure(image, station, reference)
        if exposure.reference_frame is None and frame.wcs is None:
            raise BadInputError(
                "not_registered",
                f"{exposure.exposure_id}: no celestial WCS, and no reference frame is claimed",
            )
        if is_reference:
            self._remember((station.instrument.name, image.sha256), measured)
        return _result(frame, measured, station, timings)

    def _station(self, exposure: Exposure) -> Station:
        try:
            return self._stations[exposure.instrument]
        except KeyError:
            known = ", ".join(self._stations)
            raise BadInputError(
                "unknown_instrument",
                f"{exposure.exposure_id}: instrument {exposure.instrument!r} is not among those "
                f"of this service ({known}): add it to --instruments",
            ) from None

    def _reference(self, exposure: Exposure, station: Station) -> ReferenceStars:
        claim = exposure.reference_frame
        assert claim is not None  # the caller asked for it
        key = (station.instrument.name, claim.sha256)
        if key not in self._references:
            try:
                self._remember(key, self._measure(claim, station, None)[1])
            except BadInputError as error:
                raise BadInputError(
                    f"reference_{error.reason}", f"{exposure.exposure_id}: reference frame: {error}"
                ) from error
        self._references.move_to_end(key)
        return self._references[key]

    def _remember(self, key: tuple[str, str], measured: Measured) -> None:
        self._references[key] = measured.as_reference()
        while len(self._references) > REFERENCES:
            self._references.popitem(last=False)

    def _measure(
        self, claim: ClaimCheck, station: Station, reference: Reference
    ) -> tuple[Frame, Measured, dict[str, float]]:
        started = time.perf_counter()
        with self._checker.verified(claim) as path:
            verified = time.perf_counter()
            frame = _read(path, station)
            read = time.perf_counter()
            measured = _measured(frame, station, reference, path)
        timings = {"verify": verified - started, "read": read - verified}
        return frame, measured, timings | measured.timings


def _read(path: Path, station: Station) -> Frame:
    try:
        return read_frame(path, station.instrument)
    except FrameError as error:
        raise BadInputError(error.reason, str(error)) from error


def _measured(frame: Frame, station: Station, reference: Reference, path: Path) -> Measured:
    try:
        return _by_reference(frame, station, reference)
    except FrameError as error:
        raise BadInputError(error.reason, f"{path}: {error}") from error
    except InferenceError as error:  # a busy or broken processor
        raise TransientError(f"{path}: {error}") from error
    except (CsstreamError, MemoryError):
        raise
    except Exception as error:
        # One strange frame must not stop the partition; the log keeps the traceback.
        get_logger("detection").exception("measurement failed", file=str(path))
        raise BadInputError(
            "measurement_failed", f"{path}: {type(error).__name__}: {error}"
        ) from error


def _by_reference(frame: Frame, station: Station, reference: Reference) -> Measured:
    """Measure the reference's list, where it is one, else what is found in the frame."""
    if isinstance(reference, ReferenceCatalogue):
        return measure_listed(frame, reference, nominal_psf=station.psf, settings=station.settings)
    return measure_frame(
        frame,
        station.strategy,
        nominal_psf=station.psf,
        reference=reference,
        settings=station.settings,
    )


def _result(
    frame: Frame,
    measured: Measured,
    station: Station,
    timings: dict[str, float],
) -> FrameResult:
    started = time.perf_counter()
    cells = footprint_cells(
        lambda x, y: sky_positions(measured.wcs, x, y),
        frame.shape,
        frame.header.pixel_scale_arcsec,
    )
    timings["footprint"] = time.perf_counter() - started
    return FrameResult(
        sources=_on_sky(measured.sources),
        footprint=cells,
        zero_point=measured.zero_point,
        zero_point_err=measured.zero_point_err,
        fwhm=measured.fwhm,
        background=measured.background,
        match_radius_arcsec=station.match_radius_arcsec,
        method=station.strategy.name,
        model=station.strategy.model,
        provider=station.strategy.provider,
        timings=timings,
    )


def _on_sky(sources: SourceTable) -> SourceTable:
    """Leave out rows without a position or a flux: a distorted WCS may have holes."""
    columns = (sources.ra, sources.dec, sources.flux, sources.flux_err)
    good = np.all(np.isfinite(columns), axis=0)
    return sources if bool(good.all()) else sources.select(good)
