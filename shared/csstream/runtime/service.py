"""Starting and stopping a service as a process."""

from __future__ import annotations

import importlib.metadata
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType
from typing import Any, Final, TypeVar

from csstream.contracts.errors import CsstreamError, TransientError
from csstream.runtime.health import Health, start_http
from csstream.runtime.kafka import require_crc32c
from csstream.runtime.logging import configure_logging, get_logger
from csstream.runtime.metrics import Metrics, make_metrics
from csstream.runtime.retries import RetryPolicy
from csstream.runtime.settings import ServiceSettings

S = TypeVar("S", bound=ServiceSettings)

EXIT_STOPPED: Final = 0
EXIT_FAILED: Final = 1
EXIT_TRY_AGAIN: Final = 75  # as sysexits.h EX_TEMPFAIL: a supervisor should start it again


@dataclass(frozen=True, kw_only=True)
class Context:
    """What ``run_service`` gives to the function that builds the service."""

    metrics: Metrics
    health: Health
    stop: threading.Event
    retries: RetryPolicy


def run_service(name: str, settings: S, build: Callable[[S, Context], Callable[[], None]]) -> int:
    """Run a service until it is told to stop; returns the exit code of the process.

    ``build(settings, context)`` makes clients and warms up, and returns what to call: it works
    until ``context.stop`` is set, by SIGTERM or SIGINT, or by itself. Codes: 0 stopped as told,
    1 failed, 75 failed for a reason that may pass.
    """
    configure_logging(name, settings.log_level)
    log = get_logger(name)
    context = Context(
        metrics=make_metrics(), health=Health(), stop=threading.Event(), retries=_retries(settings)
    )
    context.metrics.build.labels(code_version()).set(1)
    with _signals(context.stop), _http(settings, context):
        try:
            require_crc32c()
            run = build(settings, context)
            log.info("started", bootstrap_servers=settings.bootstrap_servers)
            run()
        except TransientError as error:
            return _failed(context, log, error, EXIT_TRY_AGAIN)
        except Exception as error:
            return _failed(context, log, error, EXIT_FAILED)
    log.info("stopped")
    return EXIT_STOPPED


def code_version() -> str:
    """Version of csstream that runs."""
    try:
        return importlib.metadata.version("csstream")
    except importlib.metadata.PackageNotFoundError:
        return "0+unknown"


def _failed(context: Context, log: Any, error: Exception, code: int) -> int:
    context.health.set_failed(str(error))
    # errors made for people need no traceback; others are bugs
    log.error("failed", error=str(error), exc_info=not isinstance(error, CsstreamError))
    return code


def _retries(settings: ServiceSettings) -> RetryPolicy:
    return RetryPolicy(
        max_attempts=settings.max_attempts,
        first_delay_s=settings.first_delay_s,
        max_delay_s=settings.max_delay_s,
    )


@contextmanager
def _signals(stop: threading.Event) -> Iterator[None]:
    """SIGTERM and SIGINT set ``stop``; a second SIGINT interrupts at once."""

    def on_signal(number: int, frame: FrameType | None) -> None:
        if stop.is_set() and number == signal.SIGINT:
            raise KeyboardInterrupt
        stop.set()

    if threading.current_thread() is not threading.main_thread():
        yield  # signals go to the main thread only: whoever started us sets the event
        return
    before = {number: signal.signal(number, on_signal) for number in _STOPPING}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


_STOPPING: Final = (signal.SIGTERM, signal.SIGINT)


@contextmanager
def _http(settings: ServiceSettings, context: Context) -> Iterator[None]:
    if not settings.metrics_port:
        yield
        return
    server = start_http(
        settings.metrics_host, settings.metrics_port, context.metrics, context.health
    )
    try:
        yield
    finally:
        server.close()
