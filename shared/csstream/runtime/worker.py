"""The loop of a service: process, produce, flush, commit, one message at a time.

The handler and the callbacks run in one thread of their own, never two at once, while the
consumer is polled with its partitions paused: a handler may take longer than the session.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import suppress
from typing import Any, Final

from kafka import TopicPartition
from kafka.errors import KafkaError
from kafka.structs import OffsetAndMetadata

from csstream.contracts.errors import BadInputError, TransientError
from csstream.runtime.dead_letters import DeadLetterProducer
from csstream.runtime.health import Health
from csstream.runtime.logging import get_logger
from csstream.runtime.membership import Membership, Partitions
from csstream.runtime.messages import Message, message_of
from csstream.runtime.metrics import Metrics
from csstream.runtime.retries import RetryPolicy, call_with_retries

Callback = Callable[[Partitions], None]

POLL_MS: Final = 200  # [ms] how long a poll waits for messages, and a stop for the loop
BUSY_POLL_S: Final = 0.1  # [s] between polls while a message is handled
LAG_EVERY_S: Final = 1.0
TOPICS_WITHIN_S: Final = 30.0
JOINED_WITHIN_S: Final = 90.0  # a join that takes longer hangs; a new process starts it afresh


class Worker:
    """Reads messages and has each handled exactly in order of its partition.

    ``handler`` returns when everything that came of the message is acknowledged. What it raises
    decides: BadInputError, the message is dead-lettered and committed; TransientError, it is
    tried again with back-off; anything else, or no attempts left, the error leaves ``run`` and
    nothing is committed. ``on_assigned`` and ``on_revoked`` take lists of ``TopicPartition`` and
    run in the handler's thread, before the next message. Setting ``stop`` lets the message in
    hand finish and be committed, then ``run`` returns.
    """

    def __init__(
        self,
        consumer: Any,
        handler: Callable[[Message], None],
        *,
        topics: list[str] | None = None,
        stage: str,
        dead_letters: DeadLetterProducer,
        metrics: Metrics,
        stop: threading.Event,
        retries: RetryPolicy,
        on_assigned: Callback | None = None,
        on_revoked: Callback | None = None,
        health: Health | None = None,
        commit_when: Callable[[Message], bool] | None = None,
    ) -> None:
        """``topics`` are subscribed to; None: those that the consumer was made with.

        ``commit_when`` is asked after each handled message; False leaves it to the commit of a
        later one (the message is a part of something that is not complete yet).
        """
        self._consumer = consumer
        self._handler = handler
        self._topics = sorted(topics if topics is not None else consumer.subscription() or ())
        self._stage = stage
        self._dead_letters = dead_letters
        self._metrics = metrics
        self._stop = stop
        self._retries = retries
        self._on_assigned = on_assigned or (lambda partitions: None)
        self._on_revoked = on_revoked or (lambda partitions: None)
        self._health = health or Health()
        self._commit_when = commit_when or (lambda message: True)
        self._changes = Membership(lambda: consumer._coordinator.request_rejoin())
        self._lag_at = 0.0
        self._log = get_logger(stage)

    def run(self) -> None:
        """Work until ``stop`` is set, then leave the group and close the consumer."""
        self._await_topics()
        self._changes.leave()
        self._consumer.subscribe(topics=self._topics, listener=self._changes)
        executor = ThreadPoolExecutor(1, thread_name_prefix=f"{self._stage}-handler")
        try:
            while not self._stop.is_set():
                self._step(executor)
        except KafkaError as error:
            raise TransientError(f"reading from Kafka failed: {error}") from error
        finally:
            self._health.set_ready(False)
            self._metrics.ready.labels(self._stage).set(0)
            executor.shutdown(wait=True)
            self._consumer.close(autocommit=False)

    def _await_topics(self) -> None:
        """Wait until the topics are known: kafka-python joins without them and gets nothing."""
        deadline = time.monotonic() + TOPICS_WITHIN_S
        missing = set(self._topics)
        while missing and not self._stop.is_set():
            with suppress(KafkaError):
                missing -= {each for each in missing if self._consumer.partitions_for_topic(each)}
            if missing and time.monotonic() > deadline:
                raise TransientError(f"no topic {', '.join(sorted(missing))}: see topics create")
            self._stop.wait(0.2 if missing else 0)

    def _step(self, executor: ThreadPoolExecutor) -> None:
        self._health.beat()
        records = self._consumer.poll(timeout_ms=POLL_MS, max_records=1)
        if self._changes.outside_for() > JOINED_WITHIN_S:
            raise TransientError(f"the group did not take us in within {JOINED_WITHIN_S:.0f} s")
        for record in [each for batch in records.values() for each in batch]:
            if self._changes.pending:  # assigned in this very poll: callbacks first
                self._rewind(record)
                break
            self._take(message_of(record), executor)
        while self._changes.pending and not self._stop.is_set():
            self._follow_changes(executor)
        self._measure_lag()

    def _follow_changes(self, executor: ThreadPoolExecutor) -> None:
        """Tell the service which partitions went and came, in that order."""
        for assigned, partitions in self._changes.take():
            callback = self._on_assigned if assigned else self._on_revoked
            if assigned:
                self._go_back(partitions)
            self._log.info("assigned" if assigned else "revoked", partitions=_names(partitions))
            self._run_beside(executor.submit(callback, partitions))
            if assigned:
                self._metrics.rebalances.labels(self._stage).inc()
                self._health.set_ready()
                self._metrics.ready.labels(self._stage).set(1)

    def _go_back(self, partitions: Partitions) -> None:
        """Read assigned partitions from where they are committed.

        kafka-python keeps the position of a partition that stays with a member through a
        rebalance; what is uncommitted, and was dropped with the partition, must come again.
        """
        earliest = self._consumer.config["auto_offset_reset"] == "earliest"
        for place in partitions:
            offset = self._consumer.committed(place, timeout_ms=10_000)
            with suppress(KeyError, AssertionError, KafkaError):  # taken away a moment ago
                if offset is not None:
                    self._consumer.seek(place, offset)
                elif earliest:
                    self._consumer.seek_to_beginning(place)

    def _take(self, message: Message, executor: ThreadPoolExecutor) -> None:
        """Have one message handled and commit it, unless its partition went meanwhile."""
        self._metrics.busy.labels(self._stage).set(1)
        try:
            self._run_beside(executor.submit(self._attempt, message))
        except TransientError:
            if not self._stop.is_set():
                raise
            self._log.warning("stopped between attempts: not committed", message=message.place)
            return
        finally:
            self._metrics.busy.labels(self._stage).set(0)
        self._metrics.messages_in.labels(self._stage).inc()
        if not self._is_ours(message):  # its new owner gets it again
            self._log.warning("revoked while in hand: not committed", message=message.place)
        elif self._commit_when(message):
            self._commit(message)

    def _is_ours(self, message: Message) -> bool:
        """Whether the message's partition is still ours, at a position behind the message."""
        place = TopicPartition(message.topic, message.partition)
        with suppress(KafkaError, AssertionError):
            if place in self._consumer.assignment():
                return bool(self._consumer.position(place, timeout_ms=1000) > message.offset)
        return False

    def _run_beside(self, work: Future[None]) -> None:
        """Wait for ``work`` while the group sees that this member is alive."""
        done = wait([work], timeout=BUSY_POLL_S).done
        while not done:
            self._health.beat()
            self._pause_all()
            for batch in self._consumer.poll(timeout_ms=0, max_records=1).values():
                for record in batch:  # of a partition assigned just now, not yet paused
                    self._rewind(record)
            done = wait([work], timeout=BUSY_POLL_S).done
        self._consumer.resume(*self._consumer.paused())
        work.result()

    def _pause_all(self) -> None:
        for place in self._consumer.assignment() - self._consumer.paused():
            with suppress(KeyError, KafkaError):  # taken away a moment ago
                self._consumer.pause(place)

    def _rewind(self, record: Any) -> None:
        place = TopicPartition(record.topic, record.partition)
        with suppress(KeyError, AssertionError, KafkaError):  # taken away: its owner reads it
            self._consumer.seek(place, record.offset)

    def _attempt(self, message: Message) -> None:
        """In the handler's thread: handle, retry, or dead-letter one message."""
        started = time.monotonic()
        attempts = [1]
        first_failure_ms: list[int] = []

        def on_retry(error: TransientError, attempt: int) -> None:
            attempts[0] = attempt + 1
            first_failure_ms[:] = first_failure_ms or [time.time_ns() // 1_000_000]
            self._metrics.retries.labels(self._stage).inc()
            self._log.warning(
                "failed, trying again", message=message.place, attempt=attempt, error=str(error)
            )

        def retried(function: Callable[[], None]) -> None:
            call_with_retries(function, self._retries, self._stop, on_retry)

        try:
            retried(lambda: self._handler(message))
        except BadInputError as error:
            bad, failed_ms = error, next(iter(first_failure_ms), None)
            retried(lambda: self._dead_letters.send(message, bad, attempts[0], failed_ms))
            self._log.error(
                "dead-lettered", message=message.place, reason=bad.reason, error=str(bad)
            )
        self._metrics.handle_seconds.labels(self._stage).observe(time.monotonic() - started)

    def _commit(self, message: Message) -> None:
        """Commit past ``message``; a commit that fails is made good by a later one or a repeat."""
        place = TopicPartition(message.topic, message.partition)
        try:
            self._consumer.commit({place: OffsetAndMetadata(message.offset + 1, "", -1)}, 10_000)
        except KafkaError as error:
            self._metrics.commit_failures.labels(self._stage).inc()
            self._log.warning("not committed", message=message.place, error=str(error))

    def _measure_lag(self) -> None:
        if time.monotonic() - self._lag_at < LAG_EVERY_S:
            return
        self._lag_at = time.monotonic()
        for place in self._consumer.assignment():
            with suppress(KafkaError, AssertionError):  # taken away or without position yet
                end = self._consumer.highwater(place)
                lag = 0 if end is None else end - self._consumer.position(place, timeout_ms=100)
                labels = (self._stage, place.topic, str(place.partition))
                self._metrics.lag.labels(*labels).set(max(0, lag))


def _names(partitions: Partitions) -> list[str]:
    return [f"{place.topic}:{place.partition}" for place in partitions]
