"""What Faust does wrong by itself, and that our guards make it right."""

from __future__ import annotations

import asyncio
import threading
from collections import defaultdict
from types import SimpleNamespace

import pytest
from faust.transport.consumer import Consumer
from faust.types import TP
from intervaltree import IntervalTree
from mode.utils.queues import FlowControlEvent, ThrowableQueue

from csstream.contracts.errors import FatalError, TransientError
from csstream.lightcurves.app import create_service
from csstream.lightcurves.changelog import PartitionLostError
from csstream.lightcurves.faust_guards import (
    GuardedConsumer,
    IdempotentProducer,
    KeepingFlowControl,
    Positions,
)
from csstream.lightcurves.idempotence import InitProducerId
from csstream.lightcurves.service import Service
from csstream.lightcurves.settings import LightcurvesSettings
from csstream.runtime.health import Health
from csstream.runtime.metrics import make_metrics
from csstream.runtime.retries import RetryPolicy
from csstream.runtime.service import Context

SOURCE = TP("measurements", 0)


def bookkeeping(acked: list[int], committed: int | None, positions: Positions | None = None):
    """As much of a Faust consumer as its reckoning of offsets needs."""
    return SimpleNamespace(
        _acked=defaultdict(list, {SOURCE: list(acked)}),
        _acked_index=defaultdict(set, {SOURCE: set(acked)}),
        _gap=defaultdict(IntervalTree),
        _committed_offset=defaultdict(lambda: None, {SOURCE: committed}),
        positions=positions,
    )


def test_faust_itself_still_commits_past_a_message_in_hand():
    """Faust #606. Should this fail one day, the bug is fixed and the guard is only a belt."""
    assert Consumer._new_offset(bookkeeping([6], committed=5), SOURCE) == 7


def new_guarded(acked: list[int], positions: Positions) -> GuardedConsumer:
    consumer = object.__new__(GuardedConsumer)
    vars(consumer).update(vars(bookkeeping(acked, 5, positions)))
    return consumer


def test_the_guard_does_not_commit_past_a_message_in_hand():
    positions = Positions()
    positions.expect(SOURCE, 5, committed=5)  # 5 is in hand; Faust took 6 for done
    assert new_guarded([6], positions)._new_offset(SOURCE) == 5
    positions.handled(SOURCE, 5)
    assert new_guarded([5, 6], positions)._new_offset(SOURCE) == 6


def test_other_topics_are_never_committed():
    assert new_guarded([], Positions())._new_offset(TP("changelog", 0)) is None


def test_messages_that_were_skipped_stop_the_worker():
    positions = Positions()
    positions.expect(SOURCE, 5, committed=5)
    positions.handled(SOURCE, 5)
    with pytest.raises(FatalError, match="from offset 6 to 8"):
        positions.expect(SOURCE, 8, committed=5)


def test_a_first_message_after_lost_offsets_is_taken_but_not_after_a_rebalance():
    positions = Positions()
    positions.expect(SOURCE, 50, committed=5)  # retention took 5 … 49 away
    positions.handled(SOURCE, 50)
    positions.forget([SOURCE])
    with pytest.raises(FatalError, match="from offset 51 to 60"):
        positions.expect(SOURCE, 60, committed=51)
    positions.expect(SOURCE, 51, committed=51)


def test_a_message_delivered_again_moves_nothing_back():
    positions = Positions()
    for offset in (5, 6, 5):
        positions.expect(SOURCE, offset, committed=None)
        positions.handled(SOURCE, offset)
    assert positions.next(SOURCE) == 7


@pytest.mark.parametrize(("kind", "kept"), [(FlowControlEvent, 0), (KeepingFlowControl, 1)])
def test_flow_that_is_turned_on_twice_keeps_what_is_queued(kind, kept):
    """Faust turns it on twice in every recovery, with messages queued in between."""

    async def go() -> int:
        flow = kind()
        queue = ThrowableQueue(flow_control=flow, clear_on_resume=True)
        flow.resume()
        await queue.put("a message of the source topic")
        flow.resume()
        return queue.qsize()

    assert asyncio.run(go()) == kept


def test_flow_that_was_off_starts_with_empty_queues():
    async def go() -> int:
        flow = KeepingFlowControl()
        queue = ThrowableQueue(flow_control=flow, clear_on_resume=True)
        queue.put_nowait("of the generation before")
        flow.resume()
        return queue.qsize()

    assert asyncio.run(go()) == 0


def test_the_producer_id_is_asked_for_as_the_broker_wants_it():
    ask = InitProducerId(1000)
    assert ask.prepare({22: (0, 1)}).API_VERSION == 0
    newer = ask.prepare({22: (0, 5)})
    assert newer.API_VERSION == 3
    assert (newer.producer_id, newer.producer_epoch) == (-1, -1)


@pytest.fixture
def settings(tmp_path) -> LightcurvesSettings:
    return LightcurvesSettings(state_dir=tmp_path / "state")


def make_service(settings: LightcurvesSettings) -> Service:
    context = Context(
        metrics=make_metrics(), health=Health(), stop=threading.Event(), retries=RetryPolicy()
    )
    return create_service(settings, context)


class Outcome:
    """A handler with a fixed outcome, in place of the real one."""

    states: dict = {}  # noqa: RUF012

    def __init__(self, error: Exception | None, during=lambda: None) -> None:
        self.error = error
        self.during = during

    async def handle(self, message) -> None:
        self.during()
        if self.error is not None:
            raise self.error

    def forget(self) -> None:
        pass


class Event:
    def __init__(self, offset: int) -> None:
        self.acked = False
        self.message = SimpleNamespace(
            tp=SOURCE, topic=SOURCE.topic, partition=0, offset=offset, key=None, value=b"",
            headers={}, timestamp=1.5,
        )  # fmt: skip

    def ack(self) -> None:
        self.acked = True


def one_event(settings, outcome: Outcome) -> tuple[bool, Event, Service]:
    """Return (did on_event return, the event, the service)."""

    async def go() -> tuple[bool, Event, Service]:
        service = make_service(settings)
        service.handler = outcome
        service.app.consumer_generation_id = 1
        service.app.consumer = SimpleNamespace(_committed_offset=defaultdict(lambda: None))
        event = Event(3)
        task = asyncio.create_task(service.on_event(event))
        done, _ = await asyncio.wait([task], timeout=0.3)
        task.cancel()
        return bool(done), event, service

    return asyncio.run(go())


def test_a_handled_message_may_be_committed(settings):
    returned, event, service = one_event(settings, Outcome(None))
    assert returned
    assert event.acked
    assert service.positions.next(SOURCE) == 4


def test_after_a_failure_the_agent_never_returns(settings):
    """Faust acknowledges the message of an agent that returns, and of one that raises."""
    returned, event, service = one_event(settings, Outcome(TransientError("away")))
    assert not returned
    assert not event.acked
    assert service.positions.next(SOURCE) == 3


def test_a_message_of_a_lost_partition_is_not_acknowledged(settings):
    returned, event, service = one_event(settings, Outcome(PartitionLostError("gone")))
    assert returned
    assert not event.acked
    assert service.positions.next(SOURCE) == 3


def test_a_message_of_an_older_generation_is_not_acknowledged(settings):
    made = []

    def rebalance() -> None:
        made[0].app.consumer_generation_id = 2

    outcome = Outcome(None, rebalance)

    async def go() -> Event:
        service = make_service(settings)
        made.append(service)
        service.handler = outcome
        service.app.consumer_generation_id = 1
        service.app.consumer = SimpleNamespace(_committed_offset=defaultdict(lambda: None))
        event = Event(3)
        await service.on_event(event)
        return event

    assert not asyncio.run(go()).acked


def test_the_app_is_set_up_as_measured(settings):
    async def go():
        return make_service(settings)

    app = asyncio.run(go()).app
    (agent,) = [agent for name, agent in app.agents.items() if "take_in" in name]
    assert agent.concurrency == 1
    assert app.conf.stream_buffer_maxsize == 16
    assert not app.conf.topic_allow_declare
    assert app.conf.topic_disable_leader
    assert app.conf.table_standby_replicas == 0
    assert app.conf.producer_request_timeout == 60.0
    assert isinstance(app.flow_control, KeepingFlowControl)
    assert issubclass(app._new_producer_transport().Producer, IdempotentProducer)
    table = app.tables["batches"]
    assert table.recovery_buffer_size == 32
    assert table.changelog_topic.get_topic_name() == "csstream-lightcurves-batches-changelog"
