"""Keys of the state: raw, big-endian, so that they sort as numbers and a cell is one prefix.

``E`` + cell u64 + visit u64 + detector u32: one batch of measurements, as it came.
``M`` + visit u64 + detector u32: one closed marker, as it came.
``C`` + cell u64 + series u32: the latest checkpoint of one series of curves.
``T`` + cell u64 + series u32 + visit u64 + part u16: what that checkpoint holds, in parts.
``B`` + cell u64 + series u32 + first epoch u32 + part u16: a block of its points, in parts.
``S``: the partition's sent frontier (visit u64): every panel up to it has been acknowledged.
"""

from __future__ import annotations

import struct
from typing import NamedTuple

ENTRY = b"E"
MARKER = b"M"
SENT = b"S"
BLOCK = b"B"
CHECKPOINT = b"C"
TABLE = b"T"
DERIVED = (BLOCK, CHECKPOINT, TABLE)  # made again from the entries where they are missing

_ENTRY = struct.Struct(">cQQI")
_MARKER = struct.Struct(">cQI")
_BLOCK = struct.Struct(">cQII")
_CHECKPOINT = struct.Struct(">cQI")
_TABLE = struct.Struct(">cQIQ")
_PART = struct.Struct(">H")
_SENT = struct.Struct(">Q")
_PANEL = struct.Struct(">QI")


class EntryKey(NamedTuple):
    """Which batch: everything of one exposure in one cell."""

    cell: int
    visit: int
    detector: int


class MarkerKey(NamedTuple):
    """Which closed marker."""

    visit: int
    detector: int


def entry_key(cell: int, visit: int, detector: int) -> bytes:
    """Return the key of one batch."""
    return _ENTRY.pack(ENTRY, cell, visit, detector)


def cell_prefix(cell: int) -> bytes:
    """Return what the keys of all batches of one cell begin with."""
    return struct.pack(">cQ", ENTRY, cell)


def marker_key(visit: int, detector: int) -> bytes:
    """Return the key of one closed marker."""
    return _MARKER.pack(MARKER, visit, detector)


def checkpoint_key(cell: int, series: int) -> bytes:
    """Return the key of a series' checkpoint."""
    return _CHECKPOINT.pack(CHECKPOINT, cell, series)


def derived_prefix(kind: bytes, cell: int) -> bytes:
    """Return what the keys of all checkpoints, tables or blocks of one cell begin with."""
    return struct.pack(">cQ", kind, cell)


def table_prefix(cell: int, series: int, visit: int) -> bytes:
    """Return what the keys of all parts of a checkpoint's table begin with."""
    return _TABLE.pack(TABLE, cell, series, visit)


def block_prefix(cell: int, series: int, first: int) -> bytes:
    """Return what the keys of all parts of a block begin with; ``first`` is its first epoch."""
    return _BLOCK.pack(BLOCK, cell, series, first)


def part_key(prefix: bytes, part: int) -> bytes:
    """Return the key of one part of a table or block, from 0."""
    return prefix + _PART.pack(part)


def without_part(key: bytes) -> bytes:
    """Return the prefix of :func:`part_key`."""
    return key[: -_PART.size]


def parse_entry_key(key: bytes) -> EntryKey:
    """Return the parts of a batch's key.

    Raises
    ------
    ValueError
        The key is not one of :func:`entry_key`.
    """
    if len(key) != _ENTRY.size or key[:1] != ENTRY:
        raise ValueError(f"{key!r} is not the key of an entry")
    _, cell, visit, detector = _ENTRY.unpack(key)
    return EntryKey(cell, visit, detector)


def parse_marker_key(key: bytes) -> MarkerKey:
    """Return the parts of a marker's key.

    Raises
    ------
    ValueError
        The key is not one of :func:`marker_key`.
    """
    if len(key) != _MARKER.size or key[:1] != MARKER:
        raise ValueError(f"{key!r} is not the key of a closed marker")
    _, visit, detector = _MARKER.unpack(key)
    return MarkerKey(visit, detector)


def sent_value(visit: int) -> bytes:
    """Return the value stored under ``S``."""
    return _SENT.pack(visit)


def parse_sent_value(value: bytes | None) -> int:
    """Return the sent frontier; 0 where nothing has been stored."""
    return 0 if value is None else int(_SENT.unpack(value)[0])


def panel_key(cell: int, panel: int) -> bytes:
    """Return the message key of a panel (topics ``lightcurves`` and ``verdicts``)."""
    return _PANEL.pack(cell, panel)
