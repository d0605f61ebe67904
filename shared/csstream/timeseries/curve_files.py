"""Files of light curves as columns: our own tables and those of other programs.

Other programs write one object per file. What they leave out is filled in: the object's name from
the header or the file's name, the time origin from ``BJDREFI`` and ``BJDREFF``, the flux from
``PDCSAP_FLUX`` (else ``SAP_FLUX``, else ``FLUX``). Rows whose quality is not 0 are left out.
"""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from csstream.timeseries.errors import TimeseriesError

Array = npt.NDArray[Any]
Columns = dict[str, Array]

FLUXES: Final = ("pdcsap_flux", "sap_flux", "flux")
QUALITIES: Final = ("sap_quality", "quality")
NAMES: Final = ("OBJECT", "LABEL", "KEPLERID", "TICID", "TARGETID")
PLAIN: Final = ("time", "mag", "mag_err")  # of white-space columns without names
ECSV_MARK: Final = b"# %ECSV"
MAX_BYTES: Final = 16 * 1024**3  # of a file, and of what Parquet says that it unpacks to
KINDS: Final = ("parquet", "ecsv", "fits", "csv")


def read_columns(path: Path, time_column: str) -> tuple[Columns, dict[str, str], str]:
    """Columns by name, their units as text, and the time scale that the file states.

    The columns of one object are renamed to object_id, ``time_column``, flux and flux_err.

    Raises TimeseriesError when the file is missing, is too large, has no known format or cannot be
    read.
    """
    if not path.is_file():
        raise TimeseriesError("missing_file", f"{path}: no such file")
    _check_size(path, path.stat().st_size)
    kind = input_kind(path)
    try:
        if kind == "text":
            columns, units, header = _read_text(path)
        elif kind in ("parquet", "csv"):
            columns, units, header = _read_arrow(path, kind)
        else:
            columns, units, header = _read_astropy(path, kind)
        return _one_object(path, columns, units, header, time_column)
    except TimeseriesError:
        raise
    except Exception as error:  # five readers, each with its own exceptions
        raise TimeseriesError("unreadable", f"{path}: cannot be read as {kind}: {error}") from error


def _check_size(path: Path, size: int) -> None:
    if size > MAX_BYTES:
        raise TimeseriesError("too_large", f"{path}: {size} bytes, more than {MAX_BYTES}")


def _one_object(
    path: Path, columns: Columns, units: dict[str, str], header: dict[str, Any], time_column: str
) -> tuple[Columns, dict[str, str], str]:
    """Our names for the columns of a file that holds one object in the manner of others."""
    low = {name.lower(): name for name in columns}
    flux = next((low[name] for name in FLUXES if name in low), None)
    if "object_id" in columns or "time" not in low or not (flux or "mag" in low):
        return columns, units, ""
    header = {str(name).upper(): value for name, value in header.items()}
    origin = float(header.get("BJDREFI") or 0.0) + float(header.get("BJDREFF") or 0.0)
    time = np.asarray(columns[low["time"]], np.float64)
    quality = next((low[name] for name in QUALITIES if name in low), None)
    kept = np.isfinite(time)
    if quality is not None:
        kept &= np.asarray(columns[quality]) == 0
    taken = {time_column: time + origin}
    if flux is not None:
        error = low.get(f"{flux.lower()}_err")
        taken |= {"flux": columns[flux]} | ({"flux_err": columns[error]} if error else {})
    else:
        taken |= {name: columns[low[name]] for name in ("mag", "mag_err") if name in low}
    taken = {name: values[kept] for name, values in taken.items()}
    name = next((str(header[key]) for key in NAMES if header.get(key)), path.name.split(".")[0])
    taken["object_id"] = np.full(np.count_nonzero(kept), name)
    unit = units.get(low["time"], "")
    scale = str(header.get("TIMESYS") or "").lower()
    scale = f"bjd_{scale}" if scale and origin else scale
    return taken, {time_column: "" if "BJD" in unit.upper() else unit}, scale


def input_kind(path: Path) -> str:
    """As :func:`file_kind`, and ``text`` for other names whose first row is numbers.

    A CSV with the header of ECSV, as ``csstream lightcurves export`` writes it, is ``ecsv``.
    Raises TimeseriesError for anything else.
    """
    try:
        kind = file_kind(path)
    except TimeseriesError:
        if _first_numbers(path) < len(PLAIN):
            raise
        return "text"
    return "ecsv" if kind == "csv" and _begins_as_ecsv(path) else kind


def _begins_as_ecsv(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(len(ECSV_MARK)) == ECSV_MARK


def _first_numbers(path: Path) -> int:
    """How many numbers stand in the first row that is no comment; 0 when it is something else."""
    try:
        with path.open(encoding="utf-8") as file:
            for line in file:
                if line.strip() and not line.startswith("#"):
                    return len([float(word) for word in line.split()])
    except (UnicodeDecodeError, ValueError):
        pass
    return 0


def _read_text(path: Path) -> tuple[Columns, dict[str, str], dict[str, Any]]:
    """White-space columns; named by the last comment before them where it fits."""
    names: list[str] = []
    with path.open(encoding="utf-8") as file:
        for line in file:
            if not line.startswith("#"):
                break
            names = line[1:].split()
    values = np.loadtxt(path, ndmin=2).T
    known = names if len(names) == len(values) else [*PLAIN, *map(str, range(len(values) - 3))]
    return dict(zip(known, values, strict=True)), {}, {}


def file_kind(path: Path) -> str:
    """``parquet``, ``ecsv``, ``fits`` or ``csv`` by the name, compressed or not.

    Raises TimeseriesError for any other.
    """
    name = path.name.lower().removesuffix(".gz")
    for kind in KINDS:
        if name.endswith(f".{kind}"):
            return kind
    raise TimeseriesError("format", f"{path}: the name must end in .parquet, .ecsv, .fits or .csv")


def _read_arrow(path: Path, kind: str) -> tuple[Columns, dict[str, str], dict[str, Any]]:
    import pyarrow.csv
    import pyarrow.parquet

    if kind == "parquet":
        about = pyarrow.parquet.read_metadata(path)
        _check_size(
            path, sum(about.row_group(k).total_byte_size for k in range(about.num_row_groups))
        )
        table = pyarrow.parquet.read_table(path)
    else:
        table = pyarrow.csv.read_csv(path)
    units = {f.name: (f.metadata or {}).get(b"unit", b"").decode() for f in table.schema}
    header = {k.decode(): v.decode() for k, v in (table.schema.metadata or {}).items()}
    return {name: table[name].to_numpy() for name in table.column_names}, units, header


def _read_astropy(path: Path, kind: str) -> tuple[Columns, dict[str, str], dict[str, Any]]:
    from astropy.io import fits
    from astropy.table import Table

    header: dict[str, Any] = {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # units such as "BJD - 2454833" or "e-/s"
        if kind == "fits":
            table = Table.read(path, format="fits")
            header |= dict(fits.getheader(path, 0)) | dict(fits.getheader(path, 1))
        else:
            table = Table.read(path, format="ascii.ecsv")
    header |= dict(table.meta)
    columns, units = {}, {}
    for name in table.colnames:
        column = table[name]
        if hasattr(column, "jd"):  # a time of astropy, as lightkurve writes it
            header.setdefault("TIMESYS", column.scale)
            column = column.value
        if getattr(column, "mask", None) is not None and column.dtype.kind == "f":
            column = column.filled(np.nan)
        columns[name] = np.asarray(column)
        if columns[name].dtype.kind == "S":
            columns[name] = np.char.decode(columns[name], "utf-8")
        units[name] = str(getattr(table[name], "unit", None) or "")
    return columns, units, header
