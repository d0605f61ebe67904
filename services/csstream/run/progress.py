"""Follow a run on the broker: records by consumers without a group, lag by the admin client."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable, Mapping
from contextlib import closing
from dataclasses import dataclass

from kafka import TopicPartition
from kafka.admin import OffsetSpec
from kafka.errors import KafkaError

from csstream.contracts.codec import decode
from csstream.contracts.errors import InvalidMessageError, TransientError
from csstream.contracts.records import Alert, DeadLetter, Exposure, ExposureReport, Verdicts
from csstream.contracts.topics import STAGES, Topic, Topics
from csstream.run.tally import Tally
from csstream.runtime.kafka import make_admin, make_consumer
from csstream.runtime.offsets import end_offsets
from csstream.runtime.settings import ServiceSettings

log = logging.getLogger(__name__)

SERVICES = ("detection", "lightcurves", "classifier")
LOOKS_UNTIL_DONE = 2  # the same finished picture this often in a row


@dataclass(frozen=True, kw_only=True)
class Lag:
    """Messages that a group has not committed, and the end of what it reads."""

    behind: int
    end: int


class Follower:
    """Reads what the services write and adds it up in ``tally``.

    Parameters
    ----------
    settings : where the broker is, and the prefix of topics and groups.
    tally : what the records are added to.

    Raises
    ------
    TransientError
        No broker answers.
    """

    def __init__(self, settings: ServiceSettings, tally: Tally) -> None:
        topics = settings.topics()
        self.tally = tally
        self._settings = settings
        self._kinds = record_kinds(topics)
        self._inputs = group_inputs(settings)
        self._panel_reader = settings.group_id("classifier")
        self._admin = make_admin(settings, "csstream-run")
        self._consumer = make_consumer(settings, None, "csstream-run")
        self._consumer.assign(partitions_of([t for t in topics if t.name in self._kinds]))
        inputs = partitions_of([topics.measurements, topics.lightcurves, topics.exposures])
        self._latest = dict.fromkeys(inputs, OffsetSpec.LATEST)
        self._finished: tuple[object, ...] | None = None
        self._looks = 0

    def poll(self, timeout: float = 0.2) -> list[object]:
        """Read what is there, waiting up to ``timeout`` seconds; return the new records."""
        new: list[object] = []
        batches = self._consumer.poll(timeout_ms=int(timeout * 1000), max_records=200)
        for messages in batches.values():
            for message in messages:
                record = self._decode(message.topic, message.value)
                if record is not None and self.tally.add(record, message.timestamp):
                    new.append(record)
        return new

    def drain(self) -> list[object]:
        """Read everything that is on the followed topics now; return the new records."""
        new: list[object] = []
        ends = self._true_ends(list(self._consumer.assignment()))
        while any(self._consumer.position(p) < end for p, end in ends.items()):
            new += self.poll(1.0)
        return new

    def lags(self) -> dict[str, Lag]:
        """Return the lag of each service's group; of none while the broker does not answer.

        The embedded broker may call an end too low, see :mod:`csstream.runtime.offsets`: this is
        for showing, and :meth:`done` looks more closely.
        """
        try:
            # not the consumer's end_offsets: it fails for topics that it is not assigned to
            found = self._admin.list_partition_offsets(self._latest)
            committed = self._committed()
        except KafkaError as error:
            log.debug("no lag: %s", error)
            return {}
        ends = {partition: int(at.offset) for partition, at in found.items()}
        lags = self._lags(ends, committed)
        self.tally.note_panels(lags[self._panel_reader].end, int(time.time() * 1000))
        return lags

    def done(self, lags: Mapping[str, Lag]) -> bool:
        """Return whether all work is done, given fresh lags; call it about once a second.

        Done means: the sequence has ended, each announced exposure has its report, every group
        has committed all of its input, and two looks in a row saw the same. (One look may miss
        panels that were sent between the two requests that it is made of.)
        """
        picture: tuple[object, ...] | None = None
        if self.tally.all_reported and _idle(lags):
            exact = self._exact_lags()
            if _idle(exact):
                picture = (*(lag.end for lag in exact.values()), len(self.tally.reports))
        same = picture is not None and picture == self._finished
        self._looks = self._looks + 1 if same else int(picture is not None)
        self._finished = picture
        return self._looks >= LOOKS_UNTIL_DONE

    def _exact_lags(self) -> dict[str, Lag]:
        try:
            return self._lags(self._true_ends(list(self._latest)), self._committed())
        except (KafkaError, TransientError) as error:
            log.debug("no exact lag: %s", error)
            return {}

    def _true_ends(self, places: list[TopicPartition]) -> dict[TopicPartition, int]:
        # a new consumer each time: one that was there before remembers an older end
        with closing(make_consumer(self._settings, None, "csstream-run-ends")) as consumer:
            return end_offsets(consumer, places)

    def _committed(self) -> dict[str, dict[TopicPartition, object]]:
        found: dict[str, dict[TopicPartition, object]] = self._admin.list_group_offsets(
            list(self._inputs)
        )
        return found

    def _lags(
        self,
        ends: Mapping[TopicPartition, int],
        committed: Mapping[str, Mapping[TopicPartition, object]],
    ) -> dict[str, Lag]:
        return {
            group: lag_of(ends, committed.get(group, {}), topic)
            for group, topic in self._inputs.items()
        }

    def close(self) -> None:
        """Close both clients."""
        self._consumer.close()
        self._admin.close()

    def _decode(self, topic: str, value: bytes | None) -> object | None:
        if value is None:  # a tombstone
            return None
        try:
            return decode(value, self._kinds[topic])
        except InvalidMessageError:
            self.tally.unreadable += 1  # the stage that reads it dead-letters it
            return None


def partitions_of(topics: Iterable[Topic]) -> list[TopicPartition]:
    """Return every partition of these topics."""
    return [TopicPartition(t.name, number) for t in topics for number in range(t.partitions)]


def record_kinds(topics: Topics) -> dict[str, type]:
    """Return what is on each topic that is followed."""
    kinds: dict[str, type] = {
        topics.exposures.name: Exposure,
        topics.exposure_reports.name: ExposureReport,
        topics.verdicts.name: Verdicts,
        topics.alerts.name: Alert,
    }
    for stage in STAGES:
        kinds[topics.dead_letters(stage).name] = DeadLetter
    return kinds


def group_inputs(settings: ServiceSettings) -> dict[str, str]:
    """Return the topic that each service's group reads, by group."""
    topics = settings.topics()
    names = (topics.exposures.name, topics.measurements.name, topics.lightcurves.name)
    return {settings.group_id(s): name for s, name in zip(SERVICES, names, strict=True)}


def _idle(lags: Mapping[str, Lag]) -> bool:
    return len(lags) == len(SERVICES) and all(lag.behind == 0 for lag in lags.values())


def lag_of(
    ends: Mapping[TopicPartition, int], committed: Mapping[TopicPartition, object], topic: str
) -> Lag:
    """Return the lag of a group on one topic, given all ends and what the group committed."""
    behind = end = 0
    for partition, offset in ends.items():
        if partition.topic == topic:
            done = getattr(committed.get(partition), "offset", -1)
            end += offset
            behind += max(0, offset - max(0, done))
    return Lag(behind=behind, end=end)
