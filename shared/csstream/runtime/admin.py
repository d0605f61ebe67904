"""Making the declared topics on a broker, and comparing a broker with the declaration."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final, NamedTuple

from kafka import errors as kafka_errors
from kafka.admin import ConfigResource, ConfigResourceType
from kafka.errors import KafkaError

from csstream.contracts.errors import FatalError, TransientError
from csstream.contracts.topics import Topic

_OK: Final = 0
_UNKNOWN_TOPIC: Final = 3
_ALREADY_EXISTS: Final = 36
_TIMEOUT_MS: Final = 30_000


class Difference(NamedTuple):
    """One thing that is not on the broker as it is declared."""

    topic: str
    what: str  # topic, partitions, replication factor or a setting's name
    declared: str
    found: str


def create_topics(admin: Any, topics: Iterable[Topic]) -> dict[str, bool]:
    """Make the topics that are not there and wait until they can be used.

    Returns for each name whether it was made now (else it was there, and is left as it is).
    Raises TransientError where the broker did not answer, FatalError where it refused.
    """
    wanted = {
        topic.name: {
            "num_partitions": topic.partitions,
            "replication_factor": topic.replication_factor,
            "configs": topic.configs,
        }
        for topic in topics
    }
    try:
        answer = admin.create_topics(wanted, timeout_ms=_TIMEOUT_MS, raise_errors=False)
        made = {each["name"]: _was_made(each) for each in answer["topics"]}
        admin.wait_for_topics(list(wanted), timeout_ms=_TIMEOUT_MS)
    except KafkaError as error:
        raise _admin_error("create topics", error) from error
    return made


def check_topics(admin: Any, topics: Iterable[Topic]) -> list[Difference]:
    """Where the broker differs from the declaration; empty: nowhere.

    A setting that the broker does not report is not compared. Errors as of ``create_topics``.
    """
    declared = list(topics)
    try:
        described = {
            each["name"]: each for each in admin.describe_topics([t.name for t in declared])
        }
        present = [topic for topic in declared if _exists(described.get(topic.name))]
        configs = _configs(admin, present)
    except KafkaError as error:
        raise _admin_error("check topics", error) from error
    found: list[Difference] = []
    for topic in declared:
        if topic in present:
            found += _layout_differences(topic, described[topic.name]["partitions"])
            found += _config_differences(topic, configs.get(topic.name, {}))
        else:
            found.append(Difference(topic.name, "topic", "present", "absent"))
    return found


def _was_made(answer: dict[str, Any]) -> bool:
    code = answer["error_code"]
    if code not in (_OK, _ALREADY_EXISTS):
        text = answer.get("error_message") or kafka_errors.for_code(code).__name__
        raise FatalError(f"the broker does not make topic {answer['name']}: {text}")
    return bool(code == _OK)


def _exists(description: dict[str, Any] | None) -> bool:
    if description is None or description["error_code"] == _UNKNOWN_TOPIC:
        return False
    if description["error_code"] != _OK:
        raise kafka_errors.for_code(description["error_code"])(description["name"])
    return True


def _configs(admin: Any, topics: list[Topic]) -> dict[str, dict[str, Any]]:
    if not topics:
        return {}
    resources = [ConfigResource(ConfigResourceType.TOPIC, topic.name) for topic in topics]
    answer: dict[str, dict[str, Any]] = admin.describe_configs(resources, config_filter="all")
    return dict(answer.get("topic", {}))


def _layout_differences(topic: Topic, partitions: list[dict[str, Any]]) -> list[Difference]:
    pairs = [("partitions", topic.partitions, len(partitions))]
    replicas = min((len(each["replica_nodes"]) for each in partitions), default=0)
    pairs.append(("replication factor", topic.replication_factor, replicas))
    return [
        Difference(topic.name, what, str(declared), str(found))
        for what, declared, found in pairs
        if declared != found
    ]


def _config_differences(topic: Topic, reported: dict[str, Any]) -> list[Difference]:
    return [
        Difference(topic.name, name, declared, str(reported[name]["value"]))
        for name, declared in topic.configs.items()
        if name in reported and str(reported[name]["value"]) != declared
    ]


def _admin_error(action: str, error: KafkaError) -> TransientError | FatalError:
    if getattr(error, "retriable", False):
        return TransientError(f"could not {action}: {error}")
    return FatalError(f"could not {action}: {error!r}")
