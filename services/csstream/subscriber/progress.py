"""Which alerts of a group are done, so that a restart goes on at the first that is not."""

from __future__ import annotations

from collections import OrderedDict
from typing import Final

REMEMBERED: Final = 200_000  # alert ids: some 30 MB


class Progress:
    """Offsets handed out and not yet done, per partition; alerts may be done in any order."""

    def __init__(self) -> None:
        self._place: dict[str, tuple[int, int]] = {}
        self._open: dict[int, set[int]] = {}
        self._next: dict[int, int] = {}

    def handed_out(self, alert_id: str, partition: int, offset: int) -> None:
        """Note that an alert was given to the subscriber."""
        self._place[alert_id] = (partition, offset)
        self._open.setdefault(partition, set()).add(offset)
        self._next[partition] = max(offset + 1, self._next.get(partition, 0))

    def passed(self, partition: int, offset: int) -> None:
        """Note that a record needs no one's attention (filtered out, repeated, unreadable)."""
        self._next[partition] = max(offset + 1, self._next.get(partition, 0))

    def done(self, alert_id: str) -> tuple[int, int]:
        """Return (partition, offset to go on from) after this alert is done.

        Raises
        ------
        KeyError
            The alert was not handed out here, or was done before.
        """
        partition, offset = self._place.pop(alert_id)
        still_open = self._open[partition]
        still_open.discard(offset)
        return partition, min(still_open, default=self._next[partition])


class Seen:
    """Alert ids seen lately; remembers the last ``size`` of them."""

    def __init__(self, size: int = REMEMBERED) -> None:
        self._size = size
        self._ids: OrderedDict[str, None] = OrderedDict()

    def repeated(self, alert_id: str) -> bool:
        """Return whether the id was seen before, and remember it."""
        known = alert_id in self._ids
        self._ids[alert_id] = None
        self._ids.move_to_end(alert_id)
        if len(self._ids) > self._size:
            self._ids.popitem(last=False)
        return known
