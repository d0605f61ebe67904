"""Columns: arrays as Avro ``bytes``, little-endian, with dtype and shape in the schema.

A field with ``csstream_dtype`` is a column; ``csstream_shape`` names its dimensions (``n``,
``n,m``) or fixes them (``201``). A dimension has one length throughout a record.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from csstream.contracts.errors import InvalidMessageError

Field = dict[str, Any]
Array = npt.NDArray[Any]


class Dimensions:
    """The lengths of a record's named dimensions, fixed by the first column that has each."""

    def __init__(self, record: str) -> None:
        self._record = record
        self._lengths: dict[str, int] = {}

    def shape_of(self, field: Field, count: int) -> tuple[int, ...]:
        """Shape of a column of ``count`` items; InvalidMessageError where it does not fit."""
        names = str(field["csstream_shape"]).split(",")
        if len(names) == 1:
            self._lengths.setdefault(names[0], int(names[0]) if names[0].isdigit() else count)
        shape = tuple(self._length(name, field) for name in names)
        if math.prod(shape) != count:
            raise InvalidMessageError(
                "column_length",
                f"{self._record}.{field['name']} has {count} items where the other columns "
                f"ask for {' x '.join(map(str, shape))}",
            )
        return shape

    def _length(self, name: str, field: Field) -> int:
        if name not in self._lengths:
            raise InvalidMessageError(
                "column_length", f"nothing gives the length {name} of {field['name']}"
            )
        return self._lengths[name]


def to_bytes(value: Any, field: Field, dimensions: Dimensions) -> bytes:
    """Bytes of a column. InvalidMessageError for a wrong shape, type or value."""
    dtype = np.dtype(field["csstream_dtype"])
    given = np.asarray(value)
    shape = dimensions.shape_of(field, given.size)
    if given.shape != shape:
        raise InvalidMessageError(
            "column_length", f"{field['name']} has shape {given.shape}, not {shape}"
        )
    column = _cast(given, dtype, str(field["name"]))
    check_range(column, field)
    return column.tobytes()


def from_bytes(data: bytes | str, field: Field, dimensions: Dimensions) -> Array:
    """The array of a column, its own and writable: kernels compiled for such arrays take it."""
    if isinstance(data, str):  # how fastavro gives the default of a field that was not written
        data = data.encode("latin-1")
    dtype = np.dtype(field["csstream_dtype"])
    count, rest = divmod(len(data), dtype.itemsize)
    if rest:
        raise InvalidMessageError(
            "column_length",
            f"{field['name']} has {len(data)} bytes, not a multiple of {dtype.itemsize}",
        )
    shape = dimensions.shape_of(field, count)
    column: Array = np.frombuffer(data, dtype).astype(dtype.newbyteorder("="), copy=True)
    check_range(column, field)
    return column.reshape(shape)


def check_range(column: Array, field: Field) -> None:
    """Raise InvalidMessageError for an array with values outside what ``field`` allows.

    ``csstream_finite`` excludes nan and infinity; ``csstream_min`` and ``csstream_max`` are the
    ends of the range and let nan pass.
    """
    low, high = field.get("csstream_min"), field.get("csstream_max")
    if column.size == 0:
        return
    if field.get("csstream_finite") and not np.isfinite(column).all():
        raise _out_of_range(column[~np.isfinite(column)].flat[0], field)
    if low is not None and (column < low).any():
        raise _out_of_range(column[column < low].flat[0], field)
    if high is not None and (column > high).any():
        raise _out_of_range(column[column > high].flat[0], field)


def check_number(value: float, field: Field) -> None:
    """As ``check_range``, for one number."""
    low, high = field.get("csstream_min"), field.get("csstream_max")
    if (
        (low is not None and value < low)
        or (high is not None and value > high)
        or (field.get("csstream_finite") and not math.isfinite(value))
    ):
        raise _out_of_range(value, field)


def _out_of_range(value: Any, field: Field) -> InvalidMessageError:
    return InvalidMessageError(
        "value_range", f"{field['name']} is {value}, allowed is {_allowed(field)}"
    )


def _allowed(field: Field) -> str:
    low, high = field.get("csstream_min", "-inf"), field.get("csstream_max", "inf")
    return f"[{low}, {high}]" + (" and finite" if field.get("csstream_finite") else "")


def _cast(given: Array, dtype: np.dtype[Any], name: str) -> Array:
    """``given`` as ``dtype`` where nothing but precision is lost, with one kind of nan."""
    whole = given.dtype.kind in "bui" and dtype.kind in "ui"  # may fit: compared below
    if given.size and not whole and not np.can_cast(given.dtype, dtype, "same_kind"):
        raise InvalidMessageError("column_type", f"{name} is {given.dtype}, not {dtype}")
    with np.errstate(over="ignore", invalid="ignore"):
        column = np.ascontiguousarray(given.astype(dtype))
    if dtype.kind in "ui" and not np.array_equal(column, given):
        raise InvalidMessageError("column_type", f"{name} has values that {dtype} cannot hold")
    if dtype.kind == "f":
        column[np.isnan(column)] = np.nan  # the same bytes on every processor
    return column
