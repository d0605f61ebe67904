"""Options of the commands that measure frames. Imports nothing of Kafka."""

from __future__ import annotations

import os
from typing import Annotated

import typer

InstrumentName = Annotated[
    str | None,
    typer.Option(help="Name of a shipped instrument, or a TOML file. Default: by INSTRUME."),
]
MethodName = Annotated[
    str, typer.Option(help="pnet, classical, or auto: PNet where there are weights.")
]
ProviderName = Annotated[str, typer.Option(help="cpu or cuda.")]
Threads = Annotated[
    int, typer.Option(min=0, help="CPU cores to use; 0: all. The result is the same.")
]


def check_names(method: str, provider: str) -> None:
    """Raise BadParameter where there is no such method or provider."""
    if method not in ("auto", "pnet", "classical"):
        raise typer.BadParameter(f"method {method!r} is not auto, pnet or classical")
    if provider not in ("cpu", "cuda"):
        raise typer.BadParameter(f"provider {provider!r} is not cpu or cuda")


def cores() -> int:
    """Return how many CPU cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
