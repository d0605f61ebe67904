"""One sky cell: its series of curves, a pure function of its batches in order of visit."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from typing import Final, NamedTuple

from csstream.contracts.records import Measurements
from csstream.lightcurves.series import Due, Rules, Series, SeriesKey

SEALED_EPOCHS: Final = 32  # epochs of a cell between two seals
SEALED_POINTS: Final = 400_000  # at most about so many in one block: 4 MB
MAX_SERIES: Final = 1 << 12  # of one cell


class CellDue(NamedTuple):
    """A panel that has to be looked at, and its series."""

    series: Series
    due: Due


class Cell:
    """All series of one cell up to some visit.

    A series is one instrument, band and reference version: their curves, objects and panels are
    kept apart. Series are numbered (``code``) in the order of their first visit and detector.
    """

    def __init__(self, cell: int, rules: Rules) -> None:
        self.cell = cell
        self.rules = rules
        self.series: dict[SeriesKey, Series] = {}
        self.stale: list[bytes] = []  # keys in the store that no checkpoint names
        self._phase = (cell * 2654435761 >> 12) % SEALED_EPOCHS  # cells seal in different visits

    @property
    def epochs(self) -> int:
        """Number of epochs taken in, of all series."""
        return sum(series.epochs for series in self.series.values())

    @property
    def objects(self) -> int:
        """How many objects have a number."""
        return sum(series.objects.numbered for series in self.series.values())

    @property
    def nbytes(self) -> int:
        """Memory held, about [byte]."""
        return sum(series.nbytes for series in self.series.values())

    def replay(self, batches: Iterable[Measurements], closings: Sequence[int]) -> None:
        """Take in batches ordered by visit, and ends of sequences, up to now."""
        waiting = deque(sorted(closings))
        for visit, group in groupby(batches, key=lambda batch: batch.visit):
            while waiting and waiting[0] < visit:
                self.advance(waiting.popleft(), [], closing=True)
            closing = bool(waiting) and waiting[0] == visit
            if closing:
                waiting.popleft()
            self.advance(visit, list(group), closing=closing)
        for visit in waiting:
            self.advance(visit, [], closing=True)

    def advance(
        self, visit: int, batches: Sequence[Measurements], *, closing: bool
    ) -> list[CellDue]:
        """Take in all batches of the next visit; return the panels that fall due with it."""
        before = self.epochs
        sorted_out: dict[SeriesKey, list[Measurements]] = {}
        for batch in sorted(batches, key=lambda batch: batch.detector):
            key = SeriesKey(batch.instrument, batch.band, batch.reference_family)
            if key in self.series or self._start(key):
                sorted_out.setdefault(key, []).append(batch)
        due = [
            CellDue(series, each)
            for key, series in self.series.items()
            for each in series.advance(visit, sorted_out.get(key, []), closing=closing)
        ]
        if self._is_full(before):
            self.seal()
        return due

    def seal(self) -> None:
        """Close the open epochs of every series into blocks."""
        for series in self.series.values():
            series.seal()

    def in_order_of_code(self) -> Iterator[Series]:
        """Yield the series by code."""
        yield from self.series.values()

    def _start(self, key: SeriesKey) -> bool:
        """Begin a series; False: there are too many, the batch is passed over."""
        code = len(self.series)
        if code < MAX_SERIES:
            self.series[key] = Series(self.cell, code, key, self.rules)
        return code < MAX_SERIES

    def _is_full(self, before: int) -> bool:
        then, now = ((n + self._phase) // SEALED_EPOCHS for n in (before, self.epochs))
        if now > then:
            return True
        return sum(s.curves.open_points for s in self.series.values()) >= SEALED_POINTS
