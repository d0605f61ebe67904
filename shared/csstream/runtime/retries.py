"""Bounded retries with back-off."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TypeVar

from csstream.contracts.errors import TransientError

T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class RetryPolicy:
    """How often, and after which pauses, something that fails transiently is tried again."""

    max_attempts: int = 6
    first_delay_s: float = 0.5
    max_delay_s: float = 30.0
    factor: float = 2.0

    def delays(self) -> Iterator[float]:
        """[s] the pauses between attempts: one less than there are attempts."""
        delay = self.first_delay_s
        for _ in range(self.max_attempts - 1):
            yield min(delay, self.max_delay_s)
            delay *= self.factor


def call_with_retries(
    function: Callable[[], T],
    policy: RetryPolicy,
    stop: threading.Event,
    on_retry: Callable[[TransientError, int], None] = lambda error, attempt: None,
) -> T:
    """Call ``function`` until it does not raise TransientError.

    The last TransientError is raised when the attempts are used up, or when ``stop`` is set:
    then nobody waits for the rest. Other errors pass at once.
    """
    for attempt, delay in enumerate(policy.delays(), start=1):
        try:
            return function()
        except TransientError as error:
            on_retry(error, attempt)
            if stop.wait(delay):
                raise
    return function()
