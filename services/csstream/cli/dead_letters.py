"""``csstream dead-letters``: list, show and replay messages that could not be used."""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.progress import Progress
from rich.table import Table

from csstream.cli.options import Bootstrap, Prefix, settings_from, table_console
from csstream.contracts.codec import schema_of
from csstream.contracts.errors import FatalError, InvalidMessageError
from csstream.contracts.topics import STAGES
from csstream.runtime.kafka import make_consumer, make_producer
from csstream.runtime.letterbox import Letter, read_letter, read_letters, replay
from csstream.runtime.settings import ServiceSettings

app = typer.Typer(
    help="List, show and replay dead letters.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
)

Stage = Annotated[
    str | None, typer.Option("--stage", help=f"Only of this stage: {', '.join(STAGES)}.")
]
Reason = Annotated[str | None, typer.Option("--reason", help="Only with this reason.")]


@app.command(name="list")
def list_letters(
    stage: Stage = None,
    reason: Reason = None,
    bootstrap_servers: Bootstrap = None,
    topic_prefix: Prefix = None,
) -> None:
    """Show the dead letters of all stages, one a line, oldest first in each stage."""
    settings = _settings(bootstrap_servers, topic_prefix)
    table = Table("letter", "reason", "when (UTC)", "message", "attempts", "error")
    with _letters(settings, stage, reason) as letters:
        found = list(letters)
    for letter in found:
        record = letter.record
        source = f"{record.topic}:{record.partition}:{record.offset}"
        error = record.error if len(record.error) <= 100 else record.error[:99] + "…"
        table.add_row(
            letter.place, record.reason, _time(record.failed_ms), source, str(record.attempt), error
        )
    if found:
        table_console().print(table)
    counts = Counter(letter.record.reason for letter in found)
    by_reason = ", ".join(f"{count} {name}" for name, count in sorted(counts.items()))
    typer.echo(f"{len(found)} dead letters" + (f": {by_reason}" if by_reason else ""))


@app.command()
def show(
    letter: Annotated[str, typer.Argument(help="As in the list: TOPIC:PARTITION:OFFSET.")],
    hexdump: Annotated[bool, typer.Option("--hex", help="Show the message's bytes.")] = False,
    save: Annotated[
        Path | None, typer.Option("--save", help="Write the message's bytes, as they were, here.")
    ] = None,
    bootstrap_servers: Bootstrap = None,
    topic_prefix: Prefix = None,
) -> None:
    """Show one dead letter in full."""
    settings = _settings(bootstrap_servers, topic_prefix)
    consumer = make_consumer(settings, None, "csstream-dead-letters")
    try:
        found = read_letter(consumer, letter)
    finally:
        consumer.close()
    for name, text in _details(found):
        typer.echo(f"{name:<11}{text}")
    value = found.record.value or b""
    if hexdump:
        typer.echo("\n".join(hex_lines(value)))
    if save is not None:
        save.write_bytes(value)
        typer.echo(f"{len(value)} bytes written to {save}")


@app.command(name="replay")
def replay_letters(
    stage: Stage = None,
    reason: Reason = None,
    letter: Annotated[
        list[str] | None,
        typer.Option("--letter", help="Only this one, TOPIC:PARTITION:OFFSET; may be repeated."),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only say what would be sent.")
    ] = False,
    bootstrap_servers: Bootstrap = None,
    topic_prefix: Prefix = None,
) -> None:
    """Send the original messages again, to the topic and partition that they came from.

    The letters stay where they are; every stage takes a message twice without harm.
    """
    settings = _settings(bootstrap_servers, topic_prefix)
    with _letters(settings, stage, reason) as letters:
        chosen = [each for each in letters if letter is None or each.place in letter]
    missing = sorted(set(letter or ()) - {each.place for each in chosen})
    if missing:
        raise FatalError(f"there is no dead letter {', '.join(missing)}")
    whole = [each for each in chosen if each.is_whole]
    for each in chosen:
        if not each.is_whole:
            typer.echo(f"left out {each.place}: its message was too large to be kept", err=True)
    if dry_run:
        for each in whole:
            typer.echo(f"would send {each.place} to {each.record.topic}:{each.record.partition}")
    else:
        _send(settings, whole)
    typer.echo(f"{len(whole)} messages {'would be ' if dry_run else ''}replayed")


def _send(settings: ServiceSettings, letters: list[Letter]) -> None:
    producer = make_producer(settings, "csstream-dead-letters")
    try:
        with Progress(transient=True) as progress:
            task = progress.add_task("replaying", total=len(letters))
            for each in letters:
                replay(producer, each)
                progress.advance(task)
    finally:
        producer.close(timeout=10)


def _settings(bootstrap_servers: str | None, topic_prefix: str | None) -> ServiceSettings:
    return settings_from(
        ServiceSettings, bootstrap_servers=bootstrap_servers, topic_prefix=topic_prefix
    )


@contextlib.contextmanager
def _letters(
    settings: ServiceSettings, stage: str | None, reason: str | None
) -> Iterator[Iterator[Letter]]:
    """The letters of one stage or all, those with ``reason`` where it is given."""
    if stage is not None and stage not in STAGES:
        raise FatalError(f"there is no stage {stage!r}; there are {', '.join(STAGES)}")
    topics = settings.topics()
    names = [topics.dead_letters(each).name for each in ([stage] if stage else STAGES)]
    consumer = make_consumer(settings, None, "csstream-dead-letters")
    try:
        letters = read_letters(consumer, names)
        yield (each for each in letters if reason is None or each.record.reason == reason)
    finally:
        consumer.close()


def _details(letter: Letter) -> list[tuple[str, str]]:
    record = letter.record
    size = "none" if record.value is None else f"{len(record.value)} bytes"
    return [
        ("letter", letter.place),
        ("stage", record.stage),
        ("reason", record.reason),
        ("error", record.error),
        ("message", f"{record.topic}:{record.partition}:{record.offset}"),
        ("sent", _time(record.timestamp_ms)),
        ("failed", f"{_time(record.failed_ms)}, after {record.attempt} attempts"),
        ("key", "none" if record.key is None else record.key.hex(" ")),
        ("value", f"{size}, {_kind(record.value)}"),
        *(("header", f"{name} = {content!r}") for name, content in record.headers),
    ]


def _kind(value: bytes | None) -> str:
    try:
        schema = schema_of(value)
    except InvalidMessageError as error:
        return str(error)
    return f"says that it is {schema.name} {schema.version} (schema id {schema.id})"


def _time(milliseconds: int) -> str:
    if milliseconds < 0:
        return "unknown"
    return datetime.fromtimestamp(milliseconds / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S")


def hex_lines(data: bytes) -> Iterator[str]:
    """``data`` sixteen bytes a line: offset, hexadecimal, and what is printable."""
    for start in range(0, len(data), 16):
        line = data[start : start + 16]
        text = "".join(chr(byte) if 32 <= byte < 127 else "." for byte in line)
        yield f"{start:08x}  {line.hex(' '):<47}  {text}"
