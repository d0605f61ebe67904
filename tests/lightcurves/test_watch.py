"""Readiness, lag, the age of the frontier, and a consumer that has gone silent."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from faust.types import TP

from csstream.contracts.errors import FatalError
from csstream.lightcurves.faust_guards import Positions
from csstream.lightcurves.watch import STALLED_AFTER_S, Watch
from csstream.runtime.health import Health
from csstream.runtime.metrics import make_metrics

SOURCE, OTHER = TP("measurements", 1), TP("changelog", 1)


class Bench:
    def __init__(self) -> None:
        self.now = 0.0
        self.done = True
        self.end = 10
        self.health = Health()
        self.metrics = make_metrics()
        self.positions = Positions()
        self.arrivals = SimpleNamespace(waits=False)
        self.handler = SimpleNamespace(states={1: SimpleNamespace(sent=3, arrivals=self.arrivals)})
        completed = SimpleNamespace(is_set=lambda: self.done)
        self.app = SimpleNamespace(
            started=True,
            rebalancing=False,
            tables=SimpleNamespace(recovery=SimpleNamespace(completed=completed)),
            consumer=SimpleNamespace(
                assignment=lambda: {SOURCE, OTHER}, highwater=lambda tp: self.end
            ),
        )
        self.watch = Watch(
            self.app, self.handler, self.positions, "measurements", self.metrics, self.health,
            clock=lambda: self.now,
        )  # fmt: skip
        self.positions.expect(SOURCE, 4, None)

    def sample(self, name: str, **labels: str) -> float | None:
        return self.metrics.registry.get_sample_value(f"csstream_{name}", labels)


def test_it_is_ready_when_recovery_is_done_and_nothing_is_rebalanced():
    bench = Bench()
    for done, rebalancing, ready in ((False, False, 0), (True, True, 0), (True, False, 1)):
        bench.done, bench.app.rebalancing = done, rebalancing
        bench.watch.look()
        assert bench.health.is_ready() == bool(ready)
        assert bench.sample("ready", stage="lightcurves") == ready


def test_lag_counts_what_has_not_been_handled():
    bench = Bench()
    bench.watch.look()
    labels = {"stage": "lightcurves", "topic": "measurements", "partition": "1"}
    assert bench.sample("lag", **labels) == 6
    bench.positions.handled(SOURCE, 4)
    bench.watch.look()
    assert bench.sample("lag", **labels) == 5


def test_a_silent_consumer_with_messages_waiting_stops_the_worker():
    bench = Bench()
    bench.now = STALLED_AFTER_S + 1
    with pytest.raises(FatalError, match="6 messages wait"):
        bench.watch.look()


def test_silence_without_messages_or_while_recovering_is_no_fault():
    bench = Bench()
    bench.now, bench.end = STALLED_AFTER_S + 1, 4
    bench.watch.look()
    bench.end, bench.done = 10, False
    bench.watch.look()
    bench.done = True
    bench.now += STALLED_AFTER_S - 1
    bench.watch.look()


def test_the_frontier_ages_only_while_something_waits_behind_it():
    bench = Bench()
    bench.watch.look()
    bench.now = 50.0
    bench.watch.look()
    assert bench.sample("frontier_age_seconds", partition="1") == 0
    bench.arrivals.waits = True
    bench.watch.look()
    bench.now = 80.0
    bench.watch.look()
    assert bench.sample("frontier_age_seconds", partition="1") == 30
    bench.handler.states[1].sent = 4
    bench.watch.look()
    assert bench.sample("frontier_age_seconds", partition="1") == 0
