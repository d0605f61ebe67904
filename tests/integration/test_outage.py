"""A broker that stops to answer for a while: nothing is lost, nothing is stuck."""

from __future__ import annotations

import subprocess
import sys
import threading
import time

import pytest

from csstream.run.brokers import EmbeddedBroker
from csstream.runtime.admin import create_topics
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
from csstream.runtime.settings import ServiceSettings

pytestmark = pytest.mark.integration


@pytest.fixture
def own_broker(tmp_path):
    with EmbeddedBroker(directory=tmp_path) as running:
        yield running


def test_a_worker_outlives_a_broker_that_pauses_longer_than_the_session(own_broker):
    settings = ServiceSettings(
        bootstrap_servers=own_broker.bootstrap_servers, session_timeout_ms=2000
    )
    topics = settings.topics()
    create_topics(admin := make_admin(settings), topics)
    admin.close()
    producer = make_producer(settings, "test")
    names = topics.exposures.name, topics.exposure_reports.name
    send_all(producer, [Outgoing(names[0], 0, None, b"%d" % n) for n in range(40)])
    stop, seen = threading.Event(), []

    def handler(message: Message) -> None:
        send_all(producer, [Outgoing(names[1], 0, None, message.value)])
        seen.append(message.value)

    worker = Worker(
        make_consumer(settings, "outage", "test", [topics.exposures]),
        lambda message: (time.sleep(0.05), handler(message))[1],
        stage="detection",
        dead_letters=DeadLetterProducer(producer, topics.dead_letters("detection"), "detection"),
        metrics=make_metrics(),
        stop=stop,
        retries=RetryPolicy(),
    )
    thread = threading.Thread(target=worker.run)
    thread.start()
    wait_until(lambda: len(seen) >= 5)
    own_broker.pause()
    time.sleep(6)
    own_broker.resume()
    wait_until(lambda: len(set(seen)) == 40, 60)
    stop.set()
    thread.join(30)
    assert not thread.is_alive()
    reader = make_consumer(settings, None, "reader")
    sent = read_all(reader, names[1])
    reader.close()
    producer.close(timeout=5)
    assert set(sent) == {b"%d" % n for n in range(40)}
    assert sent == sorted(sent, key=int) or len(sent) > 40  # in order, but for what came again


def test_no_broker_is_told_as_something_that_may_pass():
    """In a process of its own: kafka-python leaves the sockets of a failed start open."""
    done = subprocess.run(
        [sys.executable, "-c", NO_BROKER], capture_output=True, text=True, check=False, timeout=120
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("no Kafka broker answers at 127.0.0.1:1") == 3


NO_BROKER = """
import csstream.runtime.kafka as kafka
from csstream.contracts.errors import TransientError
from csstream.runtime.settings import ServiceSettings

kafka._BOOTSTRAP_TIMEOUT_MS = 500
settings = ServiceSettings(bootstrap_servers="127.0.0.1:1")
for make, arguments in [
    (kafka.make_producer, ["x"]), (kafka.make_consumer, ["g", "x"]), (kafka.make_admin, [])
]:
    try:
        make(settings, *arguments)
    except TransientError as error:
        print(error)
"""


def wait_until(condition, seconds: float = 30.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.05)


def read_all(consumer, topic: str) -> list[bytes]:
    from kafka import TopicPartition

    place = TopicPartition(topic, 0)
    consumer.assign([place])
    consumer.seek_to_beginning()
    end = consumer.end_offsets([place])[place]
    found: list[bytes] = []
    while consumer.position(place) < end:
        found += [record.value for record in consumer.poll(timeout_ms=500).get(place, [])]
    return found
