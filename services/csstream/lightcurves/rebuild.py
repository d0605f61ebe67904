"""Make the state again from `measurements`: the changelog is rewritten, the offsets stay.

What the group has committed has been handled, and its panels were sent; so for each partition the
messages before the committed offset make the entries, markers and sent frontier. Then

1. the local state directory is removed (of other machines' workers: remove it there),
2. every key of the changelog that does not follow from `measurements` gets a tombstone, and so do
   checkpoints and blocks, which the worker makes again,
3. every entry and marker is written to the changelog, and last the sent frontier.

Committed offsets are not touched: a worker that starts afterwards recovers from the changelog and
goes on where the group had stopped, with the same panels as if nothing had happened. A rebuild
that is interrupted can be repeated.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from csstream.contracts.errors import FatalError
from csstream.lightcurves import keys
from csstream.lightcurves.replay import read_partition, take_in
from csstream.lightcurves.settings import LightcurvesSettings
from csstream.lightcurves.state import PartitionState
from csstream.lightcurves.store import MemoryStore
from csstream.runtime.kafka import make_admin, make_consumer, make_producer
from csstream.runtime.messages import Outgoing, send_all

SENDS_AT_ONCE = 64  # records in flight: bounds the memory taken
Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Rebuilt:
    """What was done for one partition."""

    partition: int
    offset: int  # committed, and read up to
    records: int  # entries and markers written
    tombstones: int  # entries and markers that did not follow from `measurements`
    dead: int  # messages that were no records
    sent: int  # the sent frontier, a visit


def rebuild(
    settings: LightcurvesSettings,
    progress: Progress = lambda done, total: None,
    *,
    force: bool = False,
) -> list[Rebuilt]:
    """Rebuild the state of every partition; the workers of the group must be stopped.

    With ``force`` nobody looks whether they are: for a broker that keeps killed workers as
    members (the embedded one does).

    Raises
    ------
    FatalError
        A worker of the group is running.
    TransientError
        A broker does not answer.
    """
    committed = _committed_offsets(settings, force)
    consumer = make_consumer(settings, None, "csstream-lightcurves-rebuild")
    producer = make_producer(settings, "csstream-lightcurves-rebuild")
    try:
        shutil.rmtree(settings.state_dir, ignore_errors=True)
        return [
            _rebuild_partition(settings, consumer, producer, partition, offset, progress)
            for partition, offset in sorted(committed.items())
        ]
    finally:
        producer.close(timeout=10)
        consumer.close()


def _committed_offsets(settings: LightcurvesSettings, force: bool) -> dict[int, int]:
    """Return the committed offset of each partition; 0: nothing is."""
    group = settings.group_id("lightcurves")
    topic = settings.topics().measurements
    admin = make_admin(settings)
    # kafka-python cannot read the permissions in the embedded broker's answer; nobody needs them
    admin._process_acl_operations = dict
    try:
        members = admin.describe_groups([group])[group].get("members", ())
        if members and not force:
            raise FatalError(
                f"group {group} has {len(members)} members: stop the light-curve workers first "
                f"(a killed one stays a member for {settings.session_timeout_ms / 1000:.0f} s; "
                "--force: no worker is running, whatever the broker says)"
            )
        found = admin.list_group_offsets([group]).get(group, {})
    finally:
        admin.close()
    offsets = {place.partition: each.offset for place, each in found.items()
               if place.topic == topic.name}  # fmt: skip
    return {partition: max(0, offsets.get(partition, 0)) for partition in range(topic.partitions)}


def _rebuild_partition(
    settings: LightcurvesSettings,
    consumer: Any,
    producer: Any,
    partition: int,
    offset: int,
    progress: Progress,
) -> Rebuilt:
    topics = settings.topics()
    store = MemoryStore()
    state = PartitionState(store, settings.rules(), cache_bytes=1)
    dead = 0
    for message in read_partition(
        consumer, topics.measurements.name, partition, stop=offset, progress=progress
    ):
        dead += not take_in(store, state, message)
    changelog = topics.changelog.name
    live = _live_keys(consumer, changelog, partition)
    stale = sorted(key for key in live if store.get(key) is None)
    records = [pair for kind in (keys.ENTRY, keys.MARKER) for pair in store.items(kind)]
    _send(producer, changelog, partition, [(key, None) for key in stale])
    _send(producer, changelog, partition, records)
    # Last and alone: the frontier must not be there before what it stands for.
    _send(producer, changelog, partition, [(keys.SENT, keys.sent_value(state.sent))])
    strangers = sum(key[:1] not in keys.DERIVED for key in stale)
    return Rebuilt(partition, offset, len(records), strangers, dead, state.sent)


def _live_keys(consumer: Any, changelog: str, partition: int) -> set[bytes]:
    live: set[bytes] = set()
    for message in read_partition(consumer, changelog, partition):
        if message.key is not None:
            (live.discard if message.value is None else live.add)(message.key)
    return live - {keys.SENT}


def _send(
    producer: Any, topic: str, partition: int, pairs: Sequence[tuple[bytes, bytes | None]]
) -> None:
    for chunk in _chunks(pairs):
        send_all(producer, [Outgoing(topic, partition, key, value) for key, value in chunk])


def _chunks(
    pairs: Sequence[tuple[bytes, bytes | None]],
) -> Iterator[Sequence[tuple[bytes, bytes | None]]]:
    for first in range(0, len(pairs), SENDS_AT_ONCE):
        yield pairs[first : first + SENDS_AT_ONCE]
