"""``csstream examine``: light curves in, one row per object out, without any Kafka."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import typer

TAI_COLUMN = "mjd_mid_tai"


def command(
    lightcurves: Annotated[
        Path, typer.Argument(help="Table of measurements: .parquet, .ecsv, .fits or .csv.")
    ],
    output: Annotated[
        Path, typer.Option("-o", "--output", help="Result: .ecsv, .parquet, .fits or .csv.")
    ],
    time_column: Annotated[str, typer.Option(help="Name of the time column.")] = "mjd_mid_tai",
    time_scale: Annotated[
        str,
        typer.Option(
            help="Scale of the times, such as bjd_tdb, which are then taken as they are; t0 is in "
            "it too. Not given: mjd_mid_tai becomes BJD (TDB) where the table has ra and dec."
        ),
    ] = "",
    band: Annotated[
        str | None, typer.Option(help="Use the rows of this band, where the table has several.")
    ] = None,
    classifier: Annotated[
        str, typer.Option(help="Network (name or ONNX file), or 'rules' for none.")
    ] = "classifier",
    provider: Annotated[str, typer.Option(help="cpu or cuda.")] = "cpu",
    shortest_period: Annotated[
        float | None, typer.Option(min=0.001, help="In days. Default: from the sampling.")
    ] = None,
    longest_period: Annotated[
        float | None, typer.Option(min=0.001, help="In days. Default: time span / 1.5.")
    ] = None,
    alerts_only: Annotated[
        bool, typer.Option("--alerts-only", help="Write only objects worth an alert.")
    ] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress bar.")] = False,
) -> None:
    """Look for variable stars in light curves.

    The table has a row per measurement with object_id, a time, and flux, flux_err or mag, mag_err.
    Times mjd_mid_tai are brought to the barycentre in the mean direction of its ra and dec: 0.15 s
    off per arcmin from there, at most.
    """
    from csstream.timeseries.curve_files import file_kind
    from csstream.timeseries.errors import TimeseriesError
    from csstream.timeseries.settings import ExamineSettings

    settings = ExamineSettings(
        shortest_period=shortest_period, longest_period=longest_period, look_at_all=True
    )
    try:
        file_kind(output)
        network = _network(classifier, provider)
        centre = _centre(lightcurves, time_column, time_scale)
        columns, stated = _examine(lightcurves, time_column, band, settings, network, quiet, centre)
    except (TimeseriesError, OSError) as error:
        typer.echo(f"csstream examine: {error}", err=True)
        raise typer.Exit(1) from error
    if alerts_only:
        columns = {name: values[columns["crossed"]] for name, values in columns.items()}
    scale = time_scale or stated or _scale(time_column, barycentric=centre is not None)
    _write(columns, output, lightcurves, scale, network)


def _network(name: str, provider: str) -> Any:
    """The classifier, or None for rules; a missing onnxruntime or network ends the command."""
    if name == "rules":
        return None
    try:
        from csstream.inference.classifier import CurveClassifier
        from csstream.inference.session import InferenceError, open_session
    except ImportError as error:
        typer.echo(
            "csstream examine: onnxruntime is missing: install csstream[cpu] (or [gpu]), "
            "or take --classifier rules",
            err=True,
        )
        raise typer.Exit(1) from error
    try:
        return CurveClassifier(open_session(name, provider=provider))  # type: ignore[arg-type]
    except InferenceError as error:
        typer.echo(f"csstream examine: {error}", err=True)
        raise typer.Exit(1) from error


def _examine(
    path: Path,
    time_column: str,
    band: str | None,
    settings: Any,
    network: Any,
    quiet: bool,
    centre: tuple[float, float] | None,
) -> tuple[dict[str, Any], str]:
    """Columns of all objects in the order of the file, and the time scale that it states.

    ``centre`` (ra, dec) [deg]: bring the times to the barycentre in this direction.
    """
    import numpy as np

    from csstream.alerting.faults import FaultRules, faulty_events
    from csstream.cli.progress import progress_bar
    from csstream.timeseries.barycentre import bjd_tdb
    from csstream.timeseries.examine import examine_panel
    from csstream.timeseries.results_table import result_columns
    from csstream.timeseries.tables import panels_of, read_curves

    table = read_curves(path, time_column, band)
    if centre is not None:
        table = replace(table, time=bjd_tdb(table.time, *centre))
    ids, first = np.unique(table.object_id, return_index=True)
    parts = []
    done = 0
    with progress_bar("examining", quiet=quiet) as update:
        for panel in panels_of(table):
            result = examine_panel(panel.time, panel.flux, panel.flux_err, settings, network)
            nowhere = np.zeros(len(result), bool)  # without places no star is known to mirror one
            faulty = faulty_events(panel.time, panel.flux, result, nowhere, FaultRules())
            result = replace(result, crossed=result.crossed & ~faulty)
            parts.append(result_columns(panel.object_id, result))
            done += len(panel.object_id)
            update(done, len(ids))
    joined = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    place = first[np.searchsorted(ids, joined["object_id"])]
    order = np.argsort(place, kind="stable")
    return {name: values[order] for name, values in joined.items()}, table.time_scale


def _centre(path: Path, time_column: str, time_scale: str) -> tuple[float, float] | None:
    """The direction in which times are brought to the barycentre; None: they are left alone."""
    from csstream.timeseries.tables import read_centre

    return read_centre(path) if time_column == TAI_COLUMN and not time_scale else None


def _scale(column: str, *, barycentric: bool) -> str:
    if barycentric:
        return "bjd_tdb"
    return "tai" if column == TAI_COLUMN else "as in the input"


def _write(columns: dict[str, Any], output: Path, source: Path, scale: str, network: Any) -> None:
    from csstream.timeseries.results_table import write_results

    meta = {
        "source": source.name,
        "time_scale": scale,
        "model": "rules" if network is None else network.version,
    }
    write_results(columns, output, meta)
    kinds = columns["kind"][columns["crossed"]]
    found = ", ".join(f"{(kinds == kind).sum()} {kind}" for kind in sorted(set(kinds))) or "none"
    typer.echo(f"{len(columns['kind'])} objects, worth an alert: {found}; {output}", err=True)
