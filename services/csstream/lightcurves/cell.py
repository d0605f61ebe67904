"""The light curves of one sky cell: a pure function of its batches in order of visit."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from csstream.alerting.schedule import Schedule
from csstream.contracts.records import Measurements
from csstream.contracts.units import AB_ZERO_POINT_NJY
from csstream.lightcurves.columns import RaggedColumns
from csstream.lightcurves.objects import Objects

Array = npt.NDArray[Any]
PANEL_OBJECTS = 128
_EPOCH_BYTES = 128  # about what the description of one epoch takes


@dataclass(frozen=True)
class Rules:
    """What decides which objects there are and when their panels fall due.

    Attributes
    ----------
    schedule : when panels fall due
    confirm_sources, confirm_epochs : a candidate becomes an object when it is seen so many times
        within so many epochs of the cell; with 1 source, every source without an object is one
    """

    schedule: Schedule = field(default_factory=Schedule)
    confirm_sources: int = 3
    confirm_epochs: int = 20


class Due(NamedTuple):
    """A panel that has to be looked at."""

    panel: int
    examination: int  # of this panel, from 1
    closing: bool


class Points(NamedTuple):
    """One recent epoch: the rows that belong to an object or a candidate."""

    slot: Array  # int32, row of the object table
    flux: Array  # float32 [nJy]
    flux_err: Array  # float32 [nJy]
    flags: Array  # int32


class Cell:
    """Objects, curves and examinations of one cell up to some visit."""

    def __init__(self, cell: int, rules: Rules) -> None:
        self.cell = cell
        self.rules = rules
        self.objects = Objects(cell, rules.confirm_sources, rules.confirm_epochs)
        self.visits: list[int] = []
        self.detectors: list[int] = []
        self.times: list[float] = []  # [day] MJD TAI
        self.instrument = self.band = ""
        self.reference_version = self.model = ""  # of the latest batch
        self.ignored = 0  # batches of another instrument or band
        self._settled = RaggedColumns()  # epochs whose points can no longer change their object
        self._recent: deque[Points] = deque()
        self._recent_columns: RaggedColumns | None = None  # made when a panel is cut
        self._examinations: dict[int, int] = {}
        self._open = False  # epochs since the last end of a sequence

    @property
    def epochs(self) -> int:
        """Number of epochs taken in."""
        return len(self.visits)

    @property
    def nbytes(self) -> int:
        """Memory held, about [byte]."""
        recent = sum(16 * len(points.slot) for points in self._recent)
        return self._settled.nbytes + recent + self.objects.nbytes + _EPOCH_BYTES * self.epochs

    def replay(self, batches: Iterable[Measurements], closings: Sequence[int]) -> None:
        """Take in batches ordered by (visit, detector), and ends of sequences, up to now."""
        waiting = deque(sorted(closings))
        for visit, group in groupby(batches, key=lambda batch: batch.visit):
            while waiting and waiting[0] < visit:
                self.advance([], closing=True)
                waiting.popleft()
            closing = bool(waiting) and waiting[0] == visit
            if closing:
                waiting.popleft()
            self.advance(list(group), closing=closing)
        if waiting:  # only the first of several ends closes anything
            self.advance([], closing=True)

    def advance(self, batches: Sequence[Measurements], *, closing: bool) -> list[Due]:
        """Take in all batches of the next visit; return the panels that fall due with it."""
        before = self.epochs
        for batch in sorted(batches, key=lambda batch: batch.detector):
            self._absorb(batch)
        self._open = self._open or self.epochs > before
        closes, self._open = closing and self._open, self._open and not closing
        return [
            self._examine(panel, closes)
            for panel in self.panels()
            if closes or self.rules.schedule.due(self.cell, panel, before, self.epochs)
        ]

    def panels(self) -> list[int]:
        """Return the panels that have objects, in order."""
        numbers = self.objects["number"]
        return [int(panel) for panel in np.unique((numbers[numbers > 0] - 1) // PANEL_OBJECTS)]

    def rows(self, first: int, n: int, epochs: Array) -> tuple[Array, Array, Array]:
        """Return flux, error (float32 [nJy]) and flags (int32) of numbers first … first + n - 1.

        All (n, len(epochs)); nan where there is no point.
        """
        known = self._settled.epochs
        settled = self._settled.rows(first, n, epochs)
        late = np.flatnonzero(epochs >= known)
        recent = self._columns_of_recent().rows(first, n, epochs[late] - known)
        for whole, part in zip(settled, recent, strict=True):
            whole[:, late] = part
        return settled

    def _examine(self, panel: int, closing: bool) -> Due:
        examination = self._examinations[panel] = self._examinations.get(panel, 0) + 1
        return Due(panel, examination, closing)

    def _absorb(self, batch: Measurements) -> None:
        if not self._accepts(batch):
            self.ignored += 1
            return
        epoch = self.epochs
        self.visits.append(batch.visit)
        self.detectors.append(batch.detector)
        self.times.append(batch.mjd_mid_tai)
        self.reference_version, self.model = batch.reference_version, batch.model
        slots = self.objects.take(batch, epoch)
        self._remember(batch, slots)
        if epoch % self.rules.confirm_epochs == 0:
            self._compact(epoch)

    def _accepts(self, batch: Measurements) -> bool:
        """Curves hold one band of one instrument: that of the cell's first batch."""
        if not self.epochs:
            self.instrument, self.band = batch.instrument, batch.band
        return (self.instrument, self.band) == (batch.instrument, batch.band)

    def _remember(self, batch: Measurements, slots: Array) -> None:
        used = slots >= 0
        to_njy = 10.0 ** (0.4 * (AB_ZERO_POINT_NJY - batch.zero_point))
        flux, err = (
            (column[used].astype(float) * to_njy).astype(np.float32)
            for column in (batch.flux, batch.flux_err)
        )
        self._recent.append(Points(slots[used], flux, err, batch.flags[used].astype(np.int32)))
        self._recent_columns = None
        while len(self._recent) > self.rules.confirm_epochs:
            _append_numbered(self._settled, self._recent.popleft(), self.objects["number"])

    def _columns_of_recent(self) -> RaggedColumns:
        if self._recent_columns is None:
            self._recent_columns = RaggedColumns()
            for points in self._recent:
                _append_numbered(self._recent_columns, points, self.objects["number"])
        return self._recent_columns

    def _compact(self, epoch: int) -> None:
        renumbered = self.objects.compact(epoch)
        if renumbered is not None:
            self._recent = deque(
                points._replace(slot=renumbered[points.slot]) for points in self._recent
            )
            self._recent_columns = None


def _append_numbered(columns: RaggedColumns, points: Points, number_of_slot: Array) -> None:
    """Add the points of an epoch that belong to objects with a number."""
    number = number_of_slot[points.slot]
    own = number > 0
    columns.append(number[own], points.flux[own], points.flux_err[own], points.flags[own])
