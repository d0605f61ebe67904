"""One announcement in; batches, closed markers and a report out, all acknowledged."""

from __future__ import annotations

import time
from collections.abc import Callable

import structlog

from csstream.contracts.cells import MAX_MARGIN_ARCSEC
from csstream.contracts.codec import decode
from csstream.contracts.errors import BadInputError
from csstream.contracts.records import Exposure, ExposureReport
from csstream.detection.batches import (
    build_batches,
    closed_markers,
    measured_report,
    unmeasured_report,
)
from csstream.detection.outlet import NAME, Outlet
from csstream.detection.result import FrameResult
from csstream.runtime.kafka import Message, Outgoing
from csstream.runtime.logging import get_logger
from csstream.runtime.metrics import Metrics

Measure = Callable[[Exposure], FrameResult]


class DetectionHandler:
    """Decodes, has the frame measured, and sends what came of it.

    Called again with the same message it sends the same bytes. Every exposure is closed in every
    partition, also one that is given up: then :class:`BadInputError` is raised after the markers
    and the report, and the worker writes the dead letter.
    """

    def __init__(
        self,
        measure: Measure,
        outlet: Outlet,
        metrics: Metrics,
        margin_match_radii: float,
        method: str,
    ) -> None:
        self._measure = measure
        self._outlet = outlet
        self._metrics = metrics
        self._margin = margin_match_radii
        self._method = method

    def __call__(self, message: Message) -> None:
        """Handle one announcement.

        Raises
        ------
        BadInputError
            The message or the frame cannot be used; a frame was given up in all partitions.
        TransientError
            The disk or the broker is not ready.
        """
        exposure = decode(message.value, Exposure)
        with structlog.contextvars.bound_contextvars(exposure_id=exposure.exposure_id):
            if exposure.kind == "sequence_end":
                self._close(exposure, message, "")
                return
            try:
                report, messages = self._measured(exposure, message)
            except BadInputError as error:
                self._close(exposure, message, error.reason)
                self._metrics.exposures.labels(NAME, "given_up").inc()
                raise
            self._outlet.send(messages)
            self._tell(report)

    def _measured(
        self, exposure: Exposure, message: Message
    ) -> tuple[ExposureReport, list[Outgoing]]:
        result = self._measure(exposure)
        started = time.perf_counter()
        margin = min(self._margin * result.match_radius_arcsec, MAX_MARGIN_ARCSEC)
        batches = build_batches(exposure, result, margin)
        markers = closed_markers(exposure, batches, self._outlet.partitions)
        result.timings["batches"] = time.perf_counter() - started
        report = measured_report(exposure, result, batches, message.timestamp_ms)
        return report, self._outlet.encoded(batches, markers, report)

    def _tell(self, report: ExposureReport) -> None:
        """Count and log a measured exposure."""
        self._metrics.exposures.labels(NAME, "measured").inc()
        self._metrics.sources.labels(NAME).inc(report.sources)
        self._metrics.batches.labels(NAME).inc(report.batches)
        for step, seconds in report.timings.items():
            self._metrics.step_seconds.labels(NAME, step).observe(seconds)
        if report.announced_ms >= 0:
            latency = time.time() - report.announced_ms / 1000.0
            self._metrics.latency_seconds.labels(NAME).observe(max(0.0, latency))
        get_logger(NAME).info(
            "measured",
            sources=report.sources,
            batches=report.batches,
            zero_point=round(report.zero_point, 4),
            fwhm=round(report.fwhm, 3),
            seconds={step: round(value, 3) for step, value in report.timings.items()},
        )

    def _close(self, exposure: Exposure, message: Message, reason: str) -> None:
        markers = closed_markers(exposure, [], self._outlet.partitions, reason)
        report = unmeasured_report(exposure, reason, message.timestamp_ms, self._method)
        self._outlet.send(self._outlet.encoded([], markers, report))
        get_logger(NAME).info("closed", kind=exposure.kind, reason=reason)
