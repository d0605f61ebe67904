"""What Faust does not promise by itself: idempotent sends and commits that pass nothing by.

Facts about the installed version are checked in ``tests/lightcurves/test_faust_guards.py``.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cached_property
from typing import Any

import faust
from faust.transport.drivers import aiokafka as driver
from faust.types import TP
from mode.utils.queues import FlowControlEvent

from csstream.contracts.errors import FatalError
from csstream.lightcurves.idempotence import IdempotentKafkaProducer


class Positions:
    """The next offset to commit of each partition: behind it everything has been handled.

    Faust's own reckoning can pass a message that is still being handled (faust #606). This one
    counts only what the handler reports, in order and without gaps.
    """

    def __init__(self) -> None:
        self._next: dict[TP, int] = {}
        self._seen: set[TP] = set()

    def expect(self, tp: TP, offset: int, committed: int | None) -> None:
        """Say that the message at ``offset`` comes next.

        Raises
        ------
        FatalError
            Messages before it were not delivered. A restart reads from the committed offset;
            offsets that really are missing there are accepted as the first message's.
        """
        wanted = self._next.get(tp, committed if tp in self._seen else None)
        if wanted is not None and offset > wanted:
            raise FatalError(
                f"{tp.topic}:{tp.partition} went from offset {wanted} to {offset} without the "
                "messages between; stopping, so that they are read again"
            )
        self._seen.add(tp)
        self._next.setdefault(tp, offset)

    def handled(self, tp: TP, offset: int) -> None:
        """Everything that follows from the message at ``offset`` has been acknowledged."""
        if self._next.get(tp) == offset:
            self._next[tp] = offset + 1

    def next(self, tp: TP) -> int | None:
        """Return the offset that may be committed; None: nothing has been handled."""
        return self._next.get(tp)

    def forget(self, tps: Iterable[TP]) -> None:
        """The partitions were taken away, or will be read from the committed offset again."""
        for tp in tps:
            self._next.pop(tp, None)


class LeavingConsumerThread(driver.AIOKafkaConsumerThread):
    """Leaves the group when it is stopped in order, static member or not.

    Otherwise the others wait for the session to end before they take over; and the embedded
    broker (Tansu 0.6) waits for ever for a static leader that does not come back.
    """

    async def on_thread_stop(self) -> None:
        if self._consumer is not None and (group := self._consumer._coordinator) is not None:
            group._group_instance_id = None  # aiokafka: static members do not leave,
            group.generation = max(1, group.generation)  # and generation 0 is none
        await super().on_thread_stop()


class GuardedConsumer(driver.Consumer):
    """Commits what :class:`Positions` says, and nothing else."""

    positions: Positions

    def _new_consumer_thread(self) -> LeavingConsumerThread:
        return LeavingConsumerThread(self, loop=self.loop, beacon=self.beacon)

    def _new_offset(self, tp: TP) -> int | None:
        super()._new_offset(tp)  # keeps Faust's own lists short
        return self.positions.next(tp)


class IdempotentProducer(driver.Producer):
    """A producer whose retries cannot double or reorder messages."""

    @property
    def _producer_type(self) -> type[IdempotentKafkaProducer]:
        return IdempotentKafkaProducer


class GuardedTransport(driver.Transport):
    """Faust's Kafka transport with both."""

    Consumer = GuardedConsumer
    Producer = IdempotentProducer


class KeepingFlowControl(FlowControlEvent):
    """Flow control that forgets no message when flow that is on is turned on again.

    Faust turns the flow on at the start of a recovery and once more at its end; in between the
    source partitions are resumed. Whatever of them was queued by then is thrown away by the
    second call, never handled, and the next message takes the offset past it (seen in one of two
    rebalances with faust-streaming 0.15.3).
    """

    def resume(self) -> None:
        if not self.is_active():
            super().resume()


class GuardedApp(faust.App):
    """A Faust app whose consumer commits by ``positions`` and whose queues keep their messages."""

    def __init__(self, *args: Any, positions: Positions, **kwargs: Any) -> None:
        self.positions = positions
        super().__init__(*args, **kwargs)

    @cached_property
    def flow_control(self) -> KeepingFlowControl:
        return KeepingFlowControl(loop=self.loop)

    def _new_transport(self) -> GuardedTransport:
        return GuardedTransport(self.conf.broker_consumer, self)

    def _new_producer_transport(self) -> GuardedTransport:
        return GuardedTransport(self.conf.broker_producer, self)

    def _new_consumer(self) -> Any:
        consumer = super()._new_consumer()
        consumer.positions = self.positions
        return consumer
