"""Messages as they come and go, and sending them for certain."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Final, NamedTuple

from kafka.errors import KafkaError, KafkaTimeoutError, MessageSizeTooLargeError

from csstream.contracts.errors import FatalError, TransientError

SEND_TIMEOUT_S: Final = 90.0  # [s] longer than the producer's own delivery time-out


class Message(NamedTuple):
    """A message as it was read."""

    topic: str
    partition: int
    offset: int
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes], ...]
    timestamp_ms: int  # [ms] of the broker or producer; -1: none

    @property
    def place(self) -> str:
        """``topic:partition:offset``."""
        return f"{self.topic}:{self.partition}:{self.offset}"


class Outgoing(NamedTuple):
    """A message to be sent. The partition is computed, not hashed: None only where any will do."""

    topic: str
    partition: int | None
    key: bytes | None
    value: bytes | None
    headers: Sequence[tuple[str, bytes]] = ()


def message_of(record: Any) -> Message:
    """The Message of a kafka-python ConsumerRecord."""
    return Message(
        record.topic,
        record.partition,
        record.offset,
        record.key,
        record.value,
        tuple((key, value or b"") for key, value in record.headers or ()),
        -1 if record.timestamp is None else record.timestamp,
    )


def send_all(producer: Any, messages: Iterable[Outgoing]) -> None:
    """Send messages and return when the brokers have acknowledged every one.

    Raises TransientError where one was not acknowledged and trying again may help (some may have
    arrived), FatalError where it cannot help: topic not allowed, message larger than the broker
    takes.
    """
    try:
        futures = [
            producer.send(each.topic, each.value, each.key, list(each.headers), each.partition)
            for each in messages
        ]
        producer.flush(timeout=SEND_TIMEOUT_S)
        for future in futures:
            future.get(timeout=SEND_TIMEOUT_S)
    except (KafkaError, AssertionError) as error:
        raise _sending_error(error) from error


def _sending_error(error: Exception) -> TransientError | FatalError:
    if isinstance(error, MessageSizeTooLargeError):
        return FatalError(
            f"the broker takes no message that large ({error}): csstream topics check"
        )
    if isinstance(error, KafkaTimeoutError) or getattr(error, "retriable", False):
        return TransientError(f"the broker did not acknowledge: {error}")
    return FatalError(f"the broker refused a message: {error!r}")
