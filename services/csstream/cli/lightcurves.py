"""``csstream lightcurves``: export light curves, or make the service's state again."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from csstream.cli.options import Bootstrap, Prefix, settings_from
from csstream.cli.progress import progress_bar

app = typer.Typer(
    help="Export or rebuild light curves.", no_args_is_help=True, rich_markup_mode=None
)


@app.command("export")
def export_command(
    output: Annotated[
        Path, typer.Option("--output", "-o", help="OUT.parquet, .fits, .ecsv or .csv")
    ],
    cell: Annotated[int | None, typer.Option(help="Only this sky cell.")] = None,
    object_id: Annotated[int | None, typer.Option("--object", help="Only this object.")] = None,
    min_epochs: Annotated[int, typer.Option(help="Points that an object needs.", min=1)] = 1,
    bootstrap_servers: Bootstrap = None,
    topic_prefix: Prefix = None,
    partitions: Annotated[int | None, typer.Option(help="If not those of topics.yaml.")] = None,
) -> None:
    """Write light curves as a table, one row a point, made again from the topic measurements.

    Sources are associated as the service does it; a running worker is not disturbed.
    """
    from csstream.lightcurves.export import export
    from csstream.lightcurves.settings import LightcurvesSettings
    from csstream.lightcurves.tables import check_ending, write_table

    check_ending(output)
    settings = settings_from(
        LightcurvesSettings,
        bootstrap_servers=bootstrap_servers,
        topic_prefix=topic_prefix,
        partitions=partitions,
    )
    with progress_bar("reading measurements") as progress:
        table = export(
            settings, cell=cell, object_id=object_id, min_epochs=min_epochs, progress=progress
        )
    write_table(table, output)
    objects = len(set(table["object_id"].tolist()))
    typer.echo(f"{output}: {len(table['flux'])} points of {objects} objects")


@app.command("rebuild")
def rebuild_command(
    state_dir: Annotated[
        Path | None, typer.Option(help="State directory to remove. [CSSTREAM_STATE_DIR]")
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    force: Annotated[
        bool, typer.Option(help="Go on though the broker says that workers are running.")
    ] = False,
    bootstrap_servers: Bootstrap = None,
    topic_prefix: Prefix = None,
    partitions: Annotated[int | None, typer.Option(help="If not those of topics.yaml.")] = None,
) -> None:
    """Make the state of the light-curve service again from the topic measurements.

    Stop the workers first. The state directory is removed, the changelog topic is rewritten from
    the messages that the group has committed, and the committed offsets stay: the next worker
    recovers from the changelog and goes on with the same panels. State directories of workers on
    other machines have to be removed there.
    """
    from csstream.lightcurves.rebuild import rebuild
    from csstream.lightcurves.settings import LightcurvesSettings

    settings = settings_from(
        LightcurvesSettings,
        bootstrap_servers=bootstrap_servers,
        topic_prefix=topic_prefix,
        partitions=partitions,
        state_dir=state_dir,
    )
    if not yes:
        typer.confirm(
            f"Remove {settings.state_dir} and rewrite {settings.topics().changelog.name}?",
            abort=True,
        )
    with progress_bar("reading measurements") as progress:
        done = rebuild(settings, progress, force=force)
    for each in done:
        typer.echo(
            f"partition {each.partition}: {each.records} records up to offset {each.offset}, "
            f"{each.tombstones} stale keys, {each.dead} dead letters, frontier {each.sent}"
        )
