"""A stream of alerts: a context manager and an iterator.

>>> with AlertStream(SubscriberSettings(), from_="earliest") as stream:  # doctest: +SKIP
...     for alert in stream:
...         print(alert.object_id, alert.kind, alert.period)
"""

from __future__ import annotations

import contextlib
import threading
from collections import deque
from collections.abc import Iterator
from datetime import datetime
from types import TracebackType
from typing import Any, Final, Self

from kafka import KafkaConsumer, TopicPartition
from kafka.errors import KafkaError
from kafka.structs import OffsetAndMetadata

from csstream.contracts.codec import decode
from csstream.contracts.errors import InvalidMessageError
from csstream.contracts.records import Alert
from csstream.runtime.logging import get_logger
from csstream.runtime.offsets import end_offsets
from csstream.subscriber.connection import open_consumer, partitions_of
from csstream.subscriber.filters import AlertFilter
from csstream.subscriber.progress import Progress, Seen
from csstream.subscriber.settings import SubscriberSettings
from csstream.subscriber.start import EARLIEST, LATEST, parse_start

POLL_MS: Final = 300
CLOSE_MS: Final = 2000


class AlertStream:
    """Alerts of the topic ``alerts``, each once, in the order of every partition.

    The client reconnects by itself when the broker goes away and comes back; repeats (a service
    that was restarted sends its last alerts again) are dropped by their id.

    Parameters
    ----------
    settings
        Where the broker is; None reads the environment (``CSSTREAM_BOOTSTRAP_SERVERS``).
    from_
        ``earliest``, ``latest`` or an ISO 8601 time, see :func:`csstream.subscriber.start`.
    follow
        False: end when everything that was there at the start has been read.
    group_id
        Name under which :meth:`mark_done` stores how far you are; a stream with the same name
        goes on there, and ``from_`` holds only the first time. One running stream per name.
    wanted
        Alerts that it does not match are passed over.
    stop
        Set it (from another thread, or a signal handler) to end the iteration.
    """

    def __init__(
        self,
        settings: SubscriberSettings | None = None,
        *,
        from_: str | datetime = LATEST,
        follow: bool = True,
        group_id: str | None = None,
        wanted: AlertFilter | None = None,
        stop: threading.Event | None = None,
    ) -> None:
        self._settings = settings or SubscriberSettings()
        self._start = parse_start(from_)
        self._follow = follow
        self.group_id = group_id
        self._wanted = wanted or AlertFilter()
        self._stop = stop or threading.Event()
        self._topic = self._settings.topics().alerts.name
        self._seen = Seen()
        self._progress = Progress()
        self._buffer: deque[Any] = deque()
        self._ends: dict[TopicPartition, int] = {}
        self._consumer: KafkaConsumer | None = None
        self.repeats = 0  # records dropped because their alert had come before
        self.unreadable = 0  # records that are no alert
        self.unwanted = 0  # alerts that the filter let pass by

    def __enter__(self) -> Self:
        """Connect and go to the start.

        Raises
        ------
        TransientError
            No broker answers, or the topic is not there; the text says what to do.
        """
        self._consumer = open_consumer(self._settings, self.group_id)
        try:
            self._seek()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """End the connection; what was not marked done comes again in the same group."""
        if self._consumer is not None:
            with contextlib.suppress(KafkaError):
                self._consumer.close(autocommit=False, timeout_ms=CLOSE_MS)
            self._consumer = None

    def __iter__(self) -> Iterator[Alert]:
        return self

    def __next__(self) -> Alert:
        """Return the next wanted alert; wait for it when following."""
        while not self._stop.is_set():
            while self._buffer:
                alert = self._take(self._buffer.popleft())
                if alert is not None:
                    return alert
            if not self._follow and self._finished():
                break
            self._fill()
        raise StopIteration

    def mark_done(self, alert: Alert) -> None:
        """Store that this alert is dealt with; only with a ``group_id``.

        Alerts may be marked in any order: what is stored is the first one that is still open.

        Raises
        ------
        ValueError
            The stream has no group, or the alert did not come from it.
        """
        if self.group_id is None:
            raise ValueError("mark_done needs a stream with a group_id to store the progress under")
        try:
            partition, offset = self._progress.done(alert.alert_id)
        except KeyError:
            raise ValueError(f"alert {alert.alert_id} is not open in this stream") from None
        place = TopicPartition(self._topic, partition)
        self._client().commit({place: OffsetAndMetadata(offset, "", -1)})

    def lag(self) -> int:
        """Return how many records of the topic are not yet read, as last told by the broker."""
        client = self._client()
        waiting = len(self._buffer)
        for place in client.assignment():
            end = client.highwater(place)
            end = self._ends.get(place, 0) if end is None else end
            waiting += max(0, end - client.position(place))
        return waiting

    def _client(self) -> KafkaConsumer:
        if self._consumer is None:
            raise ValueError("the alert stream is not open; use it in a with statement")
        return self._consumer

    def _seek(self) -> None:
        client = self._client()
        places = partitions_of(client, self._topic, self._settings)
        self._ends = end_offsets(client, places)
        starts = self._starts(client, places)
        for place in places:
            stored = client.committed(place) if self.group_id is not None else None
            client.seek(place, starts[place] if stored is None else stored)

    def _starts(
        self, client: KafkaConsumer, places: list[TopicPartition]
    ) -> dict[TopicPartition, int]:
        if self._start == EARLIEST:
            return dict(client.beginning_offsets(places))
        if self._start == LATEST:
            return self._ends
        found = client.offsets_for_times(dict.fromkeys(places, self._start))
        # None, or a time stamp of -1 from the embedded broker: nothing is that young.
        later = {p for p in places if found.get(p) is None or found[p].timestamp < 0}
        return {p: self._ends[p] if p in later else found[p].offset for p in places}

    def _fill(self) -> None:
        for records in self._client().poll(timeout_ms=POLL_MS).values():
            self._buffer.extend(records)

    def _finished(self) -> bool:
        client = self._client()
        return all(client.position(place) >= end for place, end in self._ends.items())

    def _take(self, record: Any) -> Alert | None:
        alert = self._read(record)
        if alert is None or self._is_repeat(alert) or not self._is_wanted(alert):
            self._progress.passed(record.partition, record.offset)
            return None
        if self.group_id is not None:
            self._progress.handed_out(alert.alert_id, record.partition, record.offset)
        return alert

    def _read(self, record: Any) -> Alert | None:
        try:
            return decode(record.value or b"", Alert)
        except InvalidMessageError as error:
            self.unreadable += 1
            where = {"partition": record.partition, "offset": record.offset}
            get_logger().warning("unreadable_alert", error=str(error), **where)
            return None

    def _is_repeat(self, alert: Alert) -> bool:
        repeated = self._seen.repeated(alert.alert_id)
        self.repeats += repeated
        return repeated

    def _is_wanted(self, alert: Alert) -> bool:
        wanted = self._wanted.matches(alert)
        self.unwanted += not wanted
        return wanted
