"""The state of a partition without a broker: what a worker does with each record, in order."""

from __future__ import annotations

from collections.abc import Iterable

from csstream.alerting.schedule import Schedule
from csstream.contracts.codec import encode
from csstream.contracts.records import ClosedMarker, Measurements, Panel
from csstream.lightcurves import keys
from csstream.lightcurves.entries import stored_value
from csstream.lightcurves.series import Rules, Series
from csstream.lightcurves.state import PartitionState
from csstream.lightcurves.store import MemoryStore

RULES = Rules(Schedule(4, 1.2), confirm_sources=2, confirm_epochs=4)


class CrashError(Exception):
    """The worker has died before it could write."""


def key_of(record: Measurements | ClosedMarker) -> bytes:
    """Return the key of a record in the state."""
    if isinstance(record, Measurements):
        return keys.entry_key(record.cell, record.visit, record.detector)
    return keys.marker_key(record.visit, record.detector)


class Machine:
    """A state, its store, and all panels that it has sent.

    It raises CrashError instead of writing where ``writes_left`` have been done.
    """

    def __init__(
        self, store: MemoryStore | None = None, rules: Rules = RULES, **options: int
    ) -> None:
        self.store = store or MemoryStore()
        self.state = PartitionState(self.store, rules, **options)
        self.panels: list[Panel] = []
        self.writes_left = -1

    def take(self, record: Measurements | ClosedMarker) -> None:
        """Do what the handler does with a record."""
        if self.store.get(key_of(record)) is None:
            if self.state.is_expired(record):
                return
            self.state.check(record)
            self.write([(key_of(record), stored_value(record))])
        self.state.note(record)
        for visit in self.state.closed_beyond_sent():
            self.panels += self.state.cut(visit)
            self.write([(keys.SENT, keys.sent_value(visit))])
            for group in self.state.saves(visit):
                self.write(group)
            self.state.finish(visit)

    def write(self, group: Iterable[tuple[bytes, bytes | None]]) -> None:
        """Put values, and remove keys without one."""
        for key, value in group:
            if self.writes_left == 0:
                raise CrashError
            self.writes_left -= 1
            if value is None:
                self.store.delete(key)
            else:
                self.store.put(key, value)

    def run(self, records: Iterable[Measurements | ClosedMarker]) -> list[bytes]:
        """Take records and return all panels so far."""
        for record in records:
            self.take(record)
        return self.sent()

    def sent(self) -> list[bytes]:
        """Return all panels so far as bytes."""
        return [encode(panel) for panel in self.panels]

    def series(self) -> list[Series]:
        """Return every series in memory or on the store."""
        cells = [self.state.cell(number) for number in self.state.cells()]
        return [series for cell in cells for series in cell.in_order_of_code()]
