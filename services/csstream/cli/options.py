"""Options that several commands share."""

from __future__ import annotations

import sys
from typing import Annotated, Any, TypeVar

import typer
from pydantic import ValidationError
from rich.console import Console

from csstream.contracts.errors import FatalError
from csstream.runtime.settings import ServiceSettings

S = TypeVar("S", bound=ServiceSettings)

Bootstrap = Annotated[
    str | None,
    typer.Option(
        "--bootstrap-servers",
        "-b",
        help="Kafka brokers, host:port,… [default: CSSTREAM_BOOTSTRAP_SERVERS or 127.0.0.1:9092]",
    ),
]
Prefix = Annotated[
    str | None,
    typer.Option("--topic-prefix", help="Goes before every topic's name. [CSSTREAM_TOPIC_PREFIX]"),
]


def settings_from(kind: type[S], **flags: Any) -> S:
    """Settings from the environment, and from the flags that were given (are not None).

    Raises FatalError that names what is wrong.
    """
    try:
        return kind(**{name: value for name, value in flags.items() if value is not None})
    except ValidationError as error:
        problems = "; ".join(
            f"{'.'.join(map(str, each['loc']))}: {each['msg']}" for each in error.errors()
        )
        raise FatalError(f"settings: {problems}") from error


def table_console() -> Console:
    """A console that does not squeeze a table which is written to a file or a pipe."""
    return Console(width=None if sys.stdout.isatty() else 200)
