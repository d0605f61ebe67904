"""Names of the Kafka headers: what may differ between two runs travels here, never in a body."""

from __future__ import annotations

from typing import Final

STAGE: Final = "csstream-stage"  # who sent the message
SENT_MS: Final = "csstream-sent-ms"  # Unix time [ms] in text
ANNOUNCED_MS: Final = "csstream-announced-ms"  # broker time of the newest exposure in it [ms]
EXPOSURE_ID: Final = "csstream-exposure-id"
REPLAYED: Final = "csstream-replayed-from"  # topic:partition:offset of the dead letter
REASON: Final = "csstream-reason"  # of a dead letter, so that it shows without decoding
LEFT_OUT: Final = "csstream-left-out"  # of a dead letter: the original was too large to keep

Headers = list[tuple[str, bytes]]


def text_header(name: str, value: object) -> tuple[str, bytes]:
    """A header whose content is text."""
    return name, str(value).encode("utf-8")


def find_header(headers: Headers | tuple[tuple[str, bytes], ...], name: str) -> str | None:
    """Text of the last header called ``name``; None without one or where it is not text."""
    for key, value in reversed(list(headers)):
        if key == name:
            try:
                return value.decode("utf-8")
            except UnicodeDecodeError:
                return None
    return None
