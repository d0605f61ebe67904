"""Light curves as a file that astropy, lightkurve and TOPCAT read: one row a point, with units.

Units, descriptions and UCDs (IVOA's words for what a column is) go where the readers of each kind
of file look for them: into TUNIT, TCOMM and TUCD of FITS, which are STIL's convention, into the
header of ECSV, and into the footer of Parquet three times: as a VOTable without data ("Parquet in
the VO", IVOA Note 2025-01-14), as astropy's own header, and as metadata of each Arrow field.
"""

from __future__ import annotations

from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from csstream.contracts.errors import FatalError

Array = npt.NDArray[Any]
Table = dict[str, Array]


class Meaning(NamedTuple):
    """What a column is."""

    unit: str
    ucd: str
    description: str


COLUMNS: Final = {
    "object_id": Meaning(
        "", "meta.id;meta.main", "cell * 2**20 + number, and 2**48 * series of the cell"
    ),
    "ra": Meaning("deg", "pos.eq.ra;meta.main", "ICRS, mean of the object's sources"),
    "dec": Meaning("deg", "pos.eq.dec;meta.main", "ICRS, mean of the object's sources"),
    "mjd_mid_tai": Meaning("d", "time.epoch", "mid-exposure, MJD (TAI), at the telescope"),
    "bjd_tdb": Meaning("d", "time.epoch", "mid-exposure, BJD (TDB), of the centre of the cell"),
    "flux": Meaning("nJy", "phot.flux.density", "AB"),
    "flux_err": Meaning("nJy", "stat.error;phot.flux.density", "AB"),
    "mag": Meaning("mag", "phot.mag", "AB; nan where the flux is not positive"),
    "band": Meaning("", "instr.bandpass", "of the exposure"),
    "visit": Meaning("", "meta.id;obs", "number of the exposure"),
    "detector": Meaning("", "meta.id;instr.det", "of the exposure"),
    "flags": Meaning("", "meta.code.qual", "see csstream.imaging.frames.flags"),
}
ABOUT: Final = {"TIMESYS": "TAI", "RADESYS": "ICRS"}  # of the table: keywords of FITS
TIME_SYSTEMS: Final = {  # by column: scale, place and origin as VOTable 1.4 calls them
    "mjd_mid_tai": ("TAI", "TOPOCENTER", "MJD-origin"),
    "bjd_tdb": ("TDB", "BARYCENTER", "JD-origin"),
}


def check_ending(path: Path) -> None:
    """Raise FatalError where light curves cannot be written as this kind of file."""
    if path.suffix not in _WRITERS:
        raise FatalError(f"{path}: light curves are written as {', '.join(_WRITERS)}")


def write_table(table: Table, path: Path) -> None:
    """Write a file of the kind that its ending says, with what :data:`COLUMNS` says.

    CSV has the header of ECSV: a plain CSV reader has to be told to skip lines that begin with
    ``#``.

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
    from astropy.table.meta import get_yaml_from_table

    named = [
        pa.field(name, pa.array(column[:0]).type, metadata=_metadata(name))
        for name, column in table.items()
    ]
    empty = _astropy_table({name: column[:0] for name, column in table.items()})
    about = ABOUT | {
        "table_meta_yaml": "\n".join(get_yaml_from_table(empty)),  # astropy's own
        "IVOA.VOTable-Parquet.version": "1.0",
        "IVOA.VOTable-Parquet.content": _votable(empty),
    }
    content = pa.table(list(table.values()), schema=pa.schema(named, metadata=about))
    pq.write_table(content, path)


def _read_parquet(path: Path) -> Table:
    content = pq.read_table(path)
    return {name: content[name].to_numpy() for name in content.column_names}


def _metadata(name: str) -> dict[str, str]:
    return {key: text for key, text in COLUMNS[name]._asdict().items() if text}


def _votable(empty: Any) -> str:
    """Return an astropy table without rows as a VOTable with its columns and time systems."""
    from astropy.io import votable
    from astropy.io.votable.tree import TimeSys

    document = votable.from_table(empty)
    config = {"version_1_4_or_later": True}
    for name, (scale, place, origin) in TIME_SYSTEMS.items():
        document.resources[0].time_systems.append(
            TimeSys(
                ID=f"of_{name}",
                timeorigin=origin,
                timescale=scale,
                refposition=place,
                config=config,
            )
        )
    for field in document.get_first_table().fields:
        if field.name in TIME_SYSTEMS:
            field.ref = f"of_{field.name}"
        if field.datatype == "unicodeChar":
            field.arraysize = "*"
    text = BytesIO()
    document.to_xml(text)
    return text.getvalue().decode("utf-8")


def _astropy_table(table: Table) -> Any:
    from astropy.table import Table as AstropyTable

    content = AstropyTable(table, meta=dict(ABOUT))
    for name in table:
        unit, ucd, description = COLUMNS[name]
        content[name].unit = unit or None
        content[name].description = description
        content[name].meta["ucd"] = ucd
    return content


def _write_ecsv(table: Table, path: Path) -> None:
    delimiter = "," if path.suffix == ".csv" else " "
    _astropy_table(table).write(path, format="ascii.ecsv", delimiter=delimiter, overwrite=True)


def _write_fits(table: Table, path: Path) -> None:
    from astropy.io import fits

    content = _astropy_table(table)
    content["band"] = np.char.encode(table["band"].astype(str), "ascii", "replace")
    hdu = fits.table_to_hdu(content, character_as_bytes=True)
    hdu.name = "LIGHTCURVES"
    for number, name in enumerate(table, start=1):
        hdu.header[f"TCOMM{number}"] = COLUMNS[name].description
        hdu.header[f"TUCD{number}"] = COLUMNS[name].ucd
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
