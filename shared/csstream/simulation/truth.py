"""Truth tables of a simulated survey: every star, every frame, with units."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from astropy.table import Table, vstack
from astropy.wcs import WCS

from csstream.simulation.field import Field
from csstream.simulation.frame_files import FrameFacts
from csstream.simulation.spectral import letters

STAR_UNITS = {
    "ra": "deg",
    "dec": "deg",
    "x": "pix",
    "y": "pix",
    "mag": "mag",
    "period": "d",
    "t0": "d",
    "duration": "d",
}
FRAME_UNITS = {
    "mjd_start_tai": "d",
    "mjd_mid_tai": "d",
    "dither_x": "pix",
    "dither_y": "pix",
    "zero_point": "mag",
}


def write_truth(path: Path, fields: Sequence[tuple[int, Field, WCS]], reach: float) -> Path:
    """Write one row per star that a frame can show; constant stars have kind ``none``.

    ``reach`` [pixel] is how far beyond the undithered frame a dithered one can see.

    ``depth`` is the relative flux lost at mid-eclipse, or a pulsator's full amplitude. Times are
    MJD TAI; x and y are 0-based pixels of the undithered field.
    """
    tables = [_star_table(number, field, wcs, reach) for number, field, wcs in fields]
    table = vstack(tables)
    table["star_id"] = np.arange(1, len(table) + 1)
    table.meta["times"] = "MJD TAI, mid-event or maximum light"
    return write_table(table, path, STAR_UNITS)


def write_frames_table(path: Path, rows: Sequence[FrameFacts]) -> Path:
    """Write one row per frame: file, times, dither, true PSF width and zero point."""
    columns: dict[str, list[Any]] = {name: [] for name in asdict(rows[0])}
    for row in rows:
        for name, value in asdict(row).items():
            columns[name].append(value)
    return write_table(Table(columns), path, FRAME_UNITS)


def _star_table(number: int, field: Field, wcs: WCS, reach: float) -> Table:
    stars = field.catalogue
    ra, dec = wcs.pixel_to_world_values(stars.x, stars.y)
    columns: dict[str, Any] = {
        "star_id": np.arange(1, len(stars) + 1),
        "detector": np.full(len(stars), number),
        "ra": ra,
        "dec": dec,
        "x": stars.x,
        "y": stars.y,
        "mag": stars.mag,
        "kind": field.kinds(),
    }
    if stars.types is not None:
        columns["spectral_type"] = letters(stars.types)
    for name in ("period", "t0", "duration", "depth"):
        columns[name] = field.column(name)
    ny, nx = field.shape
    in_x = (stars.x > -0.5 - reach) & (stars.x < nx - 0.5 + reach)
    return Table(columns)[in_x & (stars.y > -0.5 - reach) & (stars.y < ny - 0.5 + reach)]


def write_table(table: Table, path: Path, units: dict[str, str]) -> Path:
    """Write a table as ECSV with units, under a temporary name that is then replaced."""
    for name, unit in units.items():
        table[name].unit = unit
    temporary = path.with_name(f".{path.name}.part")
    table.write(temporary, format="ascii.ecsv", overwrite=True)
    temporary.replace(path)
    return path
