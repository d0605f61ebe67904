"""How announcements and refusals leave the publisher: Kafka messages, awaited."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

from kafka import TopicPartition

from csstream.contracts.errors import BadInputError, FatalError
from csstream.contracts.headers import EXPOSURE_ID, SENT_MS, STAGE, text_header
from csstream.contracts.topics import Topic
from csstream.publisher.ledger import Announcement, Ledger, Refusal
from csstream.runtime.dead_letters import DeadLetterProducer
from csstream.runtime.kafka import Message, Outgoing, send_all
from csstream.runtime.metrics import Metrics
from csstream.runtime.offsets import end_offsets

NAME = "publisher"


class Outlet:
    """Sends to the topics ``exposures`` and ``publisher.dead-letters``."""

    def __init__(
        self, producer: Any, topic: Topic, letters: DeadLetterProducer, metrics: Metrics
    ) -> None:
        self._producer = producer
        self._topic = topic
        self._letters = letters
        self._metrics = metrics

    def send(self, announcements: Sequence[Announcement]) -> None:
        """Send announcements and return when all are acknowledged."""
        send_all(self._producer, [self._outgoing(each) for each in announcements])
        self._metrics.messages_out.labels(NAME, self._topic.name).inc(len(announcements))
        frames = sum(each.kind == "exposure" for each in announcements)
        self._metrics.exposures.labels(NAME, "announced").inc(frames)

    def report(self, refusal: Refusal) -> None:
        """Send the dead letter of a refused file and return when it is acknowledged.

        There is no message behind it: topic is empty, key and value are the file's path.
        """
        path = refusal.file.path.encode()
        message = Message("", 0, 0, path, path, (), refusal.file.mtime_ns // 1_000_000)
        self._letters.send(message, BadInputError(refusal.reason, refusal.error))
        self._metrics.exposures.labels(NAME, "refused").inc()

    def _outgoing(self, announcement: Announcement) -> Outgoing:
        headers = [
            text_header(STAGE, NAME),
            text_header(SENT_MS, time.time_ns() // 1_000_000),
            text_header(EXPOSURE_ID, announcement.exposure_id),
        ]
        return Outgoing(
            self._topic.name,
            announcement.partition,
            announcement.key,
            announcement.payload,
            headers,
        )


def check_topic(consumer: Any, topic: Topic, ledger: Ledger) -> None:
    """Make sure that the topic and the ledger tell the same story.

    Raises
    ------
    FatalError
        The topic is missing or has another number of partitions; it holds announcements that the
        ledger does not know (visit numbers would repeat), or lacks some that the ledger sent.
    """
    found = consumer.partitions_for_topic(topic.name)
    if not found:
        raise FatalError(f"topic {topic.name} does not exist: csstream topics create")
    if len(found) != topic.partitions:
        raise FatalError(
            f"topic {topic.name} has {len(found)} partitions, not {topic.partitions}: "
            "csstream topics check"
        )
    ends = end_offsets(consumer, [TopicPartition(topic.name, each) for each in found])
    on_topic = sum(ends.values())
    if on_topic and not ledger.last_visit():
        raise FatalError(
            f"topic {topic.name} holds {on_topic} announcements that the state file {ledger.path} "
            "does not know, so visit numbers would repeat: use the state file that made them, or "
            "another topic prefix"
        )
    if on_topic < ledger.announced():
        raise FatalError(
            f"the state file {ledger.path} says that {ledger.announced()} messages were "
            f"announced, topic {topic.name} holds {on_topic}: use --resend to announce them all "
            "again, or a new state file"
        )
