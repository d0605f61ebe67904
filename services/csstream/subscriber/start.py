"""Where a subscriber starts to read: earliest, latest or a moment."""

from __future__ import annotations

import math
from datetime import UTC, datetime

EARLIEST = "earliest"
LATEST = "latest"


def parse_start(text: str | datetime) -> str | int:
    """Return ``earliest``, ``latest``, or a moment in milliseconds since 1970 (UTC).

    ``text`` is one of the two words or an ISO 8601 time such as ``2026-11-22`` or
    ``2026-11-22T10:00:00Z``; a time without an offset is UTC. It is compared with the broker's
    time stamp of the alert (when it was sent), not with the time of an exposure.

    Raises
    ------
    ValueError
        ``text`` is none of these.
    """
    if isinstance(text, str):
        if text in (EARLIEST, LATEST):
            return text
        text = _parse_time(text)
    moment = text if text.tzinfo is not None else text.replace(tzinfo=UTC)
    return math.floor(moment.timestamp() * 1000)


def _parse_time(text: str) -> datetime:
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        raise ValueError(
            f"cannot start at {text!r}: give earliest, latest or a time such as "
            "2026-11-22T10:00:00Z"
        ) from None
