"""The brokers start on the loopback, serve records, survive a kill and say what is missing."""

from __future__ import annotations

import socket
import sys
from pathlib import Path

import pytest
from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer
from kafka.admin import NewTopic

from csstream.run import apache, brokers
from csstream.run.apache import ApacheBroker
from csstream.run.brokers import Broker, BrokerError, EmbeddedBroker


def put_and_get(broker: Broker) -> list[bytes]:
    admin = KafkaAdminClient(bootstrap_servers=broker.bootstrap_servers)
    admin.create_topics([NewTopic("things", 2, 1)])
    admin.close()
    producer = KafkaProducer(bootstrap_servers=broker.bootstrap_servers)
    producer.send("things", b"one", partition=1).get(10)
    producer.close()
    return read(broker)


def read(broker: Broker) -> list[bytes]:
    consumer = KafkaConsumer(
        "things",
        bootstrap_servers=broker.bootstrap_servers,
        auto_offset_reset="earliest",
        consumer_timeout_ms=5000,
    )
    first = next(iter(consumer), None)
    consumer.close()
    return [first.value] if first else []


@pytest.mark.integration
def test_embedded_broker_serves_on_the_loopback_only(tmp_path: Path) -> None:
    with EmbeddedBroker(directory=tmp_path) as broker:
        assert put_and_get(broker) == [b"one"]
        outside = socket.gethostbyname(socket.gethostname())
        if outside != "127.0.0.1":
            assert not brokers.answers(outside, broker.port)
        with pytest.raises(BrokerError, match="already running"):
            broker.start()
    assert broker.pid is None
    assert not brokers.answers("127.0.0.1", broker.port)


@pytest.mark.integration
def test_embedded_broker_comes_back_on_its_port_after_a_kill(tmp_path: Path) -> None:
    broker = EmbeddedBroker(directory=tmp_path).start()
    address = broker.bootstrap_servers
    broker.kill()
    assert broker.pid is None
    with broker:
        assert broker.bootstrap_servers == address
        assert brokers.answers("127.0.0.1", broker.port)


@pytest.mark.integration
def test_a_paused_broker_is_silent_until_it_is_resumed(tmp_path: Path) -> None:
    with EmbeddedBroker(directory=tmp_path) as broker:
        broker.pause()
        assert not brokers.answers("127.0.0.1", broker.port, timeout=0.3)
        broker.resume()
        assert brokers.answers("127.0.0.1", broker.port, timeout=5)


@pytest.mark.integration
@pytest.mark.apache
def test_apache_broker_keeps_records_over_a_kill(tmp_path: Path) -> None:
    missing = apache.why_no_apache()
    if missing:
        pytest.skip(missing)
    with ApacheBroker(directory=tmp_path) as broker:
        assert put_and_get(broker) == [b"one"]
        broker.kill()
        broker.start()
        assert read(broker) == [b"one"]


def test_missing_java_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert "java is not on the PATH" in (apache.why_no_apache() or "")
    with pytest.raises(BrokerError, match="java is not on the PATH"):
        ApacheBroker(directory=tmp_path / "b").start()


class Failing(Broker):
    name = "failing"

    def command(self) -> list[str]:
        return [sys.executable, "-c", "raise SystemExit('no memory left')"]


class Silent(Broker):
    name = "silent"

    def command(self) -> list[str]:
        return [sys.executable, "-c", "import time; time.sleep(60)"]


def test_a_broker_that_ends_at_once_shows_its_last_line(tmp_path: Path) -> None:
    with pytest.raises(BrokerError, match="no memory left"):
        Failing(directory=tmp_path).start()


def test_a_broker_that_stays_silent_is_given_up_and_ended(tmp_path: Path) -> None:
    broker = Silent(directory=tmp_path, start_timeout=0.3)
    with pytest.raises(BrokerError, match="did not answer"):
        broker.start()
    assert broker.pid is None
