"""The worker on a real broker: what is committed, repeated, dead-lettered and lost (nothing)."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from contextlib import contextmanager

import pytest
from kafka import TopicPartition

from csstream.contracts.codec import decode
from csstream.contracts.errors import BadInputError, TransientError
from csstream.contracts.headers import REASON, find_header
from csstream.contracts.records import DeadLetter
from csstream.runtime.dead_letters import DeadLetterProducer
from csstream.runtime.kafka import (
    Message,
    Outgoing,
    Worker,
    make_admin,
    make_consumer,
    make_producer,
    send_all,
)
from csstream.runtime.metrics import make_metrics
from csstream.runtime.retries import RetryPolicy

pytestmark = pytest.mark.integration
STAGE = "detection"


class Running:
    """A worker in a thread, as a service has it in its main thread."""

    def __init__(
        self, settings, handler: Callable[[Message], None], client_id="test-worker", **callbacks
    ) -> None:
        self.settings = settings
        self.metrics = make_metrics()
        self.stop = threading.Event()
        self.error: BaseException | None = None
        self.producer = make_producer(settings, "test-worker")
        topics = settings.topics()
        self.worker = Worker(
            make_consumer(settings, settings.group_id("test"), client_id, [topics.exposures]),
            handler,
            stage=STAGE,
            dead_letters=DeadLetterProducer(
                self.producer, topics.dead_letters(STAGE), STAGE, self.metrics
            ),
            metrics=self.metrics,
            stop=self.stop,
            retries=RetryPolicy(max_attempts=3, first_delay_s=0.05),
            **callbacks,
        )
        self.thread = threading.Thread(target=self._run)
        self.thread.start()

    def _run(self) -> None:
        try:
            self.worker.run()
        except BaseException as error:
            self.error = error

    def count(self, name: str, **labels: str) -> float:
        labels = {"stage": STAGE, **labels}
        return self.metrics.registry.get_sample_value(f"csstream_{name}", labels) or 0.0

    def end(self) -> None:
        self.stop.set()
        self.thread.join(30)
        assert not self.thread.is_alive()
        self.producer.close(timeout=5)


@contextmanager
def running(settings, handler, **options):
    worker = Running(settings, handler, **options)
    try:
        yield worker
    finally:
        worker.end()


def wait_until(condition: Callable[[], bool], seconds: float = 30.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.02)


def committed(settings) -> dict[int, int]:
    admin = make_admin(settings)
    offsets = admin.list_group_offsets([settings.group_id("test")])
    admin.close()
    found = offsets.get(settings.group_id("test"), {})
    return {place.partition: each.offset for place, each in found.items() if each.offset >= 0}


def send(producer, settings, values: list[bytes], partition: int = 0, headers=()) -> None:
    topic = settings.topics().exposures.name
    send_all(producer, [Outgoing(topic, partition, b"key", value, headers) for value in values])


def test_every_message_is_handled_in_order_and_committed(settings, producer):
    seen: list[tuple[int, bytes]] = []
    values = [b"%d" % number for number in range(50)]
    send(producer, settings, values)
    send(producer, settings, values, partition=1)
    with running(settings, lambda m: seen.append((m.partition, m.value))) as worker:
        wait_until(lambda: len(seen) == 100)
        wait_until(lambda: worker.count("messages_in_total") == 100)
    assert [value for partition, value in seen if partition == 0] == values
    assert [value for partition, value in seen if partition == 1] == values
    assert committed(settings) == {0: 50, 1: 50}
    assert worker.error is None


def test_a_message_that_cannot_be_used_becomes_a_dead_letter_and_the_rest_goes_on(
    settings, producer, read_topic
):
    seen: list[bytes] = []

    def handler(message: Message) -> None:
        if message.value == b"bad":
            raise BadInputError("not_avro", "these bytes are no exposure")
        seen.append(message.value or b"")

    send(producer, settings, [b"one", b"bad", b"two"], headers=[("trace", b"\x00\xff")])
    with running(settings, handler) as worker:
        wait_until(lambda: len(seen) == 2 and worker.count("messages_in_total") == 3)
        assert worker.count("dead_letters_total", reason="not_avro") == 1
    letters = read_topic(settings.topics().dead_letters(STAGE).name)
    letter = decode(letters[0].value, DeadLetter)
    assert len(letters) == 1
    assert (letter.value, letter.key, letter.headers) == (b"bad", b"key", (("trace", b"\x00\xff"),))
    assert (letter.partition, letter.offset, letter.attempt) == (0, 1, 1)
    assert letter.topic == settings.topics().exposures.name
    assert letter.error == "these bytes are no exposure"
    assert find_header(letters[0].headers, REASON) == "not_avro"
    assert committed(settings) == {0: 3}


def test_what_fails_for_a_while_is_tried_again(settings, producer):
    attempts: list[int] = []

    def handler(message: Message) -> None:
        attempts.append(message.offset)
        if len(attempts) < 3:
            raise TransientError("the disk is busy")

    send(producer, settings, [b"one"])
    with running(settings, handler) as worker:
        wait_until(lambda: worker.count("messages_in_total") == 1)
        assert worker.count("retries_total") == 2
    assert attempts == [0, 0, 0]
    assert committed(settings) == {0: 1}


@pytest.mark.parametrize("error", [TransientError("for ever"), ZeroDivisionError("a bug")])
def test_what_cannot_be_helped_stops_the_worker_uncommitted(settings, producer, error):
    def handler(message: Message) -> None:
        if message.value == b"two":
            raise error

    send(producer, settings, [b"one", b"two", b"three"])
    with running(settings, handler) as worker:
        worker.thread.join(30)
    assert worker.error is error
    assert committed(settings) == {0: 1}
    seen: list[bytes | None] = []
    with running(settings, lambda message: seen.append(message.value)):
        wait_until(lambda: len(seen) == 2)
    assert seen == [b"two", b"three"]


def test_work_longer_than_the_session_keeps_its_partitions_and_its_commit(settings, producer):
    seen: list[int] = []

    def handler(message: Message) -> None:
        time.sleep(2.5 * settings.session_timeout_ms / 1000 if message.offset == 0 else 0.0)
        seen.append(message.offset)

    send(producer, settings, [b"long", b"short"])
    with running(settings, handler) as worker:
        wait_until(lambda: worker.count("messages_in_total") == 2)
        assert worker.count("rebalances_total") == 1
        assert worker.count("commit_failures_total") == 0
    assert seen == [0, 1]
    assert committed(settings) == {0: 2}


def test_stopping_finishes_and_commits_the_message_in_hand(settings, producer):
    started, finished = threading.Event(), threading.Event()

    def handler(message: Message) -> None:
        started.set()
        time.sleep(1.0)
        finished.set()

    send(producer, settings, [b"one", b"two"])
    with running(settings, handler):
        assert started.wait(30)
    assert finished.is_set()
    assert committed(settings) == {0: 1}


@pytest.mark.parametrize(("first_id", "second_id"), [("z", "a"), ("a", "z")])
def test_a_rebalance_while_a_message_is_in_hand(settings, producer, first_id, second_id):
    """Partition 0 goes to the member whose name sorts first: away from the first worker, or not.

    Where it goes away, the second gets the message again, and the first's result is not
    committed. Where it stays, the result is committed, or the message comes again.
    """
    moves = second_id < first_id
    settings = settings.model_copy(update={"session_timeout_ms": 6000})  # slow machines keep it
    held, release = threading.Event(), threading.Event()
    seen: list[str] = []

    def slow(message: Message) -> None:
        seen.append("first")
        held.set()
        assert release.wait(60)

    send(producer, settings, [b"one"])
    try:
        with running(settings, slow, client_id=first_id) as first:
            assert held.wait(30)
            with running(
                settings, lambda message: seen.append("second"), client_id=second_id
            ) as second:
                wait_until(lambda: second.count("rebalances_total") >= 1)
                wait_until(lambda: seen[-1] == "second" or not moves)
                release.set()
                wait_until(lambda: first.count("rebalances_total") >= 2)
                wait_until(lambda: committed(settings) == {0: 1})
    finally:
        release.set()
    assert seen[0] == "first"
    assert "second" in seen or not moves
    assert len(seen) <= 3  # a broker may need more than one rebalance to settle


def test_what_was_not_committed_comes_again_after_a_rebalance_that_keeps_the_partition(
    settings, producer
):
    """A service that commits later (a panel in parts) drops what it holds when it is revoked."""
    seen: list[bytes | None] = []
    send(producer, settings, [b"part one", b"part two"])
    with running(
        settings,
        lambda message: seen.append(message.value),
        client_id="a",
        commit_when=lambda message: False,
    ) as first:
        wait_until(lambda: seen == [b"part one", b"part two"])
        with running(settings, lambda message: None, client_id="z"):
            wait_until(lambda: first.count("rebalances_total") >= 2)
            wait_until(lambda: len(seen) == 4)
    assert seen[2:] == [b"part one", b"part two"]
    assert committed(settings) == {}


def test_partitions_are_announced_before_their_messages(settings, producer):
    events: list[object] = []
    send(producer, settings, [b"one"])
    with running(
        settings,
        lambda message: events.append(message.value),
        on_assigned=lambda places: events.append(sorted(place.partition for place in places)),
        on_revoked=lambda places: events.append("revoked"),
    ) as worker:
        wait_until(lambda: worker.count("messages_in_total") == 1)
        assert worker.count("ready") == 1
    assert events[:2] == [[0, 1], b"one"]


def test_a_killed_worker_loses_nothing(settings, producer, tmp_path):
    """kill -9 in the middle of a message: the next worker gets it again, and all that follow."""
    import os
    import subprocess
    import sys

    script = tmp_path / "worker.py"
    script.write_text(KILLED)
    send(producer, settings, [b"%d" % number for number in range(5)])
    environment = {
        **os.environ,
        "CSSTREAM_BOOTSTRAP_SERVERS": settings.bootstrap_servers,
        "CSSTREAM_TOPIC_PREFIX": settings.topic_prefix,
        "CSSTREAM_SESSION_TIMEOUT_MS": str(settings.session_timeout_ms),
    }
    done = subprocess.run([sys.executable, script], env=environment, timeout=60, check=False)
    assert done.returncode == -9
    assert committed(settings) == {0: 2}
    seen: list[bytes | None] = []
    with running(settings, lambda message: seen.append(message.value)):
        wait_until(lambda: len(seen) == 3)
    assert seen == [b"2", b"3", b"4"]


KILLED = """
import os, signal, threading
from csstream.runtime.dead_letters import DeadLetterProducer
from csstream.runtime.kafka import Worker, make_consumer, make_producer
from csstream.runtime.metrics import make_metrics
from csstream.runtime.retries import RetryPolicy
from csstream.runtime.settings import ServiceSettings

settings = ServiceSettings()
topics = settings.topics()

def handler(message):
    if message.offset == 2:
        os.kill(os.getpid(), signal.SIGKILL)

Worker(
    make_consumer(settings, settings.group_id("test"), "killed", [topics.exposures]),
    handler,
    stage="detection",
    dead_letters=DeadLetterProducer(
        make_producer(settings, "killed"), topics.dead_letters("detection"), "detection"
    ),
    metrics=make_metrics(),
    stop=threading.Event(),
    retries=RetryPolicy(),
).run()
"""


def test_lag_is_measured_per_partition(settings, producer):
    release = threading.Event()
    send(producer, settings, [b"x"] * 10)
    with running(settings, lambda message: release.wait(30) and None) as worker:
        topic = settings.topics().exposures.name
        place = TopicPartition(topic, 0)
        release.set()
        wait_until(lambda: worker.count("messages_in_total") == 10)
        time.sleep(1.5)
        assert worker.count("lag", topic=place.topic, partition="0") == 0
