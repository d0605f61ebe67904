"""Arrays as compact bytes without loss: bytes of equal weight side by side, then zstd.

The bytes of a column are transposed, so that the first bytes of all its numbers come first, then
all second ones …: neighbours in the sky share exponents and leading digits, which compress, while
the last digits are noise. (The "shuffle" filter of HDF5 and Blosc.) The same arrays give the same
bytes with the same version of zstd.

Layout: format (1 byte), length of the header (u32, little-endian), header, number of columns
(u32); per column the dtype (2 characters), length (u32) and size of its compressed bytes (u32);
then the compressed bytes. Little-endian throughout.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from csstream.contracts.errors import FatalError

Array = npt.NDArray[Any]

FORMAT: Final = 1
_LARGEST: Final = 2**30  # [byte] of a column: 50,000 objects times 2,600 epochs of 8 bytes
_LEVEL: Final = 1  # higher ones gain 1 % and take four times as long
_START = struct.Struct("<BI")
_COUNT = struct.Struct("<I")
_COLUMN = struct.Struct("<2sII")


def pack(header: bytes, columns: Sequence[Array]) -> bytes:
    """Return a header and one-dimensional little-endian columns as bytes."""
    codec = pa.Codec("zstd", compression_level=_LEVEL)
    bodies = [codec.compress(_shuffled(column), asbytes=True) for column in columns]
    entries = [
        _COLUMN.pack(column.dtype.str[1:].encode("ascii"), len(column), len(body))
        for column, body in zip(columns, bodies, strict=True)
    ]
    start = _START.pack(FORMAT, len(header)) + header + _COUNT.pack(len(columns))
    return b"".join([start, *entries, *bodies])


def unpack(value: bytes) -> tuple[bytes, list[Array]]:
    """Return the header and the columns of :func:`pack`; arrays of their own, writeable.

    Raises
    ------
    FatalError
        The bytes are of another format: the state was written by another version.
    """
    try:
        return _unpack(value)
    except (struct.error, ValueError, TypeError, OSError, pa.ArrowException) as error:
        raise FatalError(
            f"{len(value)} bytes of the state cannot be read ({error}): written by another "
            "version? `csstream lightcurves rebuild` makes the state again"
        ) from error


def header_of(value: bytes) -> bytes:
    """Return the header alone."""
    form, length = _START.unpack_from(value)
    if form != FORMAT:
        raise FatalError(f"format {form} of the state is not {FORMAT}: rebuild the state")
    return value[_START.size : _START.size + length]


def _unpack(value: bytes) -> tuple[bytes, list[Array]]:
    header = header_of(value)
    place = _START.size + len(header)
    (count,) = _COUNT.unpack_from(value, place)
    place += _COUNT.size
    body = place + count * _COLUMN.size
    codec = pa.Codec("zstd")
    columns = []
    for _ in range(count):
        code, length, size = _COLUMN.unpack_from(value, place)
        dtype = _dtype(code)
        packed = memoryview(value)[body : body + size]
        columns.append(_restored(codec, packed, dtype, length))
        place, body = place + _COLUMN.size, body + size
    return header, columns


def _dtype(code: bytes) -> np.dtype[Any]:
    if code[:1] not in (b"b", b"i", b"u", b"f") or code[1:] not in (b"1", b"2", b"4", b"8"):
        raise ValueError(f"{code!r} is no type of a column")
    return np.dtype("<" + code.decode("ascii"))


def _shuffled(column: Array) -> bytes:
    planes = np.ascontiguousarray(column).view(np.uint8).reshape(-1, column.dtype.itemsize)
    return planes.T.tobytes()


def _restored(codec: Any, packed: memoryview, dtype: np.dtype[Any], length: int) -> Array:
    if length == 0:
        return np.empty(0, dtype)
    size = length * dtype.itemsize
    if size > _LARGEST:
        raise ValueError(f"a column of {size} bytes")
    planes = np.frombuffer(codec.decompress(packed, size, asbytes=True), np.uint8)
    column = np.empty(length, dtype)
    column.view(np.uint8).reshape(length, dtype.itemsize)[:] = planes.reshape(
        dtype.itemsize, length
    ).T
    return column
