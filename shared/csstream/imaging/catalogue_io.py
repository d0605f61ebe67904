"""A frame's catalogue as a file: ECSV, FITS or Parquet, units in every column."""

from __future__ import annotations

import math
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
from astropy.table import Table

from csstream.imaging.flags import Flag
from csstream.imaging.measure import Measured
from csstream.imaging.source_table import UNITS, SourceTable

FORMATS = {".ecsv": "ascii.ecsv", ".fits": "fits", ".parquet": "parquet"}
DESCRIPTIONS = {
    "ra": "right ascension, ICRS",
    "dec": "declination, ICRS",
    "x": "0-based, pixel centres at integers",
    "y": "0-based, pixel centres at integers",
    "probability": "of a real star; 1 for the classical strategy",
    "flags": ", ".join(f"{int(flag)} {str(flag.name).lower()}" for flag in Flag),
}


def catalogue_table(measured: Measured, meta: dict[str, Any]) -> Table:
    """Return an astropy table of the sources with units and descriptions."""
    table = Table(meta=_meta(measured) | meta)
    for entry in fields(SourceTable):
        name = entry.name
        values = np.asarray(getattr(measured.sources, name))
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
    if kind == "fits":
        table.meta = {key.upper()[:8]: value for key, value in table.meta.items()}
    table.write(path, format=kind, overwrite=True)


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
