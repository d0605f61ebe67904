"""Bounded retries."""

from __future__ import annotations

import threading
import time

import pytest

from csstream.contracts.errors import BadInputError, TransientError
from csstream.runtime.retries import RetryPolicy, call_with_retries

QUICK = RetryPolicy(max_attempts=4, first_delay_s=0.001, max_delay_s=0.002)


class Flaky:
    def __init__(self, failures: int, error: Exception | None = None) -> None:
        self.calls, self.failures = 0, failures
        self.error = error or TransientError("not yet")

    def __call__(self) -> int:
        self.calls += 1
        if self.calls <= self.failures:
            raise self.error
        return self.calls


def test_delays_grow_to_a_limit_and_are_one_less_than_the_attempts():
    policy = RetryPolicy(max_attempts=6, first_delay_s=1, max_delay_s=5, factor=2)
    assert list(policy.delays()) == [1, 2, 4, 5, 5]
    assert list(RetryPolicy(max_attempts=1).delays()) == []


@pytest.mark.parametrize("failures", [0, 1, 3])
def test_a_passing_failure_is_got_over(failures):
    seen: list[int] = []
    flaky = Flaky(failures)
    found = call_with_retries(flaky, QUICK, threading.Event(), lambda error, n: seen.append(n))
    assert found == failures + 1
    assert seen == list(range(1, failures + 1))


def test_attempts_are_bounded():
    flaky = Flaky(99)
    with pytest.raises(TransientError, match="not yet"):
        call_with_retries(flaky, QUICK, threading.Event())
    assert flaky.calls == 4


def test_other_errors_pass_at_once():
    flaky = Flaky(99, BadInputError("not_avro", "never"))
    with pytest.raises(BadInputError):
        call_with_retries(flaky, QUICK, threading.Event())
    assert flaky.calls == 1


def test_nobody_waits_once_stopped():
    stop = threading.Event()
    stop.set()
    started = time.monotonic()
    with pytest.raises(TransientError):
        call_with_retries(Flaky(99), RetryPolicy(first_delay_s=30), stop)
    assert time.monotonic() - started < 5
