"""``csstream evaluate significance``: stated false-alarm probabilities against counted ones."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any

import typer


def significance(
    output: Annotated[
        Path, typer.Option("-o", "--output", help="Folder for records, table, plot and JSON.")
    ] = Path("significance"),
    curves: Annotated[int, typer.Option(min=0, help="Null curves to count; 0: none.")] = 2_000_000,
    seed: Annotated[int, typer.Option(help="Seed of the counted curves.")] = 5001,
    calibrate: Annotated[
        int, typer.Option(min=0, help="Make a new table from so many null curves first; 0: none.")
    ] = 0,
    calibration_seed: Annotated[int, typer.Option(help="Seed of those.")] = 3000,
    table: Annotated[Path | None, typer.Option(help="Table to judge. Default: shipped.")] = None,
    looks: Annotated[
        int, typer.Option(min=0, help="Panels looked at again and again as they grow; 0: none.")
    ] = 0,
    measured: Annotated[
        Path | None, typer.Option(help="Survey run whose constant stars get transits.")
    ] = None,
    white: Annotated[int, typer.Option(min=0, help="White panels that get transits.")] = 0,
    rounds: Annotated[int, typer.Option(min=1, help="Injections into each panel.")] = 3,
) -> None:
    """Count how often noise reaches the probabilities that are stated, and find transits in it.

    Records stay in the folder: an interrupted run goes on where it stopped. About 0.2 ms a curve.
    A new table is written as false_alarms.json; the shipped one lies in csstream/timeseries.
    """
    from csstream.evaluate import significance_report as report
    from csstream.timeseries.errors import TimeseriesError
    from csstream.timeseries.false_alarms import read_table, shipped_table

    try:
        chosen = shipped_table() if table is None else read_table(table)
    except TimeseriesError as error:
        raise typer.BadParameter(str(error), param_hint="--table") from error
    if calibrate and curves and calibration_seed == seed:
        raise typer.BadParameter("calibration and check need other curves", param_hint="--seed")
    content: dict[str, Any] = {"command": " ".join(["csstream", *sys.argv[1:]])}
    if calibrate:
        chosen = _calibrated(output, calibration_seed, calibrate, looks)
    rows = _counted(output, seed, curves, chosen) if curves else []
    for line in report.rate_lines(rows) if rows else []:
        typer.echo(line)
    content["table"] = chosen.note
    looked = _looked(output, seed, looks, chosen) if looks else []
    for line in report.rate_lines(looked, "stars, at any look") if looked else []:
        typer.echo(line)
    _transits(content, measured, white, rounds, seed)
    report.write_report(output, content, rows, looked)
    typer.echo(str(output / report.JSON_NAME))


def _calibrated(output: Path, seed: int, curves: int, panels: int) -> Any:
    from dataclasses import replace

    from csstream.cli.progress import progress_bar
    from csstream.evaluate.null_counts import fit_table, gather
    from csstream.evaluate.null_looks import fit_looks, gather_looks
    from csstream.timeseries.false_alarms import write_table

    with progress_bar("calibration") as progress:
        records = gather(output / "records", seed, curves, progress)
    note = (
        f"csstream evaluate significance --calibrate {len(records)} --looks {panels}, seed {seed}"
    )
    table = fit_table(records, 1e-4, note)
    if panels:
        with progress_bar("looks to calibrate") as progress:
            looks = gather_looks(output / "records", seed, panels, progress)
        table = replace(table, looks=fit_looks(looks, table))
    write_table(output / "false_alarms.json", table)
    typer.echo(f"{output / 'false_alarms.json'}: {note}")
    return table


def _counted(output: Path, seed: int, curves: int, table: Any) -> Any:
    from csstream.cli.progress import progress_bar
    from csstream.evaluate.null_counts import gather, rates

    with progress_bar("null curves") as progress:
        records = gather(output / "records", seed, curves, progress)
    return rates(records, table, table.curves)


def _looked(output: Path, seed: int, panels: int, table: Any) -> Any:
    from csstream.cli.progress import progress_bar
    from csstream.evaluate.null_looks import gather_looks, look_rates

    with progress_bar("looks") as progress:
        looks = gather_looks(output / "records", seed, panels, progress)
    return look_rates(looks, table)


def _transits(
    content: dict[str, Any], measured: Path | None, white: int, rounds: int, seed: int
) -> None:
    import numpy as np

    from csstream.evaluate import transit_recovery as recovery
    from csstream.evaluate.significance_report import transit_lines

    rng = np.random.default_rng([seed, 778])
    sources = {}
    if measured is not None:
        sources[f"measured curves ({measured.name})"] = recovery.measured_panels(measured)
    if white:
        sources["white noise"] = recovery.simulated_panels(rng, white)
    for name, panels in sources.items():
        parts = recovery.recover(panels, rng, rounds)
        if not parts:
            raise typer.BadParameter("holds no curves", param_hint="--measured")
        content[name] = recovery.completeness(parts, 1e-4)
        for line in transit_lines(content[name], name):
            typer.echo(line)
