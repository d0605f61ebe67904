"""How measurements leave the service: encoded, keyed, placed, awaited."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

from csstream.contracts.cells import partition_of
from csstream.contracts.codec import encode
from csstream.contracts.headers import (
    ANNOUNCED_MS,
    EXPOSURE_ID,
    SENT_MS,
    STAGE,
    Headers,
    text_header,
)
from csstream.contracts.records import ClosedMarker, ExposureReport, Measurements
from csstream.contracts.topics import Topics
from csstream.runtime.kafka import Outgoing, send_all
from csstream.runtime.metrics import Metrics

NAME = "detection"


class Outlet:
    """Sends to the topics ``measurements`` and ``exposure-reports``."""

    def __init__(self, producer: Any, topics: Topics, metrics: Metrics) -> None:
        self._producer = producer
        self._measurements = topics.measurements
        self._reports = topics.exposure_reports
        self._metrics = metrics

    @property
    def partitions(self) -> int:
        """Partitions of ``measurements``."""
        return self._measurements.partitions

    def encoded(
        self,
        batches: Sequence[Measurements],
        markers: Sequence[ClosedMarker],
        report: ExposureReport,
    ) -> list[Outgoing]:
        """Return the messages: batches, then the markers that count them, then the report.

        Raises
        ------
        InvalidMessageError
            A record breaks its schema or is too large.
        """
        headers = [
            text_header(STAGE, NAME),
            text_header(SENT_MS, time.time_ns() // 1_000_000),
            text_header(ANNOUNCED_MS, report.announced_ms),
            text_header(EXPOSURE_ID, report.exposure_id),
        ]
        topic = self._measurements.name
        messages = [self._batch(batch, headers) for batch in batches]
        messages += [Outgoing(topic, m.partition, None, encode(m), headers) for m in markers]
        messages.append(self._report(report, headers))
        return messages

    def send(self, messages: Sequence[Outgoing]) -> None:
        """Send messages in order and return when all are acknowledged.

        The report goes last and on its own: who reads it may rely on the rest being there.
        """
        *measurements, report = messages
        send_all(self._producer, measurements)
        send_all(self._producer, [report])
        for message in messages:
            self._metrics.messages_out.labels(NAME, message.topic).inc()

    def _batch(self, batch: Measurements, headers: Headers) -> Outgoing:
        partition = partition_of(batch.cell, self.partitions)
        key = batch.cell.to_bytes(8, "big")
        return Outgoing(self._measurements.name, partition, key, encode(batch), headers)

    def _report(self, report: ExposureReport, headers: Headers) -> Outgoing:
        partition = report.detector % self._reports.partitions
        key = str(report.detector).encode()
        return Outgoing(self._reports.name, partition, key, encode(report), headers)
