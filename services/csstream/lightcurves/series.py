"""The curves of one cell in one band: objects, points and examinations up to some visit."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt

from csstream.alerting.schedule import Schedule
from csstream.association.objects import CANDIDATE, OBJECT_BITS, Objects
from csstream.association.rules import CONFIRM_EPOCHS, CONFIRM_SOURCES
from csstream.contracts.records import Measurements
from csstream.contracts.units import AB_ZERO_POINT_NJY
from csstream.lightcurves.blocks import PANELS, Block, Points
from csstream.lightcurves.curves import Curves
from csstream.lightcurves.retention import Retention

Array = npt.NDArray[Any]
CELL_BITS: Final = 28  # of a HEALPix number of order 12


@dataclass(frozen=True)
class Rules:
    """What decides which objects there are and when their panels fall due.

    Attributes
    ----------
    schedule : when panels fall due
    confirm_sources, confirm_epochs : a candidate becomes an object when it is seen so many times
        within so many epochs of the series; with 1 source, every source without an object is one
    retention : how much of a curve is kept
    """

    schedule: Schedule = field(default_factory=Schedule)
    confirm_sources: int = CONFIRM_SOURCES
    confirm_epochs: int = CONFIRM_EPOCHS
    retention: Retention = field(default_factory=Retention)


class SeriesKey(NamedTuple):
    """What must be the same for points to belong to one curve.

    The family of the reference catalogue is part of it: its rebuilds keep the numbers of their
    stars, another catalogue numbers them anew.
    """

    instrument: str
    band: str
    reference_family: str


class Due(NamedTuple):
    """A panel that has to be looked at."""

    panel: int  # of this series
    examination: int  # of this panel, from 1
    closing: bool


class Look(NamedTuple):
    """The last look at a panel."""

    examination: int
    epochs: int  # of the series at that time


class Waiting(NamedTuple):
    """Points of candidates; all (n,)."""

    slot: Array  # int32
    epoch: Array  # int32
    points: Points

    def select(self, rows: Array) -> Waiting:
        """Return the rows chosen by a mask."""
        return Waiting(self.slot[rows], self.epoch[rows], self.points.select(rows))


def nothing_waits() -> Waiting:
    """Return the points of no candidate."""
    none, flux = np.empty(0, np.int32), np.empty(0, np.float32)
    return Waiting(none, none, Points(flux, flux, none))


class Series:
    """A pure function of the batches of its key, in order of visit.

    ``code`` tells the series of one cell apart: it goes into panel numbers and object ids.
    """

    def __init__(self, cell: int, code: int, key: SeriesKey, rules: Rules) -> None:
        self.cell = cell
        self.code = code
        self.key = key
        self.rules = rules
        self.objects = Objects(cell, rules.confirm_sources, rules.confirm_epochs)
        self.curves = Curves()
        self.visit = 0  # the last one taken in
        self.model = ""  # of the latest batch
        self.reference_version = ""  # of the latest batch
        self.open = False  # epochs since the last end of a sequence
        self.looks: dict[int, Look] = {}
        self.waiting = nothing_waits()
        self.saved = 0  # epochs up to the last checkpoint
        self.saved_visit = 0  # of the last checkpoint; 0: there is none
        self.dropped_visit = 0  # the last visit that fell out of retention
        self.expired: list[tuple[int, Block]] = []  # first epoch and block, to be removed
        self._kept: Array | None = None

    @property
    def epochs(self) -> int:
        """Number of epochs taken in, those no longer held counted."""
        return self.curves.epochs

    @property
    def nbytes(self) -> int:
        """Memory held, about [byte]."""
        return self.curves.nbytes + self.objects.nbytes + 20 * len(self.waiting.slot)

    def panels(self) -> list[int]:
        """Return the panels that have objects, in order."""
        return sorted(self.curves.panels)

    def published_panel(self, panel: int) -> int:
        """Return the number of a panel that no other series of the cell uses."""
        return self.code * PANELS + panel

    def object_ids(self, number: Array) -> Array:
        """Return the ids of object numbers, int64."""
        first = (self.code << CELL_BITS | self.cell) << OBJECT_BITS
        return first + number.astype(np.int64)

    def kept(self) -> Array:
        """Return the epochs (int64, from the first one) that panels hold, in order of time."""
        if self._kept is None:
            held = (self.curves.held(name) for name in ("time", "visit", "detector"))
            self._kept = self.rules.retention.kept(*held)
        return self._kept + self.curves.dropped

    def advance(self, visit: int, batches: list[Measurements], *, closing: bool) -> list[Due]:
        """Take in the batches of the next visit, by detector; return the panels now due."""
        if visit <= self.visit:
            return []
        before, self.visit = self.epochs, visit
        for batch in batches:
            self._absorb(batch)
        self.open = self.open or self.epochs > before
        closes, self.open = closing and self.open, self.open and not closing
        if not closes and self.epochs == before:
            return []
        return [self._look(panel, closes) for panel in self.panels()
                if closes or self._is_due(panel, before)]  # fmt: skip

    def seal(self) -> None:
        """Close the open epochs into a block, and drop the blocks that are out of retention."""
        self.curves.seal()
        if self.rules.retention.unlimited or not self.curves.blocks:
            return
        oldest = int(self.kept().min())
        while self.curves.dropped + self.curves.blocks[0].epochs <= oldest:
            first, gone = self.curves.dropped, self.curves.drop_first()
            self.expired.append((first, gone.without_points()))
            self.dropped_visit = int(gone.visit[-1])
            self._kept = None

    def _is_due(self, panel: int, before: int) -> bool:
        """By the schedule; where curves no longer grow, after the same share of their length."""
        published, now = self.published_panel(panel), self.epochs
        if self.rules.schedule.due(self.cell, published, before, now):
            return True
        kept = len(self.kept()) if not self.rules.retention.unlimited else now
        if kept == now or panel not in self.looks:
            return False
        return now - self.looks[panel].epochs >= (self.rules.schedule.growth - 1.0) * kept

    def _look(self, panel: int, closing: bool) -> Due:
        examination = self.looks[panel].examination + 1 if panel in self.looks else 1
        self.looks[panel] = Look(examination, self.epochs)
        return Due(panel, examination, closing)

    def _absorb(self, batch: Measurements) -> None:
        epoch, self.model, self._kept = self.epochs, batch.model, None
        self.reference_version = batch.reference_version
        slots = self.objects.take(batch, epoch)
        number = np.where(slots >= 0, self.objects["number"][slots], 0)
        points, own = _points(batch), number > 0
        self.curves.append(
            batch.visit, batch.detector, batch.mjd_mid_tai, number[own], points.select(own)
        )
        new = number == CANDIDATE
        self._wait(slots[new], epoch, points.select(new))
        if epoch % self.rules.confirm_epochs == 0:
            self._compact()

    def _wait(self, slot: Array, epoch: int, points: Points) -> None:
        """Keep points of candidates; give points of new objects to their curves."""
        known = self.waiting
        number = self.objects["number"][known.slot]
        found, still = known.select(number > 0), known.select(number == CANDIDATE)
        if len(found.slot):
            self.curves.append_late(number[number > 0], found.epoch, found.points)
        self.waiting = Waiting(
            np.concatenate([still.slot, slot]),
            np.concatenate([still.epoch, np.full(len(slot), epoch, np.int32)]),
            Points(*map(np.concatenate, zip(still.points, points, strict=True))),
        )

    def _compact(self) -> None:
        renumbered = self.objects.compact()
        if renumbered is not None:
            self.waiting = self.waiting._replace(slot=renumbered[self.waiting.slot])


def _points(batch: Measurements) -> Points:
    to_njy = 10.0 ** (0.4 * (AB_ZERO_POINT_NJY - batch.zero_point))
    flux, err = (
        (column.astype(float) * to_njy).astype(np.float32)
        for column in (batch.flux, batch.flux_err)
    )
    return Points(flux, err, batch.flags.astype(np.int32))
