"""Reads one partition of ``verdicts`` from its beginning to its present end."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any, Final

from kafka import TopicPartition
from kafka.errors import KafkaError

from csstream.contracts.errors import TransientError
from csstream.runtime.offsets import end_offsets

POLL_MS: Final = 500
SILENCE_S: Final = 60.0  # without a record before the read is given up


def verdict_reader(
    consumer: Any, topic: str, silence_s: float = SILENCE_S
) -> Callable[[int], Iterator[tuple[bytes, bytes | None]]]:
    """Return a reader for :class:`csstream.classifier.memory.Memory`.

    ``consumer`` has no group and is used for nothing else. The reader raises TransientError when
    the broker gives nothing more for ``silence_s`` seconds before the end.
    """

    def read(partition: int) -> Iterator[tuple[bytes, bytes | None]]:
        place = TopicPartition(topic, partition)
        try:
            yield from _records(consumer, place, silence_s)
        except KafkaError as error:
            raise TransientError(f"cannot read {topic}:{partition}: {error}") from error
        finally:
            consumer.unsubscribe()

    return read


def _records(
    consumer: Any, place: TopicPartition, silence_s: float
) -> Iterator[tuple[bytes, bytes | None]]:
    end = end_offsets(consumer, [place])[place]
    consumer.seek_to_beginning(place)
    heard = time.monotonic()
    while (at := consumer.position(place)) < end:
        batch = consumer.poll(timeout_ms=POLL_MS).get(place, [])
        for record in batch:
            if record.key is not None and record.offset < end:
                yield record.key, record.value
        if batch or consumer.position(place) > at:
            heard = time.monotonic()
        elif time.monotonic() - heard > silence_s:
            raise TransientError(f"no record of {place.topic}:{place.partition} for {silence_s} s")
