"""Panels that came in parts are put together again, per partition."""

from __future__ import annotations

import dataclasses
from typing import Any, Final

import numpy as np

from csstream.contracts.errors import InvalidMessageError
from csstream.contracts.records import Panel

MAX_OPEN: Final = 8  # incomplete panels of one partition; the sender keeps at most one open
Name = tuple[int, int, int]  # cell, panel, examination
SAME: Final = ("visit", "closing", "parts", "instrument", "band")
SHARED: Final = ("object_id", "ra", "dec")


class Gatherer:
    """Holds the parts of incomplete panels until the last one arrives.

    The sender writes a panel's parts one after the other and starts again with the first after a
    fault, so a part that comes twice replaces the one before. While a partition is
    :meth:`incomplete` its offsets must not be committed: after a restart the parts come again.
    """

    def __init__(self) -> None:
        self._open: dict[int, dict[Name, dict[int, Panel]]] = {}

    def add(self, partition: int, panel: Panel) -> Panel | None:
        """Return the whole panel when this part completes it, else None.

        Raises
        ------
        InvalidMessageError
            The part number is out of range, or the part does not fit the parts before it.
        """
        if not 0 <= panel.part < panel.parts:
            raise InvalidMessageError(
                "inconsistent", f"{_name(panel)}: part {panel.part} of {panel.parts} parts"
            )
        if panel.parts == 1:
            return panel
        return self._collect(partition, panel)

    def incomplete(self, partition: int) -> bool:
        """Return whether parts of a panel are waiting for others."""
        return bool(self._open.get(partition))

    def drop(self, partition: int) -> None:
        """Forget the parts of a partition that is no longer ours."""
        self._open.pop(partition, None)

    def _collect(self, partition: int, panel: Panel) -> Panel | None:
        waiting = self._open.setdefault(partition, {})
        name = (panel.cell, panel.panel, panel.examination)
        parts = {} if panel.part == 0 else waiting.setdefault(name, {})
        waiting[name] = parts
        parts[panel.part] = panel
        if len(waiting) > MAX_OPEN:
            waiting.pop(next(iter(waiting)))  # its sender will never finish it
        if len(parts) < panel.parts:
            return None
        del waiting[name]
        return join([parts[number] for number in sorted(parts)])


def join(parts: list[Panel]) -> Panel:
    """Return one panel with the epochs of all parts, in their order.

    Raises
    ------
    InvalidMessageError
        The parts disagree about the objects or about what they are parts of.
    """
    first = parts[0]
    for part in parts[1:]:
        same = all(getattr(part, name) == getattr(first, name) for name in SAME)
        if not same or not all(_equal(part, first, name) for name in SHARED):
            raise InvalidMessageError(
                "inconsistent", f"{_name(first)}: part {part.part} does not fit part {first.part}"
            )
    times = ("mjd_mid_tai", "epoch_visit", "epoch_detector")
    matrices = ("flux", "flux_err", "flags")
    joined: dict[str, Any] = {
        name: np.concatenate([getattr(p, name) for p in parts]) for name in times
    }
    joined |= {name: np.concatenate([getattr(p, name) for p in parts], axis=1) for name in matrices}
    return dataclasses.replace(first, part=0, parts=1, **joined)


def _equal(part: Panel, first: Panel, name: str) -> bool:
    return bool(np.array_equal(getattr(part, name), getattr(first, name)))


def _name(panel: Panel) -> str:
    return f"examination {panel.examination} of cell {panel.cell}, panel {panel.panel}"
