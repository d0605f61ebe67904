"""From one frame's sources to the messages that tell of them: batches, markers, report."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from csstream.contracts.cells import OBJECT_BITS, cells_of, cells_with_margin, partition_of
from csstream.contracts.records import ClosedMarker, Exposure, ExposureReport, Measurements
from csstream.detection.result import FrameResult
from csstream.imaging.frames.flags import Flag
from csstream.imaging.source_table import SourceTable

Ints = npt.NDArray[np.int64]
COLUMNS: dict[str, Any] = {
    "ra": np.float64,
    "dec": np.float64,
    "x": np.float64,
    "y": np.float64,
    "x_err": np.float32,
    "y_err": np.float32,
    "flux": np.float32,
    "flux_err": np.float32,
    "probability": np.float32,
    "flags": np.int32,
}
FAINT_SHARE = 0.5  # depth is taken from this share of the stars, the faintest


def build_batches(
    exposure: Exposure, result: FrameResult, margin_arcsec: float
) -> list[Measurements]:
    """Return one batch per cell that the frame touches, in order of cell, empty ones included.

    Each holds the cell's sources and those within ``margin_arcsec`` of it, in order of the
    frame's list. A source always has a batch in its own cell, even on a sliver that the
    footprint's grid missed; copies go only to cells that the frame touches. A star of a reference
    catalogue goes to the cell in its id alone: nobody else has to look for it.
    """
    sources = result.sources
    index, cell = _places(sources, margin_arcsec)
    own = np.where(sources.object_id > 0, sources.object_id >> OBJECT_BITS, _cells(sources))
    touched = np.union1d(result.footprint, own)
    kept = np.isin(cell, touched)
    index, cell = index[kept], cell[kept]
    start = np.searchsorted(cell, touched, side="left")
    stop = np.searchsorted(cell, touched, side="right")
    return [
        _batch(exposure, result, margin_arcsec, int(number), index[first:last])
        for number, first, last in zip(touched, start, stop, strict=True)
    ]


def _places(sources: SourceTable, margin_arcsec: float) -> tuple[Ints, Ints]:
    """Which source (k,) goes to which cell (k,), ordered by cell and then by source."""
    free = np.flatnonzero(sources.object_id == 0)
    listed = np.flatnonzero(sources.object_id > 0)
    index, cell = cells_with_margin(sources.ra[free], sources.dec[free], margin_arcsec)
    rows = np.concatenate([free[index], listed])
    cells = np.concatenate([cell, sources.object_id[listed] >> OBJECT_BITS])
    order = np.lexsort((rows, cells))
    return rows[order], cells[order]


def _cells(sources: SourceTable) -> Ints:
    return np.asarray(cells_of(sources.ra, sources.dec), np.int64)


def _batch(
    exposure: Exposure, result: FrameResult, margin_arcsec: float, cell: int, rows: Ints
) -> Measurements:
    columns: dict[str, Any] = {
        name: np.ascontiguousarray(getattr(result.sources, name)[rows], dtype)
        for name, dtype in COLUMNS.items()
    }
    return Measurements(
        exposure_id=exposure.exposure_id,
        visit=exposure.visit,
        detector=exposure.detector,
        detectors_in_visit=exposure.detectors_in_visit,
        cell=cell,
        instrument=exposure.instrument,
        band=exposure.band,
        mjd_mid_tai=exposure.mjd_mid_tai,
        exposure_time=exposure.exposure_time,
        zero_point=result.zero_point,
        zero_point_err=result.zero_point_err,
        fwhm=result.fwhm,
        background=result.background,
        match_radius_arcsec=result.match_radius_arcsec,
        margin_arcsec=margin_arcsec,
        model=result.model,
        reference_version=result.reference_version,
        reference_family=result.reference_family,
        object_id=np.ascontiguousarray(result.sources.object_id[rows], np.int64),
        **columns,
    )


def closed_markers(
    exposure: Exposure, batches: Sequence[Measurements], partitions: int, reason: str = ""
) -> list[ClosedMarker]:
    """Return one marker per partition: how many batches and rows were sent there."""
    sent = np.zeros(partitions, np.int64)
    rows = np.zeros(partitions, np.int64)
    for batch in batches:
        partition = partition_of(batch.cell, partitions)
        sent[partition] += 1
        rows[partition] += len(batch.ra)
    return [
        ClosedMarker(
            exposure_id=exposure.exposure_id,
            visit=exposure.visit,
            detector=exposure.detector,
            detectors_in_visit=exposure.detectors_in_visit,
            partition=partition,
            batches=int(sent[partition]),
            sources=int(rows[partition]),
            reason=reason,
            sequence_end=exposure.kind == "sequence_end",
        )
        for partition in range(partitions)
    ]


def measured_report(
    exposure: Exposure,
    result: FrameResult,
    batches: Sequence[Measurements],
    announced_ms: int,
) -> ExposureReport:
    """Return the report of a frame that was measured."""
    flags = np.asarray(result.sources.flags)
    return ExposureReport(
        exposure_id=exposure.exposure_id,
        visit=exposure.visit,
        detector=exposure.detector,
        instrument=exposure.instrument,
        band=exposure.band,
        status="measured",
        reason="",
        mjd_mid_tai=exposure.mjd_mid_tai,
        sources=len(result.sources.ra),
        batches=len(batches),
        rows=sum(len(batch.ra) for batch in batches),
        saturated=int(np.count_nonzero(flags & Flag.SATURATED)),
        depth=five_sigma_depth(
            np.asarray(result.sources.flux), np.asarray(result.sources.flux_err), result.zero_point
        ),
        fwhm=result.fwhm,
        background=result.background,
        zero_point=result.zero_point,
        method=result.method,
        model=result.model,
        provider=result.provider,
        announced_ms=announced_ms,
        timings=dict(result.timings),
        reference_version=result.reference_version,
        listed=int(np.count_nonzero(result.sources.object_id)),
    )


def unmeasured_report(
    exposure: Exposure, reason: str, announced_ms: int, method: str
) -> ExposureReport:
    """Return the report of an exposure that was given up, or of a sequence's end."""
    ended = exposure.kind == "sequence_end"
    return ExposureReport(
        exposure_id=exposure.exposure_id,
        visit=exposure.visit,
        detector=exposure.detector,
        instrument=exposure.instrument,
        band=exposure.band,
        status="sequence_end" if ended else "given_up",
        reason=reason,
        mjd_mid_tai=exposure.mjd_mid_tai,
        sources=0,
        batches=0,
        rows=0,
        saturated=0,
        depth=math.nan,
        fwhm=math.nan,
        background=math.nan,
        zero_point=math.nan,
        method=method,
        model="",
        provider="",
        announced_ms=announced_ms,
        timings={},
    )


def five_sigma_depth(
    flux: npt.NDArray[Any], flux_err: npt.NDArray[Any], zero_point: float
) -> float:
    """Return the magnitude of a star of five times the median error of the fainter half [mag].

    nan when there is no star with a positive flux and a finite error.
    """
    good = np.isfinite(flux) & np.isfinite(flux_err) & (flux > 0) & (flux_err > 0)
    if not np.any(good):
        return math.nan
    flux, flux_err = flux[good].astype(float), flux_err[good].astype(float)
    faint = flux <= np.quantile(flux, FAINT_SHARE)
    return float(zero_point - 2.5 * np.log10(5.0 * np.median(flux_err[faint])))
