"""Reading dead letters, and sending their messages again."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Final, NamedTuple

from kafka import TopicPartition
from kafka.errors import KafkaError

from csstream.contracts.codec import decode
from csstream.contracts.errors import BadInputError, FatalError, TransientError
from csstream.contracts.headers import LEFT_OUT, REPLAYED, find_header, text_header
from csstream.contracts.records import DeadLetter
from csstream.runtime.messages import Message, Outgoing, message_of, send_all
from csstream.runtime.offsets import end_offsets

_POLL_MS: Final = 1000
_SILENT_POLLS: Final = 20  # polls without a message, while there should be one


class Letter(NamedTuple):
    """A dead letter and where it lies."""

    message: Message
    record: DeadLetter

    @property
    def place(self) -> str:
        """``topic:partition:offset`` of the letter."""
        return self.message.place

    @property
    def is_whole(self) -> bool:
        """Whether it holds its message; one that was too large was left out."""
        return find_header(self.message.headers, LEFT_OUT) is None


def read_letters(consumer: Any, topics: Iterable[str]) -> Iterator[Letter]:
    """All letters that lie in ``topics`` now, topic by topic, in order.

    Raises FatalError for a topic that is not there, TransientError where the broker falls silent.
    """
    for topic in topics:
        partitions = consumer.partitions_for_topic(topic)
        if not partitions:
            raise FatalError(f"there is no topic {topic}: csstream topics create")
        for partition in sorted(partitions):
            yield from map(_letter, _messages(consumer, TopicPartition(topic, partition)))


def read_letter(consumer: Any, place: str) -> Letter:
    """The letter at ``topic:partition:offset``. FatalError where there is none."""
    topic, partition, offset = _parse(place)
    for message in _messages(consumer, TopicPartition(topic, partition), offset):
        if message.offset == offset:
            return _letter(message)
        break
    raise FatalError(f"there is no dead letter {place}")


def replay(producer: Any, letter: Letter) -> None:
    """Send the letter's message again, as it was, to the partition that it came from.

    Its headers are those of the original and ``csstream-replayed-from``. Errors as of
    ``send_all``; FatalError for a letter that does not hold its message.
    """
    record = letter.record
    if not letter.is_whole:
        raise FatalError(f"{letter.place} does not hold its message: it was too large")
    headers = [*record.headers, text_header(REPLAYED, letter.place)]
    message = Outgoing(record.topic, record.partition, record.key, record.value, headers)
    send_all(producer, [message])


def _messages(consumer: Any, place: TopicPartition, offset: int | None = None) -> Iterator[Message]:
    """Messages of one partition from ``offset`` (its beginning) to its present end."""
    try:
        end = end_offsets(consumer, [place])[place]
        begin = consumer.beginning_offsets([place])[place]
        position = max(begin, begin if offset is None else offset)
        consumer.seek(place, position)
        silent = 0
        while position < end:
            records = consumer.poll(timeout_ms=_POLL_MS).get(place, [])
            silent = 0 if records else silent + 1
            if silent > _SILENT_POLLS:
                raise TransientError(f"{place.topic} ends at {end}, but {position} does not come")
            for record in records:
                if record.offset < end:
                    yield message_of(record)
            position = consumer.position(place)
    except KafkaError as error:
        raise TransientError(f"cannot read {place.topic}: {error}") from error


def _letter(message: Message) -> Letter:
    try:
        return Letter(message, decode(message.value, DeadLetter))
    except BadInputError as error:
        raise FatalError(f"{message.place} is no dead letter: {error}") from error


def _parse(place: str) -> tuple[str, int, int]:
    try:
        topic, partition, offset = place.rsplit(":", 2)
        return topic, int(partition), int(offset)
    except ValueError:
        raise FatalError(f"{place!r} is not TOPIC:PARTITION:OFFSET") from None
