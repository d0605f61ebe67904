"""A real broker for the tests of this folder; every test has topics of its own."""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable, Iterator

import pytest
from kafka import TopicPartition

from csstream.run.apache import ApacheBroker
from csstream.run.brokers import Broker, EmbeddedBroker
from csstream.runtime.admin import create_topics
from csstream.runtime.kafka import (
    Message,
    make_admin,
    make_consumer,
    make_producer,
    message_of,
)
from csstream.runtime.settings import ServiceSettings

_numbers = itertools.count(1)


@pytest.fixture(scope="session")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    """One broker for all tests of a process: the embedded one.

    With ``CSSTREAM_TEST_BROKER=apache`` it is Apache Kafka.
    """
    kind = ApacheBroker if os.environ.get("CSSTREAM_TEST_BROKER") == "apache" else EmbeddedBroker
    with kind(directory=tmp_path_factory.mktemp("broker")) as running:
        yield running


@pytest.fixture
def settings(broker: Broker) -> ServiceSettings:
    """Settings for the broker with a prefix that no other test has, and all topics made."""
    made = ServiceSettings(
        bootstrap_servers=broker.bootstrap_servers,
        topic_prefix=f"t{next(_numbers)}-",
        # joining the embedded broker's groups takes half of it; Apache Kafka allows no less
        session_timeout_ms=2000 if broker.name == "embedded" else 6000,
        max_attempts=3,
        first_delay_s=0.05,
    )
    admin = make_admin(made)
    create_topics(admin, made.topics())
    admin.close()
    return made


@pytest.fixture
def producer(settings: ServiceSettings):
    client = make_producer(settings, "test-producer")
    yield client
    client.close(timeout=5)


@pytest.fixture
def read_topic(settings: ServiceSettings) -> Callable[[str], list[Message]]:
    """Read all messages that a topic holds now."""

    def read(topic: str) -> list[Message]:
        consumer = make_consumer(settings, None, "test-reader")
        places = [
            TopicPartition(topic, number)
            for number in sorted(consumer.partitions_for_topic(topic) or ())
        ]
        ends = consumer.end_offsets(places)
        consumer.assign(places)
        consumer.seek_to_beginning()
        found: list[Message] = []
        while any(consumer.position(each) < end for each, end in ends.items()):
            for batch in consumer.poll(timeout_ms=500).values():
                found += [message_of(record) for record in batch]
        consumer.close()
        return found

    return read
