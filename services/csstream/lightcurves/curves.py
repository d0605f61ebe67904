"""The points of the curves of one cell and band: about nine bytes each.

Objects lie in panels of 128 lanes. An epoch says in two 64-bit words per panel which lanes have a
point, and where the panel's points begin; flux and error follow each other in that order as they
came (float32), flags in as few bytes as they fit. A point whose object was still a candidate in
its epoch is kept apart, with its epoch (*late*): an object has two or three of them.

Epochs are gathered in an open part and sealed into blocks, which never change any more.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt
from numba import njit

Array = npt.NDArray[Any]

PANEL_OBJECTS: Final = 128
PANELS: Final = (1 << 20) // PANEL_OBJECTS  # of all numbers that an object may have
_WORDS: Final = PANEL_OBJECTS // 64


class Points(NamedTuple):
    """Points of one epoch, or of several; all (n,)."""

    flux: Array  # float32 [nJy]
    flux_err: Array  # float32 [nJy]
    flags: Array  # int32

    def select(self, rows: Array) -> Points:
        """Return the rows chosen by a mask or by indices."""
        return Points(*(column[rows] for column in self))


@dataclass(frozen=True, kw_only=True, eq=False)
class Block:
    """Consecutive epochs (n,) of one series, and late points found during them."""

    visit: Array  # int64 (n,)
    detector: Array  # int32 (n,)
    time: Array  # float64 (n,) [day] MJD TAI
    panels: Array  # int32 (n + 1,): where each epoch's panels begin in `words` and `start`
    words: Array  # uint64 (2 * panels,): lanes with a point, lowest bit first
    start: Array  # uint32 (panels,): the first point of each
    flux: Array  # float32 (points,) [nJy]
    flux_err: Array  # float32 (points,) [nJy]
    flags: Array  # uint8, uint16 or int32 (points,)
    late_lane: Array  # int32 (late,): 128 * place of the panel + lane
    late_epoch: Array  # int32 (late,): counted from the first epoch of the series
    late_flux: Array  # float32 (late,)
    late_err: Array  # float32 (late,)
    late_flags: Array  # int32 (late,)

    @property
    def epochs(self) -> int:
        """Number of epochs."""
        return len(self.visit)

    @property
    def points(self) -> int:
        """Number of points."""
        return len(self.flux) + len(self.late_flux)

    @property
    def nbytes(self) -> int:
        """Memory held [byte]."""
        return sum(column.nbytes for column in self.columns())

    def without_points(self) -> Block:
        """Return the block with its epochs alone."""
        epochs = {"visit", "detector", "time"}
        return replace(
            self,
            **{e.name: getattr(self, e.name)[:0] for e in fields(self) if e.name not in epochs},
        )

    def columns(self) -> list[Array]:
        """Return all columns in the order of the class."""
        return [getattr(self, entry.name) for entry in fields(self)]


class _Growing:
    """A column that grows at its end; a view into it is valid until it grows again."""

    def __init__(self, dtype: npt.DTypeLike) -> None:
        self._data = np.empty(0, dtype)
        self.size = 0

    @property
    def view(self) -> Array:
        return self._data[: self.size]

    @property
    def nbytes(self) -> int:
        return int(self._data.nbytes)

    def room(self, n: int) -> Array:
        """Return n more rows, to be filled."""
        first, self.size = self.size, self.size + n
        if len(self._data) < self.size:
            grown = np.empty(max(self.size, 5 * len(self._data) // 4), self._data.dtype)
            grown[:first] = self._data[:first]
            self._data = grown
        return self._data[first : self.size]


_DTYPES: Final = {
    "visit": np.int64,
    "detector": np.int32,
    "time": np.float64,
    "panels": np.int32,
    "words": np.uint64,
    "start": np.uint32,
    "flux": np.float32,
    "flux_err": np.float32,
    "flags": np.int32,
    "late_lane": np.int32,
    "late_epoch": np.int32,
    "late_flux": np.float32,
    "late_err": np.float32,
    "late_flags": np.int32,
}


class Curves:
    """Blocks, and the open epochs after them.

    ``panels`` are the panel numbers in order of appearance; the place of a panel in this list is
    what blocks count with. ``dropped`` epochs at the beginning are no longer held.
    """

    def __init__(self) -> None:
        self.panels: list[int] = []
        self.blocks: list[Block] = []
        self.dropped = 0
        self._place = np.full(PANELS, -1, np.int32)
        self._sealed = 0  # epochs in blocks
        self._open = _new_columns()

    @property
    def epochs(self) -> int:
        """Number of epochs, those that were dropped counted."""
        return self.sealed + self.open_epochs

    @property
    def sealed(self) -> int:
        """Number of epochs up to the last block's end, those that were dropped counted."""
        return self.dropped + self._sealed

    @property
    def open_epochs(self) -> int:
        """Epochs after the last block."""
        return self._open["visit"].size

    @property
    def open_points(self) -> int:
        """Points after the last block."""
        return self._open["flux"].size + self._open["late_flux"].size

    @property
    def nbytes(self) -> int:
        """Memory held [byte]."""
        grown = sum(column.nbytes for column in self._open.values())
        return sum(block.nbytes for block in self.blocks) + grown + self._place.nbytes

    def held(self, name: str) -> Array:
        """Return ``visit``, ``detector`` or ``time`` of all epochs held, in order of visit."""
        parts = [getattr(block, name) for block in self.blocks]
        return np.concatenate([*parts, self._open[name].view])

    def append(self, visit: int, detector: int, time: float, number: Array, points: Points) -> None:
        """Add an epoch with the points of the objects ``number``, each at most once."""
        for name, value in (("visit", visit), ("detector", detector), ("time", time)):
            self._open[name].room(1)[0] = value
        lane = self._lanes(number)
        panels, n = len(self.panels), len(number)
        first = self._open["flux"].size
        self._open["panels"].room(1)[0] = self._open["start"].size + panels
        words = self._open["words"].room(_WORDS * panels)
        words[:] = 0
        _lay_out(
            lane, *points, first, words, self._open["start"].room(panels),
            self._open["flux"].room(n), self._open["flux_err"].room(n),
            self._open["flags"].room(n),
        )  # fmt: skip

    def append_late(self, number: Array, epoch: Array, points: Points) -> None:
        """Add points of earlier epochs, or of the last one."""
        columns = (self._lanes(number), epoch, *points)
        for name, values in zip(_LATE, columns, strict=True):
            self._open[name].room(len(number))[:] = values

    def seal(self) -> Block | None:
        """Close the open epochs into a block and return it; None: there are none."""
        if not self.open_epochs:
            return None
        block = self._open_block()
        exact = {e.name: np.array(getattr(block, e.name)) for e in fields(block)}
        exact["flags"] = _narrow(exact["flags"])
        self.blocks.append(Block(**exact))
        self._sealed += block.epochs
        self._open = _new_columns()
        return self.blocks[-1]

    def drop_first(self) -> Block:
        """Forget the first block and return it."""
        block = self.blocks.pop(0)
        self.dropped += block.epochs
        self._sealed -= block.epochs
        return block

    def restore(self, panels: list[int], dropped: int, blocks: list[Block]) -> None:
        """Take over what :meth:`seal` made before."""
        self.panels, self.dropped, self.blocks = panels, dropped, blocks
        self._place[panels] = np.arange(len(panels), dtype=np.int32)
        self._sealed = sum(block.epochs for block in blocks)

    def rows(self, panel: int, epochs: Array) -> Points:
        """Return flux, error (nan: no point) and flags of a panel's 128 lanes.

        All (128, len(epochs)), columns in the order of ``epochs``, which count from the first
        epoch of the series and must be held.
        """
        shape = (PANEL_OBJECTS, len(epochs))
        out = Points(
            np.full(shape, np.nan, np.float32),
            np.full(shape, np.nan, np.float32),
            np.zeros(shape, np.int32),
        )
        column = np.full(self.epochs - self.dropped, -1, np.int32)
        column[epochs - self.dropped] = np.arange(len(epochs), dtype=np.int32)
        place, first = int(self._place[panel]), 0
        for block in (*self.blocks, self._open_block()):
            mine = column[first : first + block.epochs]
            first += block.epochs
            _gather(
                place, mine, block.panels, block.words, block.start,
                block.flux, block.flux_err, block.flags, *out,
            )  # fmt: skip
            _gather_late(block, place, column, self.dropped, out)
        return out

    def _open_block(self) -> Block:
        return Block(**{name: column.view for name, column in self._open.items()})

    def _lanes(self, number: Array) -> Array:
        """Return the lanes of object numbers, giving new panels their place."""
        panel = (number - 1) // PANEL_OBJECTS
        new = np.unique(panel[self._place[panel] < 0])
        self._place[new] = len(self.panels) + np.arange(len(new), dtype=np.int32)
        self.panels += [int(each) for each in new]
        lanes: Array = self._place[panel] * PANEL_OBJECTS + (number - 1) % PANEL_OBJECTS
        return lanes


_LATE: Final = ("late_lane", "late_epoch", "late_flux", "late_err", "late_flags")


def _new_columns() -> dict[str, _Growing]:
    columns = {name: _Growing(dtype) for name, dtype in _DTYPES.items()}
    columns["panels"].room(1)[0] = 0
    return columns


def _narrow(flags: Array) -> Array:
    if len(flags) and flags.min() < 0:
        return flags
    largest = int(flags.max(initial=0))
    for dtype in (np.uint8, np.uint16):
        if largest <= np.iinfo(dtype).max:
            return flags.astype(dtype)
    return flags


def _gather_late(block: Block, place: int, column: Array, dropped: int, out: Points) -> None:
    mine = np.flatnonzero(block.late_lane // PANEL_OBJECTS == place)
    if not len(mine):
        return
    mine = mine[block.late_epoch[mine] >= dropped]
    at = column[block.late_epoch[mine] - dropped]
    mine, at = mine[at >= 0], at[at >= 0]
    lane = block.late_lane[mine] % PANEL_OBJECTS
    late = (block.late_flux, block.late_err, block.late_flags)
    for whole, values in zip(out, late, strict=True):
        whole[lane, at] = values[mine]


@njit(cache=True, nogil=True)
def _lay_out(
    lane: Array,
    flux: Array,
    flux_err: Array,
    flags: Array,
    first: int,
    words: Array,
    start: Array,
    out_flux: Array,
    out_err: Array,
    out_flags: Array,
) -> None:
    """Write the points of one epoch in order of lane; ``words`` must be zero."""
    source = np.empty(128 * len(start), np.int32)
    for i in range(len(lane)):
        source[lane[i]] = i
        words[lane[i] >> 6] |= np.uint64(1) << np.uint64(lane[i] & 63)
    k = 0
    for panel in range(len(start)):
        start[panel] = first + k
        for at in range(128 * panel, 128 * panel + 128):
            if words[at >> 6] >> np.uint64(at & 63) & np.uint64(1):
                i = source[at]
                out_flux[k], out_err[k], out_flags[k] = flux[i], flux_err[i], flags[i]
                k += 1


@njit(cache=True, nogil=True)
def _gather(
    place: int,
    column: Array,
    panels: Array,
    words: Array,
    start: Array,
    flux: Array,
    flux_err: Array,
    flags: Array,
    out_flux: Array,
    out_err: Array,
    out_flags: Array,
) -> None:
    """Write the points of one panel into the columns given by epoch (-1: not wanted)."""
    for epoch in range(len(column)):
        at, panel = column[epoch], panels[epoch] + place
        if at < 0 or panel >= panels[epoch + 1]:
            continue
        k = start[panel]
        for half in range(2):
            word = words[2 * panel + half]
            lane = 64 * half
            while word:
                if word & np.uint64(1):
                    out_flux[lane, at] = flux[k]
                    out_err[lane, at] = flux_err[k]
                    out_flags[lane, at] = flags[k]
                    k += 1
                word >>= np.uint64(1)
                lane += 1
