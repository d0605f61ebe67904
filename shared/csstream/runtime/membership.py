"""What a group's coordinator says of this member, noted for the worker's loop."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

from kafka import ConsumerRebalanceListener, TopicPartition

Partitions = list[TopicPartition]


class Membership(ConsumerRebalanceListener):
    """Partitions that went and came, in that order, and since when we belong to no group.

    The coordinator calls in its own thread or within a poll; the loop acts on it later. A member
    without partitions is one all the same: it stands by. One whose join is never answered is not.

    ``insist`` is called when a join begins: let the coordinator not forget it. kafka-python
    3.0.12 begins one where topics seem to have changed, and asks again at each poll whether they
    have. If they are as before by then (a fresh broker tells of its topics in pieces), it never
    takes the answer, and its member belongs to no group for ever. (KAFKA-9815 was the same in the
    Java client.)
    """

    def __init__(
        self,
        insist: Callable[[], None] = lambda: None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._lock = threading.Lock()
        self._insist = insist
        self._queue: list[tuple[bool, Partitions]] = []
        self._clock = clock
        self._outside_since: float | None = None

    @property
    def pending(self) -> bool:
        """Whether there is something to act on."""
        return bool(self._queue)

    def take(self) -> list[tuple[bool, Partitions]]:
        """Return what happened since the last call: (came, partitions)."""
        with self._lock:
            taken, self._queue = self._queue, []
        return taken

    def leave(self) -> None:
        """Note that a join is under way."""
        with self._lock:
            if self._outside_since is None:
                self._outside_since = self._clock()

    def outside_for(self) -> float:
        """Return for how long a join has been under way [s]; zero for a member."""
        with self._lock:
            return 0.0 if self._outside_since is None else self._clock() - self._outside_since

    def on_partitions_revoked(self, revoked: Any) -> None:
        """A rebalance begins: kafka-python says so before each join, whatever we held."""
        self._insist()
        self.leave()
        if revoked:
            with self._lock:
                self._queue.append((False, sorted(revoked)))

    def on_partitions_assigned(self, assigned: Any) -> None:
        """The join is done; ``assigned`` may be empty."""
        with self._lock:
            self._outside_since = None
            self._queue.append((True, sorted(assigned)))
