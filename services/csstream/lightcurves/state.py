"""The state of one partition: what has arrived, and the panels that follow from it.

The state is the log of what arrived. Everything else is a pure function of the batches and
markers up to the closed frontier, taken visit by visit, whatever the order of arrival: see
``docs/architecture.md`` and the property tests. Nothing here talks to Kafka.
"""

from __future__ import annotations

import struct
from collections import OrderedDict
from collections.abc import Iterator

from csstream.contracts.codec import decode
from csstream.contracts.errors import BadInputError
from csstream.contracts.records import ClosedMarker, Measurements, Panel
from csstream.lightcurves import keys
from csstream.lightcurves.arrivals import Arrivals
from csstream.lightcurves.cell import Cell
from csstream.lightcurves.checkpoint import Write, dropped_visit, load_cell, pending_writes
from csstream.lightcurves.entries import read_batch
from csstream.lightcurves.panels import cut_panel
from csstream.lightcurves.series import Rules
from csstream.lightcurves.store import Store

DEFAULT_CACHE_BYTES = 2 * 1024**3
MARKERS_KEPT = 4096  # visits behind the frontier; with retention, older markers are removed
_PRUNED_EVERY = 64  # visits


class PartitionState:
    """Reads a store, is told what was added to it, and cuts the panels that fall due.

    Parameters
    ----------
    store : the partition's entries, markers and sent frontier
    rules : what decides objects and due panels
    max_panel_bytes : [byte] larger panels are split by epochs
    cache_bytes : [byte] of cells kept in memory; the others are read again when touched
    """

    def __init__(
        self,
        store: Store,
        rules: Rules,
        *,
        max_panel_bytes: int = 4 * 1024**2,
        cache_bytes: int = DEFAULT_CACHE_BYTES,
    ) -> None:
        self.store = store
        self.rules = rules
        self._max_panel_bytes = max_panel_bytes
        self._cache_bytes = cache_bytes
        self._cells: OrderedDict[int, Cell] = OrderedDict()
        self._touched: list[int] = []  # cells of the visit that was cut last
        self._numbered: dict[int, int] = {}  # objects by cell, of the cells touched so far
        self.arrivals = Arrivals(keys.parse_sent_value(store.get(keys.SENT)))
        self._closings: list[int] = []  # ends of sequences up to the sent frontier
        self._load_markers()
        self._open = self._load_entries()  # cells with epochs since the last end of a sequence

    @property
    def sent(self) -> int:
        """The visit up to which every panel has been sent."""
        return self.arrivals.sent

    @property
    def objects(self) -> int:
        """Objects with a number, of the cells touched since the state was made."""
        return sum(self._numbered.values())

    def check(self, record: Measurements | ClosedMarker) -> None:
        """Raise BadInputError for a record that is not in the store and cannot be taken in."""
        visit = record.visit
        if visit <= self.sent:
            raise BadInputError(
                "late_message",
                f"visit {visit} is closed up to {self.sent}: {record.exposure_id} brings "
                "something that was not announced; announce the exposure again as a new visit",
            )
        if isinstance(record, Measurements) and not record.match_radius_arcsec > 0.0:
            raise BadInputError(
                "match_radius",
                f"{record.exposure_id}: match_radius_arcsec is {record.match_radius_arcsec}, "
                "it must be above 0",
            )

    def is_expired(self, record: Measurements | ClosedMarker) -> bool:
        """Say whether a record that is not in the store may have been removed from it."""
        if self.rules.retention.unlimited or record.visit > self.sent:
            return False
        if isinstance(record, ClosedMarker):
            return record.visit <= self.sent - MARKERS_KEPT
        return record.visit <= dropped_visit(record.cell, self.store)

    def note(self, record: Measurements | ClosedMarker) -> None:
        """Count a record that is in the store; doing so again changes nothing."""
        if record.visit <= self.sent:
            return
        visit = self.arrivals.visit(record.visit)
        if isinstance(record, Measurements):
            visit.cells[record.detector].add(record.cell)
        else:
            visit.markers.setdefault(record.detector, record)

    def closed_beyond_sent(self) -> Iterator[int]:
        """Yield closed visits in order; each must be cut and finished before the next."""
        yield from self.arrivals.closed_beyond_sent()

    def cut(self, visit: int) -> Iterator[Panel]:
        """Yield the panels that fall due with ``visit``, the one after the sent frontier.

        A pure function of the entries up to ``visit``: should sending fail, a new state made
        from the same store yields the same panels. The visit can be cut once by one state.
        """
        arrived = self.arrivals.visit(visit)
        entries: dict[int, list[int]] = {}
        for number, detector in arrived.entries():
            entries.setdefault(number, []).append(detector)
        closing = arrived.ends_sequence
        touched = sorted(self._open.union(entries)) if closing else sorted(entries)
        for number in touched:
            cell = self._cell(number)
            batches = [self._batch(number, visit, det) for det in entries.get(number, ())]
            for series, due in cell.advance(visit, batches, closing=closing):
                yield from cut_panel(series, due, visit, self._max_panel_bytes)
            self._numbered[number] = cell.objects
        self._touched = touched
        self._open = set() if closing else self._open.union(entries)
        if closing:
            self._closings.append(visit)

    def saves(self, visit: int) -> Iterator[list[Write]]:
        """Yield groups of records to write when ``visit`` is sent, and known to be.

        Each group must be acknowledged before the next; the state is right without them, and
        they are yielded again at a later visit where writing them failed.
        """
        for number in self._touched:
            yield from pending_writes(self._cell(number), self.store)
        if not self.rules.retention.unlimited and visit % _PRUNED_EVERY == 0:
            yield list(self._old_markers(visit - MARKERS_KEPT))

    def finish(self, visit: int) -> None:
        """The panels of ``visit`` are sent: move the frontier there, and mind the memory."""
        self.arrivals.finish(visit)
        held = sum(cell.nbytes for cell in self._cells.values())
        while held > self._cache_bytes and len(self._cells) > 1:
            held -= self._cells.popitem(last=False)[1].nbytes

    def cell(self, number: int) -> Cell:
        """Return a cell as it is at the sent frontier."""
        return self._cell(number)

    def cells(self) -> list[int]:
        """Return all cells that have entries, in order."""
        return [key.cell for key in self._first_keys(0)]

    def _batch(self, cell: int, visit: int, detector: int) -> Measurements:
        return read_batch(self.store.get(keys.entry_key(cell, visit, detector)) or b"")

    def _cell(self, number: int) -> Cell:
        cell = self._cells.get(number)
        if cell is None:
            cell, saved = load_cell(number, self.rules, self.store)
            closings = [visit for visit in self._closings if visit > saved]
            cell.replay(self._history(number, saved), closings)
            self._cells[number] = cell
        self._cells.move_to_end(number)
        return cell

    def _history(self, cell: int, after: int) -> Iterator[Measurements]:
        """Yield the cell's batches of the visits after ``after`` up to the sent frontier."""
        start = keys.entry_key(cell, after + 1, 0)
        for key, value in self.store.items(keys.cell_prefix(cell), start):
            if keys.parse_entry_key(key).visit > self.sent:
                return
            yield read_batch(value)

    def _old_markers(self, visit: int) -> Iterator[Write]:
        """Yield the removal of markers up to a visit; ends of sequences stay, for replays."""
        for key, value in self.store.items(keys.MARKER):
            if keys.parse_marker_key(key).visit > visit:
                return
            if not decode(value, ClosedMarker).sequence_end:
                yield key, None

    def _load_markers(self) -> None:
        for _, value in self.store.items(keys.MARKER):
            marker = decode(value, ClosedMarker)
            if marker.visit <= self.sent and marker.sequence_end:
                self._closings.append(marker.visit)
            self.note(marker)

    def _load_entries(self) -> set[int]:
        """Note the entries beyond the sent frontier by seeking; return the open cells."""
        for key in self._beyond(self.sent):
            self.arrivals.visit(key.visit).cells[key.detector].add(key.cell)
        closed = self._closings[-1] if self._closings else 0
        return {key.cell for key in self._first_keys(closed) if key.visit <= self.sent}

    def _beyond(self, visit: int) -> Iterator[keys.EntryKey]:
        """Yield the keys of all entries after ``visit``, cell by cell, without reading others."""
        for first in self._first_keys(visit):
            key: keys.EntryKey | None = first
            while key is not None and key.cell == first.cell:
                yield key
                key = self._seek(key.cell, key.visit, key.detector + 1)

    def _first_keys(self, visit: int) -> Iterator[keys.EntryKey]:
        """Yield, for each cell that has entries after ``visit``, the key of the first."""
        cell = 0
        while (found := self._seek(cell, 0, 0)) is not None:
            later = self._seek(found.cell, visit + 1, 0) if found.visit <= visit else found
            if later is not None and later.cell == found.cell:
                yield later
            cell = found.cell + 1

    def _seek(self, cell: int, visit: int, detector: int) -> keys.EntryKey | None:
        try:
            key = self.store.seek(keys.entry_key(cell, visit, detector))
        except struct.error:  # past the largest detector
            key = self.store.seek(keys.entry_key(cell, visit + 1, 0))
        if key is None or key[:1] != keys.ENTRY:
            return None
        return keys.parse_entry_key(key)
