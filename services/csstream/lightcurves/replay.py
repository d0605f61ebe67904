"""Read the topic `measurements` again, into a state in memory."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from kafka import TopicPartition

from csstream.contracts.codec import decode_any
from csstream.contracts.errors import BadInputError
from csstream.contracts.records import ClosedMarker, Measurements
from csstream.lightcurves import keys
from csstream.lightcurves.entries import stored_value
from csstream.lightcurves.state import PartitionState
from csstream.lightcurves.store import Store
from csstream.runtime.messages import Message, message_of
from csstream.runtime.offsets import end_offsets

POLL_MS = 500
Progress = Callable[[int, int], None]


def read_partition(
    consumer: Any,
    topic: str,
    partition: int,
    *,
    stop: int | None = None,
    progress: Progress = lambda done, total: None,
) -> Iterator[Message]:
    """Yield the messages of a partition from its beginning.

    Parameters
    ----------
    consumer : without a group; is assigned to the partition
    stop : offset before which to stop; None: at the end as it is now
    """
    place = TopicPartition(topic, partition)
    end = end_offsets(consumer, [place])[place]
    end = end if stop is None else min(end, stop)
    consumer.seek_to_beginning(place)
    first = consumer.position(place)
    while (position := consumer.position(place)) < end:
        progress(position - first, end - first)
        for record in consumer.poll(timeout_ms=POLL_MS).get(place, ()):
            if record.offset < end:
                yield message_of(record)
    progress(end - first, end - first)


def take_in(store: Store, state: PartitionState, message: Message) -> bool:
    """Put a message into store and state as the service does; False: it was a dead letter.

    The frontier moves, but no panel is cut.
    """
    kinds: tuple[type[Measurements | ClosedMarker], ...] = (Measurements, ClosedMarker)
    try:
        record = decode_any(message.value, kinds)
        key = record_key(record)
        if store.get(key) is None:
            state.check(record)
            store.put(key, stored_value(record))
    except BadInputError:
        return False
    state.note(record)
    move_frontier(state)
    return True


def move_frontier(state: PartitionState) -> None:
    """Take every closed visit for sent, without cutting; cells are read from the store after."""
    for visit in state.closed_beyond_sent():
        state.finish(visit)


def record_key(record: Measurements | ClosedMarker) -> bytes:
    """Return the key of a record in the state."""
    if isinstance(record, ClosedMarker):
        return keys.marker_key(record.visit, record.detector)
    return keys.entry_key(record.cell, record.visit, record.detector)
