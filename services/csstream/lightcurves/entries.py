"""Batches and markers as the state keeps them: whole, and compact.

A batch is kept as its Avro record without rows, and its columns packed beside it: about two
thirds of the bytes that came, and every number of them. A marker is kept as it came.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Final

import numpy as np

from csstream.contracts.codec import decode, encode
from csstream.contracts.records import ClosedMarker, Measurements
from csstream.lightcurves.packing import pack, unpack

_COLUMNS: Final = {
    "object_id": "<i8",
    "ra": "<f8",
    "dec": "<f8",
    "x": "<f8",
    "y": "<f8",
    "x_err": "<f4",
    "y_err": "<f4",
    "flux": "<f4",
    "flux_err": "<f4",
    "probability": "<f4",
    "flags": "<i4",
}
_NO_ROWS: Final[dict[str, Any]] = {name: np.empty(0, dtype) for name, dtype in _COLUMNS.items()}


def stored_value(record: Measurements | ClosedMarker) -> bytes:
    """Return the value that the state keeps of a record."""
    if isinstance(record, ClosedMarker):
        return encode(record)
    columns = [np.asarray(getattr(record, name), dtype) for name, dtype in _COLUMNS.items()]
    return pack(encode(replace(record, **_NO_ROWS)), columns)


def read_batch(value: bytes) -> Measurements:
    """Return the batch of :func:`stored_value`. FatalError: written by another version."""
    header, columns = unpack(value)
    batch = decode(header, Measurements)
    rows: dict[str, Any] = dict(zip(_COLUMNS, columns, strict=True))
    return replace(batch, **rows)
