"""The subscriber's Kafka consumer, and errors that say what to do."""

from __future__ import annotations

import socket
import time
from typing import Any, Final

from kafka import TopicPartition

from csstream.contracts.errors import TransientError
from csstream.runtime.kafka import make_consumer
from csstream.subscriber.settings import SubscriberSettings

KNOCK_S: Final = 2.0  # [s] for one connection


def open_consumer(settings: SubscriberSettings, group_id: str | None) -> Any:
    """Return a connected consumer that is assigned to nothing yet.

    Raises
    ------
    TransientError
        No broker answers at the address.
    """
    try:
        _knock(settings)  # first: a client that cannot connect leaves its sockets open
        return make_consumer(settings, group_id, "csstream-subscriber")
    except (TransientError, OSError) as error:
        raise TransientError(
            f"no Kafka broker answers at {settings.bootstrap_servers}: {error}. Start the chain "
            "with `csstream run` (or `make run`), or name your broker with --bootstrap-servers "
            "HOST:PORT or CSSTREAM_BOOTSTRAP_SERVERS"
        ) from error


def _knock(settings: SubscriberSettings) -> None:
    """Return when a bootstrap server takes connections; OSError when none does in time."""
    servers = [server.rpartition(":") for server in settings.bootstrap_servers.split(",")]
    deadline = time.monotonic() + settings.connect_timeout_ms / 1000
    while True:
        for host, _, port in servers:
            try:
                socket.create_connection((host, int(port)), KNOCK_S).close()
                return
            except ValueError:
                raise OSError(f"{host}:{port} is no HOST:PORT") from None
            except OSError:
                if time.monotonic() > deadline:
                    raise
        time.sleep(KNOCK_S / 10)


def partitions_of(consumer: Any, topic: str, settings: SubscriberSettings) -> list[TopicPartition]:
    """Return the partitions of a topic, in order.

    Raises
    ------
    TransientError
        The broker does not have the topic.
    """
    numbers = consumer.partitions_for_topic(topic)
    if not numbers:
        raise TransientError(
            f"the broker at {settings.bootstrap_servers} has no topic {topic!r}. Create the topics "
            "with `csstream topics create`, or check the address"
        )
    return [TopicPartition(topic, number) for number in sorted(numbers)]
