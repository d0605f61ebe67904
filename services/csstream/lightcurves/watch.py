"""Looks at a running Faust app: readiness, lag, and whether it has gone silent."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from csstream.contracts.errors import FatalError
from csstream.lightcurves.faust_guards import Positions
from csstream.lightcurves.handler import STAGE_NAME, Handler
from csstream.runtime.health import Health
from csstream.runtime.metrics import Metrics

STALLED_AFTER_S = 120.0  # Faust can stop consuming without saying so (faust #166, #596)


class Watch:
    """Keeps metrics and health of one worker up to date.

    Parameters
    ----------
    app, handler, positions : what is looked at
    topic : name of the source topic
    """

    def __init__(
        self,
        app: Any,
        handler: Handler,
        positions: Positions,
        topic: str,
        metrics: Metrics,
        health: Health,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._app = app
        self._handler = handler
        self._positions = positions
        self._topic = topic
        self._metrics = metrics
        self._health = health
        self._clock = clock
        self._moved = clock()
        self._frontiers: dict[int, tuple[int, float]] = {}

    def moved(self) -> None:
        """A message has been handled."""
        self._moved = self._clock()

    def rebalanced(self) -> None:
        """Partitions were taken away."""
        self._metrics.rebalances.labels(STAGE_NAME).inc()
        self._frontiers.clear()
        self.moved()

    def look(self) -> None:
        """Update metrics and health; raise FatalError where messages wait and nothing moves."""
        ready = self._is_ready()
        self._health.set_ready(ready)
        self._metrics.ready.labels(STAGE_NAME).set(int(ready))
        self._health.beat()
        if not ready:  # Faust has no consumer to ask yet
            self.moved()
            return
        waiting = self._measure_lag()
        self._measure_frontiers()
        if waiting and self._clock() - self._moved > STALLED_AFTER_S:
            raise FatalError(
                f"{waiting} messages wait and none was handled for {STALLED_AFTER_S:.0f} s: "
                "the consumer has gone silent; stopping, to be started again"
            )

    def _is_ready(self) -> bool:
        if not self._app.started or self._app.rebalancing:
            return False
        return bool(self._app.tables.recovery.completed.is_set())

    def _measure_lag(self) -> int:
        total = 0
        for tp in list(self._app.consumer.assignment()):
            if tp.topic != self._topic:
                continue
            end, done = self._app.consumer.highwater(tp), self._positions.next(tp)
            if end is None or done is None:
                continue
            lag = max(0, end - done)
            total += lag
            self._metrics.lag.labels(STAGE_NAME, self._topic, str(tp.partition)).set(lag)
        return total

    def _measure_frontiers(self) -> None:
        now = self._clock()
        for partition, state in self._handler.states.items():
            visit, since = self._frontiers.get(partition, (-1, now))
            if visit != state.sent or not state.arrivals.waits:
                visit, since = state.sent, now
            self._frontiers[partition] = (visit, since)
            self._metrics.frontier_age_seconds.labels(str(partition)).set(now - since)
