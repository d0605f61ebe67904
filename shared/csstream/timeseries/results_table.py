"""Examinations as a table in a file: one row per object, with units."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from csstream.timeseries.curve_files import file_kind
from csstream.timeseries.kinds import KINDS
from csstream.timeseries.periods import PERIOD_CONVENTION
from csstream.timeseries.result import ExaminationResult

Array = npt.NDArray[Any]

COLUMNS: Final = (
    ("period", "d", "shortest period over which the curve repeats"),
    ("period_err", "d", "standard error of period"),
    ("t0", "d", "first mid-event, or maximum of a pulsator, in the scale of the input"),
    ("t0_err", "d", "standard error of t0"),
    ("duration", "d", "first to last contact (smooth binaries: width at half depth)"),
    ("duration_err", "d", "standard error of duration"),
    ("depth", "", "depth of the primary event (smooth variables: peak to peak), relative flux"),
    ("depth_err", "", "standard error of depth"),
    ("snr_bls", "", "depth over its error, white noise"),
    ("snr_pink", "", "depth over its error, correlated noise"),
    ("sde", "", "signal detection efficiency of the box spectrum"),
    ("power_ls", "", "standard Lomb-Scargle power of the best sinusoid"),
    ("aov", "", "analysis-of-variance statistic of the best harmonic series"),
    ("snr_amplitude", "", "amplitude over the error of one epoch"),
    ("fap", "", "false-alarm probability"),
    ("single_t0", "d", "middle of the best single dip, in the scale of the input"),
    ("single_duration", "d", "duration of the best single dip"),
    ("single_depth", "", "depth of the best single dip, relative flux"),
    ("single_snr", "", "depth of the best single dip over its error, white noise"),
    ("single_snr_firm", "", "the same with correlated noise, without its strongest point"),
    ("single_fap", "", "false-alarm probability of the best single dip"),
)


def result_columns(object_id: Array, result: ExaminationResult) -> dict[str, Array]:
    """Columns of a result in the order of the file."""
    columns: dict[str, Array] = {
        "object_id": np.asarray(object_id),
        "kind": np.array(KINDS)[result.kind],
        "crossed": np.asarray(result.crossed),
        "n_epochs": np.asarray(result.n_epochs),
        "n_events": np.asarray(result.n_events),
    }
    columns.update({name: np.asarray(getattr(result, name)) for name, _, _ in COLUMNS})
    for k in (*range(1, len(KINDS)), 0):
        columns[f"p_{KINDS[k]}"] = np.asarray(result.probabilities[:, k])
    return columns


def write_results(columns: dict[str, Array], path: Path, meta: dict[str, str]) -> None:
    """Write columns by the file's ending: .ecsv and .fits and .parquet keep units, .csv does not.

    Raises TimeseriesError for another ending.
    """
    kind = file_kind(path)
    meta = {"period_convention": PERIOD_CONVENTION, **meta}
    if kind in ("parquet", "csv"):
        _write_arrow(columns, path, kind, meta)
        return
    from astropy.table import Table

    cards = {name.upper()[:8]: value for name, value in meta.items()}
    table = Table(columns, meta=cards if kind == "fits" else meta)
    for name, unit, text in COLUMNS:
        table[name].unit = unit or None
        table[name].description = text
    table.write(path, format="ascii.ecsv" if kind == "ecsv" else "fits", overwrite=True)


def _write_arrow(columns: dict[str, Array], path: Path, kind: str, meta: dict[str, str]) -> None:
    import pyarrow
    import pyarrow.csv
    import pyarrow.parquet

    notes = {name: {"unit": unit, "description": text} for name, unit, text in COLUMNS}
    arrays = [pyarrow.array(values) for values in columns.values()]
    fields = [
        pyarrow.field(name, array.type, metadata=notes.get(name))
        for name, array in zip(columns, arrays, strict=True)
    ]
    table = pyarrow.table(arrays, schema=pyarrow.schema(fields, metadata=meta))
    if kind == "csv":
        pyarrow.csv.write_csv(table, path)
    else:
        pyarrow.parquet.write_table(table, path)
