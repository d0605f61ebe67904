"""``csstream alerts``: read alerts as they come."""

from __future__ import annotations

import contextlib
import math
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from csstream.cli.options import Bootstrap, Prefix, settings_from
from csstream.contracts.records import Alert
from csstream.subscriber.filters import AlertFilter
from csstream.subscriber.settings import SubscriberSettings
from csstream.subscriber.subscriber import AlertStream

Show = Callable[[Alert], None]


def command(
    from_: Annotated[
        str,
        typer.Option("--from", help="earliest, latest, or a time such as 2026-11-22T10:00:00Z."),
    ] = "latest",
    json_lines: Annotated[
        bool, typer.Option("--json", help="One JSON object per line, curves included.")
    ] = False,
    plot: Annotated[
        Path | None, typer.Option("--plot", help="Write one PNG per alert into this directory.")
    ] = None,
    kind: Annotated[
        list[str] | None,
        typer.Option("--kind", help="Only this class: transit, eclipsing, pulsating. Repeatable."),
    ] = None,
    reason: Annotated[
        list[str] | None,
        typer.Option("--reason", help="Only alerts sent for this reason. Repeatable."),
    ] = None,
    max_fap: Annotated[
        float, typer.Option("--max-fap", help="Largest false-alarm probability.")
    ] = math.inf,
    limit: Annotated[int, typer.Option("--limit", min=0, help="End after so many; 0: never.")] = 0,
    follow: Annotated[
        bool,
        typer.Option("--follow/--no-follow", help="Wait for more, or end when all are read."),
    ] = True,
    group: Annotated[
        str | None,
        typer.Option("--group", help="Remember under this name what was shown, and go on there."),
    ] = None,
    bootstrap_servers: Bootstrap = None,
    topic_prefix: Prefix = None,
) -> None:
    """Read alerts as they come: a table, JSON lines, pictures."""
    wanted = _filter(kind or [], reason or [], max_fap)
    settings = settings_from(
        SubscriberSettings, bootstrap_servers=bootstrap_servers, topic_prefix=topic_prefix
    )
    try:
        stream = AlertStream(settings, from_=from_, follow=follow, group_id=group, wanted=wanted)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--from") from None
    with contextlib.suppress(KeyboardInterrupt, BrokenPipeError), stream:
        show = _json_shower() if json_lines else _table_shower()
        shown = _show(stream, show, plot, limit)
        if not json_lines:
            _say_end(shown, stream)


def _filter(kinds: list[str], reasons: list[str], max_fap: float) -> AlertFilter:
    try:
        return AlertFilter(kinds=frozenset(kinds), reasons=frozenset(reasons), max_fap=max_fap)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None


def _show(stream: AlertStream, show: Show, plot: Path | None, limit: int) -> int:
    shown = 0
    for alert in stream:
        show(alert)
        if plot is not None:
            from csstream.subscriber.plots import plot_alert

            plot_alert(alert, plot)
        if stream.group_id is not None:
            stream.mark_done(alert)
        shown += 1
        if shown == limit:
            break
    return shown


def _json_shower() -> Show:
    from csstream.subscriber.as_json import to_json

    def show(alert: Alert) -> None:
        sys.stdout.write(to_json(alert) + "\n")
        sys.stdout.flush()

    return show


def _table_shower() -> Show:
    from csstream.subscriber.rows import fitting, heading, row

    console = Console(highlight=False, soft_wrap=True)
    columns = fitting(console.width if console.is_terminal else None)
    console.print(heading(columns))
    return lambda alert: console.print(row(alert, columns))


def _say_end(shown: int, stream: AlertStream) -> None:
    passed = f", {stream.unwanted} passed over" if stream.unwanted else ""
    unreadable = f", {stream.unreadable} unreadable" if stream.unreadable else ""
    typer.echo(f"{shown} alerts{passed}{unreadable}", err=True)
