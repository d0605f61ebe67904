"""The topics, read from ``deploy/kafka/topics.yaml`` (in a wheel: beside this module)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any, Final

import yaml

from csstream.contracts.errors import FatalError

STAGES: Final = ("publisher", "detection", "lightcurves", "classifier")
CHANGELOG: Final = "csstream-lightcurves-batches-changelog"
_HOUR_MS: Final = 3_600_000


@dataclass(frozen=True, kw_only=True)
class Topic:
    """One topic as it should be on the broker."""

    name: str
    record: str  # what its messages are
    key: str
    partitions: int
    cleanup_policy: str  # delete or compact
    retention_ms: int  # [ms]; -1: for ever
    max_record_bytes: int  # [byte] of a message's value
    max_message_bytes: int  # [byte] of a message with key, headers and framing
    replication_factor: int

    @property
    def configs(self) -> dict[str, str]:
        """Broker settings of the topic."""
        return {
            "cleanup.policy": self.cleanup_policy,
            "retention.ms": str(self.retention_ms),
            "max.message.bytes": str(self.max_message_bytes),
        }


@dataclass(frozen=True)
class Topics:
    """All topics by what they are for; every one carries the prefix that was asked for."""

    by_role: dict[str, Topic]  # key: the name without the prefix
    max_record_bytes: int  # [byte] of every record but dead letters
    max_dead_letter_bytes: int  # [byte]

    @property
    def exposures(self) -> Topic:
        return self.by_role["exposures"]

    @property
    def measurements(self) -> Topic:
        return self.by_role["measurements"]

    @property
    def exposure_reports(self) -> Topic:
        return self.by_role["exposure-reports"]

    @property
    def lightcurves(self) -> Topic:
        return self.by_role["lightcurves"]

    @property
    def verdicts(self) -> Topic:
        return self.by_role["verdicts"]

    @property
    def alerts(self) -> Topic:
        return self.by_role["alerts"]

    @property
    def alerts_latest(self) -> Topic:
        return self.by_role["alerts-latest"]

    @property
    def changelog(self) -> Topic:
        return self.by_role[CHANGELOG]

    def dead_letters(self, stage: str) -> Topic:
        """Dead-letter topic of a stage; KeyError for a stage that has none."""
        return self.by_role[f"{stage}.dead-letters"]

    def all(self) -> tuple[Topic, ...]:
        return tuple(self.by_role.values())

    def __iter__(self) -> Iterator[Topic]:
        return iter(self.all())

    @property
    def max_message_bytes(self) -> int:
        """[byte] the largest message of any topic: what producers and consumers must take."""
        return max(topic.max_message_bytes for topic in self.all())


def load_topics(
    prefix: str = "", *, partitions: int | None = None, replication_factor: int | None = None
) -> Topics:
    """The declared topics. ``prefix`` goes before every name.

    ``partitions`` replaces the number of every topic that is partitioned by sky cell, and
    ``replication_factor`` that of all topics. Raises FatalError for a file that does not parse.
    """
    path = topics_file()
    try:
        return _build(_declarations(path), prefix, partitions, replication_factor)
    except (KeyError, TypeError, ValueError, yaml.YAMLError) as error:
        raise FatalError(f"{path} does not declare topics as expected: {error!r}") from error


def topics_file() -> Path:
    """Where the declaration lies: in the package, or in the checkout this module belongs to."""
    here = Path(__file__).resolve()
    packaged = here.with_name("topics.yaml")
    checkout = here.parents[3] / "deploy" / "kafka" / "topics.yaml"
    for path in (packaged, checkout):
        if path.is_file():
            return path
    raise FatalError(f"no topics.yaml: looked for {packaged} and {checkout}")


@cache
def _declarations(path: Path) -> dict[str, Any]:
    content = yaml.safe_load(path.read_text(encoding="utf-8"))
    if not isinstance(content, dict):
        raise TypeError("the file is not a mapping")
    return content


def _build(
    declared: dict[str, Any], prefix: str, partitions: int | None, replication_factor: int | None
) -> Topics:
    record_bytes = int(declared["max_record_bytes"])
    letter_bytes = record_bytes + int(declared["dead_letter_extra_bytes"])
    overhead = int(declared["message_overhead_bytes"])
    by_cell = partitions or int(declared["partitions"])
    by_role = {
        name: replace(
            _topic(prefix + name, entry, by_cell),
            max_record_bytes=letter_bytes if name.endswith(".dead-letters") else record_bytes,
            replication_factor=replication_factor or int(declared["replication_factor"]),
        )
        for name, entry in declared["topics"].items()
    }
    sized = {
        name: replace(topic, max_message_bytes=topic.max_record_bytes + overhead)
        for name, topic in by_role.items()
    }
    return Topics(sized, record_bytes, letter_bytes)


def _topic(name: str, entry: dict[str, Any], by_cell: int) -> Topic:
    hours = float(entry.get("retention_hours", -1))
    return Topic(
        name=name,
        record=str(entry["record"]),
        key=str(entry["key"]),
        partitions=int(entry.get("partitions", by_cell)),
        cleanup_policy=str(entry.get("cleanup", "delete")),
        retention_ms=-1 if hours < 0 else round(hours * _HOUR_MS),
        max_record_bytes=0,
        max_message_bytes=0,
        replication_factor=0,
    )
