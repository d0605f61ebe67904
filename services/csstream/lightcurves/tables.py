"""Light curves as a file that astropy, lightkurve and TOPCAT read: one row a point, with units."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from csstream.contracts.errors import FatalError

Array = npt.NDArray[Any]
Table = dict[str, Array]

UNITS: Final = {
    "ra": "deg",
    "dec": "deg",
    "mjd_mid_tai": "d",
    "flux": "nJy",
    "flux_err": "nJy",
    "mag": "mag",
}
DESCRIPTIONS: Final = {
    "object_id": "cell * 2**20 + number, and 2**48 * series of the cell",
    "ra": "ICRS, mean of the object's sources",
    "dec": "ICRS, mean of the object's sources",
    "mjd_mid_tai": "mid-exposure, MJD (TAI)",
    "flux": "AB",
    "flux_err": "AB",
    "mag": "AB; nan where the flux is not positive",
    "flags": "see csstream.imaging.frames.flags",
}
ABOUT: Final = {"TIMESYS": "TAI", "RADESYS": "ICRS"}  # of the table: keywords of FITS


def check_ending(path: Path) -> None:
    """Raise FatalError where light curves cannot be written as this kind of file."""
    if path.suffix not in _WRITERS:
        raise FatalError(f"{path}: light curves are written as {', '.join(_WRITERS)}")


def write_table(table: Table, path: Path) -> None:
    """Write a file of the kind that its ending says, with units and descriptions.

    Parquet carries them as metadata of each field (``unit``, ``description``), FITS as TUNIT and
    TCOMM, ECSV and CSV as the header of ECSV: a plain CSV reader has to be told to skip lines
    that begin with ``#``.

    Raises
    ------
    FatalError
        The ending is another one, or the file cannot be written.
    """
    check_ending(path)
    try:
        _WRITERS[path.suffix](table, path)
    except OSError as error:
        raise FatalError(f"{path} cannot be written: {error}") from error


def read_table(path: Path) -> Table:
    """Read a file of :func:`write_table`.

    Raises
    ------
    FatalError
        The ending is another one, or the file cannot be read as what it says.
    """
    check_ending(path)
    try:
        return _read_parquet(path) if path.suffix == ".parquet" else _read_astropy(path)
    except (OSError, ValueError, pa.ArrowException) as error:
        raise FatalError(f"{path} cannot be read: {error}") from error


def _write_parquet(table: Table, path: Path) -> None:
    named = [
        pa.field(name, pa.array(column[:0]).type, metadata=_metadata(name))
        for name, column in table.items()
    ]
    content = pa.table(list(table.values()), schema=pa.schema(named, metadata=ABOUT))
    pq.write_table(content, path)


def _read_parquet(path: Path) -> Table:
    content = pq.read_table(path)
    return {name: content[name].to_numpy() for name in content.column_names}


def _metadata(name: str) -> dict[str, str]:
    texts = {"unit": UNITS.get(name), "description": DESCRIPTIONS.get(name)}
    return {key: text for key, text in texts.items() if text}


def _astropy_table(table: Table) -> Any:
    from astropy.table import Table as AstropyTable

    content = AstropyTable(table, meta=dict(ABOUT))
    for name in table:
        content[name].unit = UNITS.get(name)
        content[name].description = DESCRIPTIONS.get(name)
    return content


def _write_ecsv(table: Table, path: Path) -> None:
    delimiter = "," if path.suffix == ".csv" else " "
    _astropy_table(table).write(path, format="ascii.ecsv", delimiter=delimiter, overwrite=True)


def _write_fits(table: Table, path: Path) -> None:
    from astropy.io import fits

    content = _astropy_table(table)
    if "band" in table:  # FITS has bytes
        content["band"] = np.char.encode(table["band"].astype(str), "ascii", "replace")
    hdu = fits.table_to_hdu(content, character_as_bytes=True)
    hdu.name = "LIGHTCURVES"
    for number, name in enumerate(table, start=1):
        if text := DESCRIPTIONS.get(name):
            hdu.header[f"TCOMM{number}"] = text
    hdu.writeto(path, overwrite=True)


def _read_astropy(path: Path) -> Table:
    from astropy.table import Table as AstropyTable

    kind = "fits" if path.suffix == ".fits" else "ascii.ecsv"
    content = AstropyTable.read(path, format=kind)
    return {name: _native(content[name]) for name in content.colnames}


def _native(column: Any) -> Array:
    values = np.asarray(column)
    if values.dtype.kind == "S":
        return np.char.decode(values, "ascii")
    return values.astype(values.dtype.newbyteorder("="), copy=False)


_WRITERS: Final[dict[str, Callable[[Table, Path], None]]] = {
    ".parquet": _write_parquet,
    ".ecsv": _write_ecsv,
    ".fits": _write_fits,
    ".csv": _write_ecsv,
}
