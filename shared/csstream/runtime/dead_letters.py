"""Dead letters: messages that could not be used, kept whole with why, where and when."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable
from typing import Any, Final

from csstream.contracts.codec import encode, max_bytes
from csstream.contracts.errors import BadInputError, InvalidMessageError
from csstream.contracts.headers import LEFT_OUT, REASON, Headers, text_header
from csstream.contracts.records import DeadLetter
from csstream.contracts.topics import Topic
from csstream.runtime.messages import Message, Outgoing, send_all
from csstream.runtime.metrics import Metrics

MAX_ERROR_CHARACTERS: Final = 4096


def _now_ms() -> int:
    return time.time_ns() // 1_000_000


class DeadLetterProducer:
    """Sends the dead letters of one stage to its dead-letter topic."""

    def __init__(
        self,
        producer: Any,
        topic: Topic,
        stage: str,
        metrics: Metrics | None = None,
        now_ms: Callable[[], int] = _now_ms,
    ) -> None:
        self._producer = producer
        self._topic = topic
        self._stage = stage
        self._metrics = metrics
        self._now_ms = now_ms

    def send(
        self, message: Message, error: BadInputError, attempt: int = 1, failed_ms: int | None = None
    ) -> None:
        """Send the letter and return when it is acknowledged; errors as of ``send_all``.

        ``failed_ms`` [ms] is when the message first failed; now, where it is not given.
        """
        failed_ms = self._now_ms() if failed_ms is None else failed_ms
        letter = letter_of(message, error, self._stage, attempt, failed_ms)
        value, headers = encode_letter(letter)
        headers.append(text_header(REASON, error.reason))
        send_all(self._producer, [Outgoing(self._topic.name, 0, None, value, headers)])
        if self._metrics is not None:
            self._metrics.dead_letters.labels(self._stage, error.reason).inc()


def letter_of(
    message: Message, error: BadInputError, stage: str, attempt: int, failed_ms: int
) -> DeadLetter:
    """The letter about ``message``."""
    return DeadLetter(
        stage=stage,
        reason=error.reason,
        error=str(error)[:MAX_ERROR_CHARACTERS],
        topic=message.topic,
        partition=message.partition,
        offset=message.offset,
        timestamp_ms=max(-1, message.timestamp_ms),
        failed_ms=failed_ms,
        attempt=attempt,
        key=message.key,
        value=message.value,
        headers=message.headers,
    )


def encode_letter(letter: DeadLetter) -> tuple[bytes, Headers]:
    """Bytes and headers of a letter.

    A message larger than any topic of csstream allows cannot be kept whole (a broker that does
    not hold to its limits let it in): its value is left out, which the error text and the header
    ``csstream-left-out`` say, and it still lies where it came from.
    """
    try:
        return encode(letter), []
    except InvalidMessageError as error:
        if error.reason != "too_large":
            raise
    size = len(letter.value or b"")
    text = f"{letter.error} [the value of {size} bytes is left out: larger than " + (
        f"{max_bytes('DeadLetter')}]"
    )
    short = dataclasses.replace(letter, error=text, key=None, value=None, headers=())
    return encode(short), [text_header(LEFT_OUT, size)]
