"""The classifier's memory: the last two verdicts of every panel of the partitions it owns.

The topic ``verdicts`` is the memory's only store. A partition is read from its beginning to its
end when it is assigned, before any of its panels is handled, and forgotten when it is revoked.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Literal, NamedTuple

from csstream.alerting.identity import panel_key, panel_of
from csstream.alerting.mirrors import Neighbourhood, neighbourhood
from csstream.contracts.codec import decode
from csstream.contracts.errors import BadInputError, FatalError
from csstream.contracts.records import Examination, Verdicts

Reader = Callable[[int], Iterable[tuple[bytes, bytes | None]]]


class Past(NamedTuple):
    """What is known of a panel before one of its examinations."""

    standing: Literal["new", "repeat", "stale"]
    predecessor: Examination | None
    same: Examination | None = None  # a repeat: what the examination was remembered as


class Memory:
    """Verdict records by partition and panel key, kept as the bytes that were sent.

    Parameters
    ----------
    read
        Gives the records (key, value) of one partition of ``verdicts`` from its beginning to its
        present end, in order; a value of None erases the key.
    """

    def __init__(self, read: Reader) -> None:
        self._read = read
        self._partitions: dict[int, dict[bytes, bytes]] = {}
        self._cells: dict[int, dict[int, dict[int, Neighbourhood]]] = {}  # partition, cell, panel

    def load(self, partition: int) -> int:
        """Read a partition's verdicts; return how many panels are known in it."""
        panels: dict[bytes, bytes] = {}
        for key, value in self._read(partition):
            if value is None:
                panels.pop(key, None)
            else:
                panels[key] = value
        self._partitions[partition] = panels
        self._cells[partition] = {}
        return len(panels)

    def drop(self, partition: int) -> None:
        """Forget a partition that is no longer ours."""
        self._partitions.pop(partition, None)
        self._cells.pop(partition, None)

    def holds(self, partition: int) -> bool:
        """Return whether the partition's verdicts are loaded."""
        return partition in self._partitions

    def put(self, partition: int, cell: int, panel: int, value: bytes) -> None:
        """Remember the verdict record that was just sent."""
        self._of(partition)[panel_key(cell, panel)] = value
        known = self._cells[partition].get(cell)
        if known is not None:
            known[panel] = neighbourhood(_decode(value, partition, cell, panel).latest)

    def around(self, partition: int, cell: int, panel: int) -> list[Neighbourhood]:
        """Return what the latest looks at a cell's other panels say of neighbours, by panel.

        The panels of a cell come in one order, whatever happens to the services; so what is
        remembered when a new examination is handled is the same in every run.
        """
        cells = self._cells_of(partition)
        if cell not in cells:
            cells[cell] = self._read_cell(partition, cell)
        return [each for number, each in sorted(cells[cell].items()) if number != panel]

    def _cells_of(self, partition: int) -> dict[int, dict[int, Neighbourhood]]:
        self._of(partition)
        return self._cells[partition]

    def _read_cell(self, partition: int, cell: int) -> dict[int, Neighbourhood]:
        found = {}
        for key, value in self._of(partition).items():
            place, panel = panel_of(key)
            if place == cell:
                found[panel] = neighbourhood(_decode(value, partition, cell, panel).latest)
        return found

    def past(self, partition: int, cell: int, panel: int, examination: int) -> Past:
        """Return what to compare an examination with.

        A higher number than the latest is new, and is compared with the latest. The latest again
        is a repeat, and is compared with what it was compared with then. A lower one was handled
        before the latest, which was only sent after everything of the lower one: it is stale.
        """
        value = self._of(partition).get(panel_key(cell, panel))
        if value is None:
            return Past("new", None)
        verdicts = _decode(value, partition, cell, panel)
        if examination > verdicts.latest.examination:
            return Past("new", verdicts.latest)
        if examination == verdicts.latest.examination:
            return Past("repeat", verdicts.previous, verdicts.latest)
        return Past("stale", None)

    def _of(self, partition: int) -> dict[bytes, bytes]:
        try:
            return self._partitions[partition]
        except KeyError:
            raise FatalError(
                f"a panel of partition {partition} came before its verdicts were loaded; "
                "restart the classifier"
            ) from None


def _decode(value: bytes, partition: int, cell: int, panel: int) -> Verdicts:
    try:
        return decode(value, Verdicts)
    except BadInputError as error:
        raise FatalError(
            f"the stored verdict of cell {cell}, panel {panel} (topic verdicts, partition "
            f"{partition}) cannot be read: {error}. Going on without it would repeat alerts; run "
            "the version that wrote it, or delete the record's key with a tombstone"
        ) from error
