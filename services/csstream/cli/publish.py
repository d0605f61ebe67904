"""``csstream publish``: announce FITS exposures."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer


def command(
    inputs: Annotated[
        list[Path], typer.Argument(metavar="DIR|FILES...", help="Directories or FITS files.")
    ],
    watch: Annotated[
        bool, typer.Option("--watch", help="Stay, and announce files as they become complete.")
    ] = False,
    instrument: Annotated[
        str | None, typer.Option(help="Name of a shipped instrument, or a TOML file.")
    ] = None,
    sequence: Annotated[
        str | None, typer.Option(help="Name of this run of exposures; directory name if not given.")
    ] = None,
    reference: Annotated[
        Path | None,
        typer.Option(
            help="Reference catalogue (.parquet) whose list is measured in every frame: see "
            "csstream reference build."
        ),
    ] = None,
    close_sequence: Annotated[
        bool, typer.Option(help="Announce the end of the sequence when done.")
    ] = True,
    state: Annotated[
        Path | None, typer.Option(help="SQLite file that remembers what was announced.")
    ] = None,
    rate: Annotated[
        float | None, typer.Option(min=0.0, help="Announcements per second, at most.")
    ] = None,
    until_idle: Annotated[
        float | None,
        typer.Option(min=0.0, help="With --watch: done after so many seconds without news."),
    ] = None,
    expect: Annotated[
        int | None, typer.Option(min=0, help="With --watch: done after so many files.")
    ] = None,
    detectors: Annotated[
        int | None, typer.Option(min=0, help="Files in a visit; as the headers say if not given.")
    ] = None,
    resend: Annotated[
        bool, typer.Option("--resend", help="Announce all that the state file knows once more.")
    ] = False,
    bootstrap_servers: Annotated[
        str | None, typer.Option(help="Kafka brokers, host:port,...")
    ] = None,
    topic_prefix: Annotated[str | None, typer.Option(help="Goes before every topic name.")] = None,
    metrics_port: Annotated[int | None, typer.Option(help="Port of /metrics; 0: none.")] = None,
    log_level: Annotated[str, typer.Option(help="DEBUG, INFO, WARNING or ERROR.")] = "WARNING",
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress bar.")] = False,
) -> None:
    """Announce complete FITS exposures on Kafka, each once, with a claim check.

    In a watched directory a file named .sequence-complete ends the sequence. Settings that are
    not given come from CSSTREAM_ variables.
    """
    from csstream.cli.options import settings_from
    from csstream.cli.progress import progress_bar
    from csstream.publisher.app import main
    from csstream.publisher.handler import Tally
    from csstream.publisher.settings import PublisherSettings

    flags: dict[str, Any] = {
        "inputs": inputs,
        "watch": watch or None,
        "instrument": instrument,
        "sequence": sequence,
        "reference_catalogue": reference,
        "close_sequence": close_sequence,
        "state": state,
        "rate": rate,
        "until_idle": until_idle,
        "expect": expect,
        "detectors": detectors,
        "resend": resend or None,
        "bootstrap_servers": bootstrap_servers,
        "topic_prefix": topic_prefix,
        "metrics_port": metrics_port,
        "log_level": log_level,
    }
    settings = settings_from(PublisherSettings, **flags)
    tally = Tally()
    with progress_bar("announcing", quiet=quiet) as update:
        code = main(settings, update, tally)
    typer.echo(
        f"{tally.announced} announced, {tally.refused} refused, "
        f"{tally.duplicate + tally.known} known before"
    )
    raise typer.Exit(code)
