"""The Faust worker as a process, on a real broker: killed, paused, moved, and nothing is lost."""

from __future__ import annotations

import itertools
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest
from kafka import TopicPartition

from csstream.contracts.codec import decode, encode
from csstream.contracts.errors import FatalError
from csstream.contracts.records import ClosedMarker, DeadLetter, Measurements, Panel
from csstream.lightcurves import keys
from csstream.lightcurves.entries import stored_value
from csstream.lightcurves.export import export
from csstream.lightcurves.rebuild import rebuild
from csstream.lightcurves.replay import read_partition
from csstream.lightcurves.settings import LightcurvesSettings
from csstream.lightcurves.state import PartitionState
from csstream.lightcurves.store import MemoryStore
from csstream.run.apache import ApacheBroker, why_no_apache
from csstream.run.brokers import Broker, EmbeddedBroker
from csstream.runtime.admin import create_topics
from csstream.runtime.kafka import (
    Message,
    Outgoing,
    make_admin,
    make_consumer,
    make_producer,
    send_all,
)

pytestmark = [pytest.mark.integration, pytest.mark.timeout(600)]
PARTITIONS = 2
WAIT_S = 240.0  # a limit for what never comes, not a measure of what is slow
_numbers = itertools.count(1)
PanelId = tuple[int, int, int, int]


BROKERS = ["embedded", pytest.param("apache", marks=pytest.mark.apache)]
on_both_brokers = pytest.mark.parametrize("broker", BROKERS, indirect=True, scope="module")


@pytest.fixture(scope="module")
def broker(request, tmp_path_factory) -> Iterator[Broker]:
    name = getattr(request, "param", "embedded")
    if name == "apache" and (reason := why_no_apache()):
        pytest.skip(reason)
    kind = {"embedded": EmbeddedBroker, "apache": ApacheBroker}[name]
    with kind(directory=tmp_path_factory.mktemp(name)) as running:
        yield running


@dataclass
class Bench:
    """A topic prefix of its own, clients, and worker processes."""

    settings: LightcurvesSettings
    tmp_path: Path
    workers: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.topics = self.settings.topics()
        self.admin = make_admin(self.settings)
        create_topics(self.admin, self.topics)
        self.producer = make_producer(self.settings, "test")

    def close(self) -> None:
        for worker in self.workers:
            if worker.poll() is None:
                worker.kill()
            worker.wait()
        self.producer.close(timeout=5)
        self.admin.close()

    def send(self, records) -> None:
        """Send (partition, record or bytes), one batch of messages."""
        name = self.topics.measurements.name
        values = [(p, r if isinstance(r, bytes) else encode(r)) for p, r in records]
        send_all(self.producer, [Outgoing(name, p, None, value) for p, value in values])

    def start(self, name: str = "one", **environment: str) -> subprocess.Popen[bytes]:
        """Start a worker with a state directory of its own."""
        variables = {
            f"CSSTREAM_{key.upper()}": str(value)
            for key, value in self.settings.model_dump(exclude_none=True).items()
        }
        variables |= {"CSSTREAM_STATE_DIR": str(self.tmp_path / name), "CSSTREAM_INSTANCE_ID": name}
        variables |= {"NUMBA_NUM_THREADS": "1"} | environment
        with (self.tmp_path / f"{name}.log").open("ab") as log:
            worker = subprocess.Popen(
                [sys.executable, "-m", "csstream.cli.main", "serve", "lightcurves"],
                env=os.environ | variables,
                stderr=log,
            )
        self.workers.append(worker)
        return worker

    def read(self, topic) -> list[Message]:
        """Everything that a topic holds now, however long reading takes."""
        consumer = make_consumer(self.settings, None, "test-reader")
        with closing(consumer):
            return [
                message
                for partition in range(topic.partitions)
                for message in read_partition(consumer, topic.name, partition)
            ]

    def read_until(self, topic, reached: Callable[[list], bool]) -> list:
        """Messages of a topic, until a condition holds; the last worker must be running."""
        consumer = make_consumer(self.settings, None, "test-reader")
        places = [TopicPartition(topic.name, p) for p in range(topic.partitions)]
        consumer.assign(places)
        consumer.seek_to_beginning(*places)
        found: list = []
        deadline = time.monotonic() + WAIT_S
        with closing(consumer):
            while not reached(found):
                assert self.workers[-1].poll() is None, self.logs()
                assert time.monotonic() < deadline, self.logs()
                for messages in consumer.poll(timeout_ms=200).values():
                    found += messages
        return found

    def panels(self, wanted: int) -> dict[PanelId, set[bytes]]:
        """Bytes of every panel, as soon as there are as many different ones as wanted."""
        return by_id(self.read_until(self.topics.lightcurves, lambda m: len(by_id(m)) >= wanted))

    def wait_for_panels(self, n: int) -> None:
        self.read_until(self.topics.lightcurves, lambda m: len(m) >= n)

    def committed(self) -> dict[int, int]:
        group = self.settings.group_id("lightcurves")
        found = self.admin.list_group_offsets([group])[group]
        return {place.partition: offset.offset for place, offset in found.items()}

    def logs(self) -> str:
        return "\n".join(path.read_text()[-3000:] for path in self.tmp_path.glob("*.log"))


def by_id(messages) -> dict[PanelId, set[bytes]]:
    found: dict[PanelId, set[bytes]] = {}
    for message in messages:
        panel = decode(message.value, Panel)
        place = (panel.cell, panel.panel, panel.examination, panel.part)
        found.setdefault(place, set()).add(message.value)
    return found


def expected_panels(settings: LightcurvesSettings, records) -> dict[PanelId, set[bytes]]:
    """What the state machine by itself makes of the records."""
    found: dict[PanelId, set[bytes]] = {}
    for partition in range(PARTITIONS):
        store = MemoryStore()
        state = PartitionState(store, settings.rules())
        for record in (record for p, record in records if p == partition):
            store.put(key_of(record), stored_value(record))
            state.note(record)
            for visit in state.closed_beyond_sent():
                for panel in state.cut(visit):
                    place = (panel.cell, panel.panel, panel.examination, panel.part)
                    found[place] = {encode(panel)}
                state.finish(visit)
    return found


def key_of(record: Measurements | ClosedMarker) -> bytes:
    if isinstance(record, Measurements):
        return keys.entry_key(record.cell, record.visit, record.detector)
    return keys.marker_key(record.visit, record.detector)


@pytest.fixture
def bench(broker, tmp_path) -> Iterator[Bench]:
    settings = LightcurvesSettings(
        bootstrap_servers=broker.bootstrap_servers,
        topic_prefix=f"lc{next(_numbers)}-",
        partitions=PARTITIONS,
        first_examination=5,
        examination_growth=1.2,
        confirm_sources=2,
        commit_interval_s=0.2,
        request_timeout_s=20,
    )
    made = Bench(settings, tmp_path)
    yield made
    made.close()


@pytest.fixture
def records(make_field) -> list:
    return make_field(stars=40, detectors=2, partitions=PARTITIONS, seed=6).run(24)


@on_both_brokers
def test_the_worker_sends_what_the_state_machine_says_and_leaves_tidily(bench, broker, records):
    expected = expected_panels(bench.settings, records)
    worker = bench.start()
    bench.send([*records[:30], (1, b"garbage"), *records[30:]])
    assert bench.panels(len(expected)) == expected
    started = time.monotonic()
    worker.send_signal(signal.SIGTERM)
    assert worker.wait(20) == 0, bench.logs()
    assert time.monotonic() - started < 10
    sent = [sum(p == partition for p, _ in records) for partition in range(PARTITIONS)]
    assert bench.committed() == {0: sent[0], 1: sent[1] + 1}
    letters = bench.read(bench.topics.dead_letters("lightcurves"))
    assert [decode(m.value, DeadLetter).value for m in letters] == [b"garbage"]
    if broker.name == "apache":  # the embedded broker keeps no files to look into
        for topic in (bench.topics.changelog, bench.topics.lightcurves):
            assert first_producer_id(broker, topic.name) >= 0


def first_producer_id(broker: Broker, topic: str) -> int:
    """Producer id of the first record batch in a log segment (message format 2); -1: none."""
    segments = [p for p in broker.directory.rglob("*.log") if p.parent.name.startswith(f"{topic}-")]
    filled = next(segment for segment in segments if segment.stat().st_size)
    return int.from_bytes(filled.read_bytes()[43:51], "big", signed=True)


@on_both_brokers
def test_kill_9_again_and_again_loses_and_changes_nothing(bench, records):
    expected = expected_panels(bench.settings, records)
    third = len(records) // 3
    for part in range(3):
        worker = bench.start()
        bench.send(records[part * third : (part + 1) * third if part < 2 else None])
        if part < 2:
            bench.wait_for_panels(1 + 4 * part)
            worker.kill()
            worker.wait()
            check_committed_is_logged(bench, records)
            if part == 1:  # the machine is gone: the changelog is all there is
                shutil.rmtree(bench.tmp_path / "one", ignore_errors=True)
    assert bench.panels(len(expected)) == expected, bench.logs()


def check_committed_is_logged(bench: Bench, records) -> None:
    """Whatever is committed is on the changelog: entry, marker and sent frontier."""
    logged = {(m.partition, m.key) for m in bench.read(bench.topics.changelog)}
    for partition, offset in bench.committed().items():
        mine = [record for p, record in records if p == partition]
        missing = [r for r in mine[:offset] if (partition, key_of(r)) not in logged]
        assert not missing, f"committed {offset}, not on the changelog: {len(missing)}"


@on_both_brokers
def test_a_pausing_broker_and_kill_9_commit_nothing_that_is_not_logged(bench, broker, records):
    expected = expected_panels(bench.settings, records)
    half = len(records) // 2
    worker = bench.start()
    bench.send(records[:half])
    bench.wait_for_panels(1)
    for _ in range(3):  # stutter, with commits due every 0.2 s
        broker.pause()
        time.sleep(0.4)
        broker.resume()
        time.sleep(0.1)
    broker.pause()
    time.sleep(0.5)
    worker.kill()
    worker.wait()
    broker.resume()
    check_committed_is_logged(bench, records)
    bench.start()
    bench.send(records[half:])
    assert bench.panels(len(expected)) == expected, bench.logs()


def test_a_second_worker_takes_over_and_back(bench, records):
    expected = expected_panels(bench.settings, records)
    third = len(records) // 3
    first = bench.start("one")
    bench.send(records[:third])
    bench.wait_for_panels(1)
    bench.start("two")
    bench.send(records[third : 2 * third])
    time.sleep(8.0)  # the second joins
    first.send_signal(signal.SIGTERM)
    assert first.wait(20) == 0, bench.logs()
    bench.send(records[2 * third :])
    assert bench.panels(len(expected)) == expected, bench.logs()


def test_a_rebuilt_state_goes_on_with_the_same_panels(bench, records):
    """State directory and changelog are spoilt; `rebuild` makes both again."""
    expected = expected_panels(bench.settings, records)
    half = len(records) // 2
    worker = bench.start()
    bench.send(records[:half])
    wait_until(lambda: sum(bench.committed().values()) == half)
    with pytest.raises(FatalError, match="stop the light-curve workers"):
        rebuild(bench.settings)
    worker.terminate()
    assert worker.wait(20) == 0
    spoil_changelog(bench, records[:half])
    settings = bench.settings.model_copy(update={"state_dir": bench.tmp_path / "one"})
    done = rebuild(settings)
    assert [each.tombstones for each in done] == [1, 0]
    assert sum(each.records for each in done) == half
    assert not settings.state_dir.exists()
    assert sum(bench.committed().values()) == half
    bench.start()
    bench.send(records[half:])
    assert bench.panels(len(expected)) == expected, bench.logs()


def test_an_export_from_the_topics_holds_every_point_of_the_panels(bench, records):
    bench.send(records)
    expected = expected_panels(bench.settings, records)
    closing = [decode(value, Panel) for values in expected.values() for value in values]
    points = sum(int(np.isfinite(p.flux).sum()) for p in closing if p.closing)
    table = export(bench.settings)
    assert len(table["flux"]) == points


def test_retention_outlives_the_machine(bench, make_field):
    """Old entries leave the changelog; what is there makes the same panels go on elsewhere."""
    bench.settings = bench.settings.model_copy(update={"keep_epochs": 6})
    records = make_field(stars=10, detectors=2, partitions=PARTITIONS, seed=6).run(44)
    expected = expected_panels(bench.settings, records)
    most = 7 * len(records) // 8
    worker = bench.start()
    bench.send(records[:most])
    wait_until(lambda: sum(bench.committed().values()) == most)
    worker.kill()
    worker.wait()
    removed = {m.key for m in bench.read(bench.topics.changelog) if m.value is None}
    assert any(key[:1] == keys.ENTRY for key in removed)
    shutil.rmtree(bench.tmp_path / "one")
    bench.start()
    bench.send(records[most:])
    assert bench.panels(len(expected)) == expected, bench.logs()


def spoil_changelog(bench: Bench, records) -> None:
    """Lose one entry, add a stranger, and say that far more has been sent."""
    name = bench.topics.changelog.name
    p, lost = next((p, r) for p, r in records if isinstance(r, Measurements))
    send_all(
        bench.producer,
        [
            Outgoing(name, p, key_of(lost), None),
            Outgoing(name, p, keys.entry_key(p, 3, 77), b"nonsense"),
            Outgoing(name, p, keys.SENT, keys.sent_value(10**6)),
        ],
    )


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + WAIT_S
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.3)
