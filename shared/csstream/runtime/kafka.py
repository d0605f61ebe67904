"""Kafka clients with the settings that csstream's promises need."""

from __future__ import annotations

import importlib
from collections.abc import Iterable
from typing import Any, Final

from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer
from kafka.errors import KafkaError

from csstream.contracts.errors import FatalError, TransientError
from csstream.contracts.topics import Topic
from csstream.runtime.messages import Message, Outgoing, message_of, send_all
from csstream.runtime.settings import ServiceSettings
from csstream.runtime.worker import Worker

__all__ = [
    "Message",
    "Outgoing",
    "Worker",
    "make_admin",
    "make_consumer",
    "make_producer",
    "message_of",
    "require_crc32c",
    "send_all",
]

_BOOTSTRAP_TIMEOUT_MS: Final = 15_000
_METADATA_MAX_AGE_MS: Final = 5_000  # a consumer that joined too early looks again
_REQUEST_TIMEOUT_MS: Final = 20_000
_DELIVERY_TIMEOUT_MS: Final = 60_000


def require_crc32c() -> None:
    """Raise FatalError without the ``crc32c`` wheel: checksums in Python are 30 times slower."""
    try:
        importlib.import_module("crc32c")
    except ImportError as error:
        raise FatalError(
            "the package crc32c is missing: install it with `pip install crc32c`"
        ) from error


def make_producer(settings: ServiceSettings, client_id: str) -> Any:
    """An idempotent producer that takes the largest message declared; the caller closes it.

    Raises TransientError where no broker answers.
    """
    require_crc32c()
    return _connect(
        KafkaProducer,
        settings,
        client_id=client_id,
        acks="all",
        enable_idempotence=True,
        max_request_size=settings.topics().max_message_bytes,
        batch_size=262_144,
        request_timeout_ms=_REQUEST_TIMEOUT_MS,
        delivery_timeout_ms=_DELIVERY_TIMEOUT_MS,
        allow_auto_create_topics=False,
    )


def make_consumer(
    settings: ServiceSettings,
    group_id: str | None,
    client_id: str,
    topics: Iterable[Topic | str] = (),
    *,
    auto_offset_reset: str = "earliest",
) -> Any:
    """A consumer that never commits by itself; the caller closes it.

    ``group_id`` None: no group; assign partitions to it. With ``topics`` it is subscribed at
    once; a ``Worker`` subscribes by itself. Raises TransientError where no broker answers.
    """
    require_crc32c()
    largest = settings.topics().max_message_bytes
    names = [topic if isinstance(topic, str) else topic.name for topic in topics]
    return _connect(
        KafkaConsumer,
        settings,
        *names,
        client_id=client_id,
        group_id=group_id,
        group_instance_id=(settings.instance_id or None) if group_id else None,
        enable_auto_commit=False,
        auto_offset_reset=auto_offset_reset,
        session_timeout_ms=settings.session_timeout_ms,
        heartbeat_interval_ms=max(300, settings.session_timeout_ms // 6),
        max_partition_fetch_bytes=largest,
        fetch_max_bytes=3 * largest,
        fetch_max_wait_ms=250,
        request_timeout_ms=_REQUEST_TIMEOUT_MS,
        allow_auto_create_topics=False,
        isolation_level="read_committed",
    )


def make_admin(settings: ServiceSettings, client_id: str = "csstream-admin") -> Any:
    """An admin client; the caller closes it. TransientError where no broker answers."""
    return _connect(
        KafkaAdminClient, settings, client_id=client_id, request_timeout_ms=_REQUEST_TIMEOUT_MS
    )


def _connect(client: Any, settings: ServiceSettings, *topics: str, **options: Any) -> Any:
    try:
        return client(
            *topics,
            bootstrap_servers=settings.bootstrap_servers.split(","),
            metadata_max_age_ms=_METADATA_MAX_AGE_MS,
            bootstrap_timeout_ms=_BOOTSTRAP_TIMEOUT_MS,
            **options,
        )
    except KafkaError as error:
        raise TransientError(
            f"no Kafka broker answers at {settings.bootstrap_servers}: {error}"
        ) from error
