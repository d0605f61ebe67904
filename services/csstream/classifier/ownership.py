"""What happens when partitions come and go."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Protocol

from csstream.classifier.gathering import Gatherer
from csstream.classifier.memory import Memory
from csstream.contracts.errors import TransientError
from csstream.runtime.logging import get_logger
from csstream.runtime.retries import RetryPolicy, call_with_retries


class Place(Protocol):
    """A topic's partition."""

    @property
    def partition(self) -> int: ...


class Ownership:
    """Loads the memory of a partition when it is assigned, and forgets it when it is revoked."""

    def __init__(
        self, memory: Memory, gatherer: Gatherer, retries: RetryPolicy, stop: threading.Event
    ) -> None:
        self._memory = memory
        self._gatherer = gatherer
        self._retries = retries
        self._stop = stop
        self._log = get_logger("classifier")

    def assigned(self, places: Sequence[Place]) -> None:
        """Read the verdicts of every partition; TransientError when the broker gives none."""
        for place in places:
            self._gatherer.drop(place.partition)
            panels = self._load(place.partition)
            self._log.info("memory_loaded", partition=place.partition, panels=panels)

    def revoked(self, places: Sequence[Place]) -> None:
        """Forget the partitions."""
        for place in places:
            self._memory.drop(place.partition)
            self._gatherer.drop(place.partition)

    def _load(self, partition: int) -> int:
        def complain(error: TransientError, attempt: int) -> None:
            self._log.warning("memory_not_loaded", attempt=attempt, error=str(error))

        return call_with_retries(
            lambda: self._memory.load(partition), self._retries, self._stop, complain
        )
