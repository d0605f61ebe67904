"""Tables of light curves in files, and panels made of them. The I/O of this package."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from csstream.timeseries.curve_files import read_columns
from csstream.timeseries.errors import TimeseriesError

Array = npt.NDArray[Any]

TIME_COLUMN: Final = "mjd_mid_tai"
PANEL: Final = 128  # stars searched together
SHARED: Final = 0.5  # of a common list of epochs that the stars of a panel must fill
POGSON: Final = 0.4 * np.log(10.0)
DAY_UNITS: Final = {"": 1.0, "d": 1.0, "day": 1.0, "days": 1.0, "h": 1 / 24, "s": 1 / 86400}


@dataclass(frozen=True, eq=False)
class CurveTable:
    """Measurements of many objects, one row each.

    object_id (k,) integers or strings; time (k,) float64 [day]; flux, flux_err (k,) float64, one
    linear unit (arbitrary where magnitudes were read); NaN and masked rows are left out.
    ``time_scale`` is that which the file states, empty where it states none.
    """

    object_id: Array
    time: Array
    flux: Array
    flux_err: Array
    time_scale: str = ""


@dataclass(frozen=True, eq=False)
class CurvePanel:
    """Objects that are searched together: ids (n,), time (m,), flux and flux_err (n, m)."""

    object_id: Array
    time: Array
    flux: Array
    flux_err: Array


def read_curves(path: Path, time_column: str = TIME_COLUMN, band: str | None = None) -> CurveTable:
    """Read light curves from a file.

    Parquet, ECSV, FITS and CSV tables have a row per measurement of many objects, with the columns
    object_id, the time, and flux and flux_err or mag and mag_err. Read too: one object as Kepler,
    TESS and lightkurve write it (see ``curve_files``), and plain columns of time, magnitude and
    error as VARTOOLS has them, under any other name.

    Parameters
    ----------
    time_column : its name; its unit may be d, h or s, days where none is given.
    band : keep only these rows, where the table has a column ``band``.

    Raises
    ------
    TimeseriesError
        When the file cannot be read, or a column is missing or unusable; the column is named.
    """
    columns, units, scale = read_columns(path, time_column)
    if "band" in columns:
        columns = _of_band(path, columns, band)
    ids, named = _ids(path, columns)
    factor = _day_factor(path, time_column, units.get(time_column, ""))
    time = _number(path, columns, time_column) * factor
    flux, error = _flux(path, columns)
    good = named & np.isfinite(time) & np.isfinite(flux) & np.isfinite(error) & (error > 0)
    if not good.any():
        raise TimeseriesError("no_rows", f"{path}: no row has a time, a flux and an error")
    return merge_repeats(CurveTable(ids[good], time[good], flux[good], error[good], scale))


def read_centre(path: Path) -> tuple[float, float] | None:
    """Return the mean direction (ra, dec) [deg] of a table's rows; None: it has no such columns.

    Raises
    ------
    TimeseriesError
        When the file cannot be read, or the columns are no numbers.
    """
    columns = read_columns(path, TIME_COLUMN)[0]
    if not {"ra", "dec"} <= columns.keys():
        return None
    ra, dec = (np.radians(_number(path, columns, name)) for name in ("ra", "dec"))
    good = np.isfinite(ra) & np.isfinite(dec)
    ra, dec = ra[good], dec[good]
    if not len(ra):
        return None
    x, y = (np.mean(np.cos(dec) * turn(ra)) for turn in (np.cos, np.sin))
    height = np.arctan2(np.mean(np.sin(dec)), np.hypot(x, y))
    return float(np.degrees(np.arctan2(y, x)) % 360.0), float(np.degrees(height))


def merge_repeats(table: CurveTable) -> CurveTable:
    """Average rows of one object at one time, by inverse variance; other rows stay as they are."""
    _, index = np.unique(table.object_id, return_inverse=True)
    order = np.lexsort((table.time, index))
    time, group = table.time[order], index[order]
    new = np.append(True, (np.diff(time) != 0) | (np.diff(group) != 0))
    if new.all():
        return table
    place = np.cumsum(new) - 1
    weight = table.flux_err[order] ** -2.0
    total = np.bincount(place, weight)
    flux = np.bincount(place, weight * table.flux[order]) / total
    kept = order[new]
    back = np.argsort(kept, kind="stable")  # the order of the file again
    return CurveTable(
        table.object_id[kept][back], table.time[kept][back], flux[back], total[back] ** -0.5,
        table.time_scale,
    )  # fmt: skip


def _flux(path: Path, columns: dict[str, Array]) -> tuple[Array, Array]:
    """Flux and error, from magnitudes where there is no flux."""
    if "flux" in columns:
        return _number(path, columns, "flux"), _number(path, columns, "flux_err")
    if "mag" not in columns:
        raise TimeseriesError(
            "missing_column",
            f"{path}: needs flux and flux_err, or mag and mag_err; it has {_names(columns)}",
        )
    magnitude = _number(path, columns, "mag")
    flux = 10.0 ** (-0.4 * (magnitude - np.nanmedian(magnitude)))
    return flux, POGSON * flux * _number(path, columns, "mag_err")


def panels_of(table: CurveTable) -> Iterator[CurvePanel]:
    """Cut a table into panels; objects in order of first appearance within each group.

    All objects go on one list of epochs when they fill half of it on average; otherwise objects
    with identical times go together, the others alone.
    """
    ids, first, index = np.unique(table.object_id, return_index=True, return_inverse=True)
    times = np.unique(table.time)
    order = np.argsort(first, kind="stable")
    if len(table.time) >= SHARED * len(ids) * len(times):
        groups = [(order[k : k + PANEL], times) for k in range(0, len(order), PANEL)]
    else:
        groups = _same_times(table, index, order)
    sorting = np.argsort(index, kind="stable")
    bounds = np.searchsorted(index[sorting], np.arange(len(ids) + 1))
    for members, epochs in groups:
        flux = np.full((len(members), len(epochs)), np.nan)
        error = np.full_like(flux, np.nan)
        for row, member in enumerate(members):
            rows = sorting[bounds[member] : bounds[member + 1]]
            place = np.searchsorted(epochs, table.time[rows])
            flux[row, place] = table.flux[rows]
            error[row, place] = table.flux_err[rows]
        yield CurvePanel(ids[members], epochs, flux, error)


def _same_times(table: CurveTable, index: Array, order: Array) -> list[tuple[Array, Array]]:
    """Groups of objects (indices) with the same times, at most PANEL each."""
    sorting = np.lexsort((table.time, index))
    bounds = np.searchsorted(index[sorting], np.arange(len(order) + 1))
    groups: dict[bytes, list[int]] = {}
    for member in order:
        times = np.unique(table.time[sorting[bounds[member] : bounds[member + 1]]])
        groups.setdefault(times.tobytes(), []).append(int(member))
    return [
        (np.array(members[k : k + PANEL]), np.frombuffer(key, np.float64))
        for key, members in groups.items()
        for k in range(0, len(members), PANEL)
    ]


def _of_band(path: Path, columns: dict[str, Array], band: str | None) -> dict[str, Array]:
    bands = np.unique(columns["band"].astype(str))
    if band is None:
        if len(bands) > 1:
            raise TimeseriesError(
                "bands", f"{path}: column 'band' holds {', '.join(bands)}; choose one"
            )
        return columns
    chosen = columns["band"].astype(str) == band
    if not chosen.any():
        raise TimeseriesError("bands", f"{path}: column 'band' has no {band!r}")
    return {name: values[chosen] for name, values in columns.items()}


def _column(path: Path, columns: dict[str, Array], name: str) -> Array:
    if name not in columns:
        raise TimeseriesError(
            "missing_column", f"{path}: has no column {name!r}; it has {_names(columns)}"
        )
    return columns[name]


def _ids(path: Path, columns: dict[str, Array]) -> tuple[Array, Array]:
    """The objects' names, and which rows have one. Text comes as objects from Parquet."""
    ids = _column(path, columns, "object_id")
    if ids.ndim != 1 or (ids.dtype.kind == "O" and not all(isinstance(i, str) for i in ids)):
        raise TimeseriesError(
            "not_ids", f"{path}: column 'object_id' must hold numbers or text, in every row"
        )
    return ids, np.isfinite(ids) if ids.dtype.kind == "f" else np.ones(len(ids), bool)


def _number(path: Path, columns: dict[str, Array], name: str) -> Array:
    values = _column(path, columns, name)
    try:
        return np.asarray(values, np.float64)
    except (TypeError, ValueError) as error:
        raise TimeseriesError("not_numbers", f"{path}: column {name!r} is not numeric") from error


def _day_factor(path: Path, name: str, unit: str) -> float:
    if unit not in DAY_UNITS:
        raise TimeseriesError(
            "unit", f"{path}: column {name!r} is in {unit!r}; times must be in d, h or s"
        )
    return DAY_UNITS[unit]


def _names(columns: dict[str, Array]) -> str:
    return ", ".join(columns) or "no columns"
