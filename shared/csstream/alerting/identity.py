"""Deterministic names of alerts: the same examination always gives the same id."""

from __future__ import annotations

import hashlib
import struct

SCHEME = "csstream-alert-1"
ID_BYTES = 16


def alert_id(object_id: int, visit: int, examination: int, reason: str) -> str:
    """Return the id of an alert: 32 lower-case hex digits.

    The id is the first 16 bytes of a SHA-256 over the object, the frontier visit and number of
    the examination that made the alert, and the reason. No time of day is in it, so a panel that
    is examined again gives the same id.
    """
    text = f"{SCHEME}|{object_id}|{visit}|{examination}|{reason}"
    return hashlib.sha256(text.encode("ascii")).hexdigest()[: 2 * ID_BYTES]


def object_key(object_id: int) -> bytes:
    """Return the key of an object on the alert topics: int64, big-endian."""
    return struct.pack(">q", object_id)


def panel_key(cell: int, panel: int) -> bytes:
    """Return the key of a panel: cell as u64 and panel as u32, both big-endian."""
    return struct.pack(">QI", cell, panel)


def panel_of(key: bytes) -> tuple[int, int]:
    """Return cell and panel of a panel's key."""
    cell, panel = struct.unpack(">QI", key)
    return int(cell), int(panel)
