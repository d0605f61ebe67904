"""Logs: one JSON object a line on standard error, the libraries' logs included."""

from __future__ import annotations

import logging
import sys
from typing import Any, Final, TextIO

import structlog
from structlog.typing import EventDict, WrappedLogger

_QUIET: Final = ("kafka", "aiokafka", "faust", "mode", "matplotlib", "numba", "asyncio")


def configure_logging(service: str, level: str = "INFO", stream: TextIO | None = None) -> None:
    """Send the logs of this process to ``stream`` (standard error), each with its service.

    Bind what a piece of work is about with ``structlog.contextvars.bound_contextvars(
    exposure_id=…)``: every line inside it then carries the id.
    """

    def add_service(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
        event["service"] = service
        return event

    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        add_service,
        structlog.processors.format_exc_info,
    ]
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=False,
    )
    _install_handler(shared, level, stream or sys.stderr)


def get_logger(name: str = "csstream") -> structlog.stdlib.BoundLogger:
    """A logger: ``log.info("measured", sources=3)``."""
    logger: structlog.stdlib.BoundLogger = structlog.stdlib.get_logger(name)
    return logger


def _install_handler(shared: list[Any], level: str, stream: TextIO) -> None:
    formatter = structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=shared,
        processors=[
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            structlog.processors.JSONRenderer(sort_keys=True),
        ],
    )
    handler = logging.StreamHandler(stream)
    handler.setFormatter(formatter)
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    for name in _QUIET:
        logging.getLogger(name).setLevel(max(logging.WARNING, root.level))
