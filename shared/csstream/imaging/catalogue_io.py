"""A frame's catalogue as a file: ECSV, FITS or Parquet, units in every column."""

from __future__ import annotations

import math
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow
import pyarrow.parquet
from astropy.io import fits
from astropy.table import Table

from csstream.imaging.frames.flags import Flag
from csstream.imaging.measure import Measured
from csstream.imaging.source_table import UNITS, SourceTable

FORMATS = {".ecsv": "ascii.ecsv", ".fits": "fits", ".parquet": "parquet"}
DESCRIPTIONS = {
    "ra": "right ascension, ICRS",
    "dec": "declination, ICRS",
    "x": "0-based, pixel centres at integers",
    "y": "0-based, pixel centres at integers",
    "probability": "of a real star; 1: classical strategy, 0.5: found in the residual",
    "flags": ", ".join(f"{int(flag)} {str(flag.name).lower()}" for flag in Flag),
}


def catalogue_table(measured: Measured, meta: dict[str, Any]) -> Table:
    """Return an astropy table of the sources with units and descriptions."""
    table = Table(meta=_meta(measured) | meta)
    for entry in fields(SourceTable):
        name = entry.name
        values = np.asarray(getattr(measured.sources, name))
        if name == "object_id" and not values.any():
            continue  # without a reference catalogue nobody has one
        if name == "probability":
            values = values.astype(np.float32)
        table[name] = values
        table[name].unit = UNITS[name] or None
        table[name].description = DESCRIPTIONS.get(name)
    return table


def write_catalogue(path: Path, measured: Measured, meta: dict[str, Any]) -> None:
    """Write the catalogue in the format that the file's name ends in.

    Raises
    ------
    ValueError
        The ending is none of ``FORMATS``.
    """
    kind = FORMATS.get(path.suffix.lower())
    if kind is None:
        raise ValueError(f"{path}: the name must end in {', '.join(FORMATS)}")
    table = catalogue_table(measured, meta)
    if kind == "parquet":
        _write_parquet(path, table)
    elif kind == "fits":
        _write_fits(path, table)
    else:
        table.write(path, format=kind, overwrite=True)


def _write_fits(path: Path, table: Table) -> None:
    table.meta = {key.upper()[:8]: value for key, value in table.meta.items()}
    hdu = fits.BinTableHDU(Table({name: np.asarray(table[name]) for name in table.colnames}))
    hdu.header.update(table.meta)
    for column in hdu.columns:
        if UNITS[column.name]:
            # FITS has no unit "electron"; what is counted here are electrons.
            column.unit = UNITS[column.name].replace("electron / s", "ct s-1")
    hdu.writeto(path, overwrite=True)


def _write_parquet(path: Path, table: Table) -> None:
    """Units and descriptions go into each column's metadata, the rest into the file's."""
    columns, schema = [], []
    for name in table.colnames:
        values = pyarrow.array(np.asarray(table[name]))
        note = {"unit": UNITS[name], "description": table[name].description or ""}
        schema.append(pyarrow.field(name, values.type, metadata=note))
        columns.append(values)
    meta = {str(key): str(value) for key, value in table.meta.items()}
    whole = pyarrow.Table.from_arrays(columns, schema=pyarrow.schema(schema, metadata=meta))
    pyarrow.parquet.write_table(whole, path)


def _meta(measured: Measured) -> dict[str, Any]:
    """Return what is finite of the frame's numbers, for the table's header."""
    numbers = {
        "zeropt": measured.zero_point,
        "zperr": measured.zero_point_err,
        "fwhm": measured.fwhm,
        "backgrnd": measured.background,
        "depth": measured.depth,
    }
    finite = {key: float(value) for key, value in numbers.items() if math.isfinite(value)}
    return finite | {"psf": measured.psf_method}
