"""Dead letters without a broker."""

from __future__ import annotations

import pytest

from csstream.contracts.codec import decode, max_bytes
from csstream.contracts.errors import BadInputError, FatalError, TransientError
from csstream.contracts.headers import LEFT_OUT, REASON, find_header
from csstream.contracts.records import DeadLetter
from csstream.contracts.topics import load_topics
from csstream.runtime.dead_letters import DeadLetterProducer
from csstream.runtime.messages import Message, Outgoing, send_all
from csstream.runtime.metrics import make_metrics

ERROR = BadInputError("missing_file", "file:///f.fits is not there")


class Future:
    def __init__(self, error: Exception | None) -> None:
        self.error = error

    def get(self, timeout: float) -> None:
        if self.error:
            raise self.error


class Producer:
    """Keeps what it is given; fails where it is told to."""

    def __init__(self, send: Exception | None = None, get: Exception | None = None) -> None:
        self.sent: list[tuple] = []
        self.flushed = 0
        self.error_of_send, self.error_of_get = send, get

    def send(self, *arguments) -> Future:
        if self.error_of_send:
            raise self.error_of_send
        self.sent.append(arguments)
        return Future(self.error_of_get)

    def flush(self, timeout: float) -> None:
        self.flushed += 1


def message(value: bytes | None = b"\x00\xff", key: bytes | None = None) -> Message:
    return Message("exposures", 1, 7, key, value, (("a", b"1"),), 1000)


def letter_of(message: Message, error: BadInputError = ERROR) -> tuple[DeadLetter, list]:
    producer, metrics = Producer(), make_metrics()
    topic = load_topics().dead_letters("detection")
    DeadLetterProducer(producer, topic, "detection", metrics, now_ms=lambda: 5000).send(
        message, error, 3
    )
    ((name, value, key, headers, partition),) = producer.sent
    assert (name, key, partition, producer.flushed) == ("detection.dead-letters", None, 0, 1)
    labels = {"stage": "detection", "reason": error.reason}
    assert metrics.registry.get_sample_value("csstream_dead_letters_total", labels) == 1
    return decode(value, DeadLetter), headers


def test_a_letter_holds_the_message_and_why_where_and_when():
    letter, headers = letter_of(message())
    assert letter == DeadLetter(
        stage="detection",
        reason="missing_file",
        error="file:///f.fits is not there",
        topic="exposures",
        partition=1,
        offset=7,
        timestamp_ms=1000,
        failed_ms=5000,
        attempt=3,
        key=None,
        value=b"\x00\xff",
        headers=(("a", b"1"),),
    )
    assert find_header(headers, REASON) == "missing_file"
    assert find_header(headers, LEFT_OUT) is None


@pytest.mark.parametrize(("key", "value"), [(None, None), (b"", b""), (b"k", None)])
def test_absent_and_empty_stay_apart(key, value):
    letter, _ = letter_of(message(value, key))
    assert (letter.key, letter.value) == (key, value)


def test_a_message_too_large_for_any_topic_is_left_out_by_name():
    letter, headers = letter_of(message(b"x" * (max_bytes("DeadLetter") + 1)))
    assert letter.value is None
    assert "left out" in letter.error
    assert find_header(headers, LEFT_OUT) == str(max_bytes("DeadLetter") + 1)


def test_long_errors_are_cut():
    letter, _ = letter_of(message(), BadInputError("corrupt_fits", "x" * 100_000))
    assert len(letter.error) == 4096


@pytest.mark.parametrize("where", ["send", "get"])
def test_a_send_that_fails_is_told_by_what_can_be_done(where):
    from kafka.errors import (
        KafkaTimeoutError,
        MessageSizeTooLargeError,
        NotLeaderForPartitionError,
        TopicAuthorizationFailedError,
    )

    outgoing = [Outgoing("alerts", 0, None, b"v")]
    for error in (KafkaTimeoutError(), NotLeaderForPartitionError()):
        with pytest.raises(TransientError):
            send_all(Producer(**{where: error}), outgoing)
    for error in (MessageSizeTooLargeError(), TopicAuthorizationFailedError()):
        with pytest.raises(FatalError):
            send_all(Producer(**{where: error}), outgoing)
