"""One message of `measurements`: store it, log it, send what falls due."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from typing import Protocol

import structlog

from csstream.contracts.cells import partition_of
from csstream.contracts.codec import decode_any, encode
from csstream.contracts.errors import BadInputError
from csstream.contracts.headers import (
    ANNOUNCED_MS,
    SENT_MS,
    STAGE,
    Headers,
    find_header,
    text_header,
)
from csstream.contracts.records import ClosedMarker, Measurements, Panel
from csstream.lightcurves import keys
from csstream.lightcurves.checkpoint import Write
from csstream.lightcurves.entries import stored_value
from csstream.lightcurves.state import PartitionState
from csstream.lightcurves.store import Store
from csstream.runtime.dead_letters import encode_letter, letter_of
from csstream.runtime.messages import Message, Outgoing
from csstream.runtime.metrics import Metrics

STAGE_NAME = "lightcurves"
SENDS_AT_ONCE = 8  # panels in flight: bounds the memory taken
log = structlog.stdlib.get_logger(__name__)


class Log(Protocol):
    """Where entries are kept: locally, and on the changelog."""

    def partition(self, partition: int) -> Store:
        """Return the local store of one partition."""

    async def write(self, partition: int, key: bytes, value: bytes) -> None:
        """Store and log; return when it is acknowledged."""

    async def write_all(self, partition: int, records: Sequence[Write]) -> None:
        """Store and log, or remove what has no value; return when all is acknowledged."""


class Outbox(Protocol):
    """Sends and waits."""

    async def send(self, messages: Iterable[Outgoing]) -> None:
        """Send messages; return when every one is acknowledged."""


class Handler:
    """Handles messages one after the other; every result is acknowledged when `handle` returns.

    Parameters
    ----------
    log_store, outbox : where entries and messages go
    make_state : store to state
    lightcurves, dead_letters : names of the topics
    partitions : of `measurements` and `lightcurves`
    """

    def __init__(
        self,
        log_store: Log,
        outbox: Outbox,
        make_state: Callable[[Store], PartitionState],
        *,
        lightcurves: str,
        dead_letters: str,
        partitions: int,
        metrics: Metrics,
        now_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000,
    ) -> None:
        self._log = log_store
        self._outbox = outbox
        self._make_state = make_state
        self._lightcurves = lightcurves
        self._dead_letters = dead_letters
        self._partitions = partitions
        self._metrics = metrics
        self._now_ms = now_ms
        self._states: dict[int, PartitionState] = {}

    @property
    def states(self) -> dict[int, PartitionState]:
        """The states in memory, by partition."""
        return self._states

    def forget(self) -> None:
        """Drop all states: they are made again from their stores."""
        self._states.clear()

    async def handle(self, message: Message) -> None:
        """Handle one message; a bad one becomes a dead letter.

        Raises whatever storing or sending raises: the message must then not be committed.
        """
        started = time.monotonic()
        self._metrics.messages_in.labels(STAGE_NAME).inc()
        try:
            record, key, stored = self._read(message)
        except BadInputError as error:
            await self._bury(message, error)
        else:
            with structlog.contextvars.bound_contextvars(exposure_id=record.exposure_id):
                await self._take(message, record, key, stored)
        self._metrics.handle_seconds.labels(STAGE_NAME).observe(time.monotonic() - started)

    def _read(self, message: Message) -> tuple[Measurements | ClosedMarker, bytes, bytes | None]:
        """Return the record, its key and what is stored under it; BadInputError if it is unfit."""
        kinds: tuple[type[Measurements | ClosedMarker], ...] = (Measurements, ClosedMarker)
        record = decode_any(message.value, kinds)
        key = self._key(record, message.partition)
        state = self._state(message.partition)
        stored = state.store.get(key)
        if stored is None and not state.is_expired(record):
            state.check(record)
        return record, key, stored

    async def _take(
        self,
        message: Message,
        record: Measurements | ClosedMarker,
        key: bytes,
        stored: bytes | None,
    ) -> None:
        state = self._state(message.partition)
        if stored is None and state.is_expired(record):
            self._metrics.duplicates.labels(STAGE_NAME).inc()
            return
        # A record that is known is logged again as it was stored: the first log may have failed.
        await self._log.write(message.partition, key, stored or stored_value(record))
        if stored is None:
            self._count(record)
        else:
            self._metrics.duplicates.labels(STAGE_NAME).inc()
        state.note(record)
        await self._advance(message, state)

    async def _advance(self, message: Message, state: PartitionState) -> None:
        """Send the panels of every visit that is closed now, visit by visit."""
        for visit in state.closed_beyond_sent():
            started = time.monotonic()
            await self._send_panels(message, state.cut(visit))
            await self._log.write(message.partition, keys.SENT, keys.sent_value(visit))
            for group in state.saves(visit):
                await self._log.write_all(message.partition, group)
            state.finish(visit)
            self._metrics.step_seconds.labels(STAGE_NAME, "visit").observe(
                time.monotonic() - started
            )
            self._observe_latency(message)
        partition = str(message.partition)
        self._metrics.objects.labels(partition).set(state.objects)
        self._metrics.frontier_visit.labels(partition).set(state.sent)
        self._metrics.reconcile_difference.labels(partition).set(state.arrivals.missing())

    async def _send_panels(self, message: Message, panels: Iterable[Panel]) -> None:
        waiting: list[Outgoing] = []
        for panel in panels:
            key = keys.panel_key(panel.cell, panel.panel)
            headers = self._headers(message)
            value = encode(panel)
            waiting.append(Outgoing(self._lightcurves, message.partition, key, value, headers))
            self._metrics.panels.inc()
            if len(waiting) == SENDS_AT_ONCE:
                await self._send(waiting)
                waiting = []
        await self._send(waiting)

    async def _send(self, messages: list[Outgoing]) -> None:
        await self._outbox.send(messages)
        for message in messages:
            self._metrics.messages_out.labels(STAGE_NAME, message.topic).inc()

    async def _bury(self, message: Message, error: BadInputError) -> None:
        letter = letter_of(message, error, STAGE_NAME, 1, self._now_ms())
        value, headers = encode_letter(letter)
        headers.append(text_header("csstream-reason", error.reason))
        await self._send([Outgoing(self._dead_letters, 0, None, value, headers)])
        self._metrics.dead_letters.labels(STAGE_NAME, error.reason).inc()
        log.warning("dead letter", reason=error.reason, error=str(error), place=message.place)

    def _state(self, partition: int) -> PartitionState:
        if partition not in self._states:
            self._states[partition] = self._make_state(self._log.partition(partition))
        return self._states[partition]

    def _key(self, record: Measurements | ClosedMarker, partition: int) -> bytes:
        """Return the record's key in the state; BadInputError where it is misplaced."""
        if isinstance(record, ClosedMarker):
            right = record.partition
            key = keys.marker_key(record.visit, record.detector)
        else:
            right = partition_of(record.cell, self._partitions)
            key = keys.entry_key(record.cell, record.visit, record.detector)
        if right != partition:
            raise BadInputError(
                "wrong_partition",
                f"{record.exposure_id} is for partition {right} and came in {partition}: "
                "producer and topic disagree on the number of partitions",
            )
        return key

    def _headers(self, message: Message) -> Headers:
        headers = [text_header(STAGE, STAGE_NAME), text_header(SENT_MS, self._now_ms())]
        announced = [pair for pair in message.headers if pair[0] == ANNOUNCED_MS]
        return headers + announced[-1:]

    def _observe_latency(self, message: Message) -> None:
        announced = find_header(message.headers, ANNOUNCED_MS)
        if announced is not None and announced.isdecimal():
            seconds = (self._now_ms() - int(announced)) / 1000.0
            self._metrics.latency_seconds.labels(STAGE_NAME).observe(max(0.0, seconds))

    def _count(self, record: Measurements | ClosedMarker) -> None:
        if isinstance(record, Measurements):
            self._metrics.batches.labels(STAGE_NAME).inc()
            self._metrics.sources.labels(STAGE_NAME).inc(len(record.ra))
        elif not record.sequence_end:
            outcome = "given_up" if record.reason else "measured"
            self._metrics.exposures.labels(STAGE_NAME, outcome).inc()
