"""``csstream run``: the whole chain on this machine."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer


def command(
    exposures: Annotated[
        list[Path] | None,
        typer.Option(
            "--exposures",
            help="Directory of FITS frames, or files (repeat it). Without: simulated frames.",
        ),
    ] = None,
    files: Annotated[
        list[Path] | None,
        typer.Argument(metavar="[FILES]...", help="More frames of your own."),
    ] = None,
    instrument: Annotated[
        str, typer.Option(help="Name of a shipped instrument, or a TOML file.")
    ] = "csst-i",
    frames: Annotated[int, typer.Option(min=2, help="Frames to simulate.")] = 150,
    shape: Annotated[
        str, typer.Option(help="Simulated frame in pixels: side, or width x height.")
    ] = "320",
    span_days: Annotated[
        float, typer.Option(min=0.01, help="Days that the simulated frames cover.")
    ] = 4.0,
    seed: Annotated[int, typer.Option(min=0, help="The same seed gives the same run.")] = 1,
    truth: Annotated[
        Path | None, typer.Option(help="Truth table (ECSV) to compare own frames with.")
    ] = None,
    bootstrap_servers: Annotated[
        str | None,
        typer.Option(
            "--bootstrap-servers",
            "-b",
            help="Use this Kafka, host:port,…; topics get a prefix of their own.",
        ),
    ] = None,
    broker: Annotated[
        Literal["embedded", "apache"],
        typer.Option(
            help="Broker to start: the embedded one, or Apache Kafka (Java 17 and Maven)."
        ),
    ] = "embedded",
    topic_prefix: Annotated[
        str | None, typer.Option(help="Goes before every topic's and group's name.")
    ] = None,
    reference: Annotated[
        Path | None,
        typer.Option(help="Reference catalogue (.parquet) to measure; without: one is built."),
    ] = None,
    reference_frames: Annotated[
        int, typer.Option(min=1, help="First frames that the reference catalogue is built from.")
    ] = 12,
    no_reference: Annotated[
        bool,
        typer.Option("--no-reference", help="Find the stars of every frame by itself."),
    ] = False,
    method: Annotated[
        Literal["auto", "pnet", "classical"],
        typer.Option(help="How stars are found; auto: PNet where the instrument has weights."),
    ] = "auto",
    provider: Annotated[Literal["cpu", "cuda"], typer.Option(help="Where PNet runs.")] = "cpu",
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="New directory; runs/TIME if not given.")
    ] = None,
    keep: Annotated[
        bool, typer.Option("--keep", help="Keep frames, state and the broker's files.")
    ] = False,
    live: Annotated[bool, typer.Option(help="Draw a live view on a terminal.")] = True,
    patience: Annotated[
        float, typer.Option(min=1.0, help="Seconds without any progress until giving up.")
    ] = 300.0,
) -> None:
    """Run the whole chain on this machine: frames in, alerts and a report out.

    Starts a broker and every service as a process of its own, feeds them with simulated frames or
    your own, shows what happens, and ends by itself. Writes report.html and summary.json to --out.
    Exit code 0: every frame was accounted for; 1: something went wrong, and the report says what.
    """
    from datetime import datetime

    from rich.console import Console

    from csstream.run.options import RunOptions, default_directory, default_prefix
    from csstream.run.run import run

    now = datetime.now()
    prefix = topic_prefix
    if prefix is None:  # a broker of somebody else's may have topics of these names
        prefix = default_prefix(now) if bootstrap_servers else ""
    options = RunOptions(
        out=out or default_directory(now),
        exposures=tuple(exposures or ()) + tuple(files or ()),
        instrument=instrument,
        frames=frames,
        shape=shape,
        span_days=span_days,
        seed=seed,
        truth=truth,
        bootstrap_servers=bootstrap_servers,
        broker=broker,
        topic_prefix=prefix,
        reference=None if no_reference else reference,
        reference_frames=0 if no_reference else reference_frames,
        method=method,
        provider=provider,
        keep=keep,
        live=live,
        patience=patience,
    )
    raise typer.Exit(run(options, Console()))
