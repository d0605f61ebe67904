"""The points of the curves of one cell and band: about nine bytes each.

Epochs are gathered in an open part and sealed into blocks, which never change any more.
"""

from __future__ import annotations

from dataclasses import fields
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from csstream.lightcurves.blocks import PANEL_OBJECTS, PANELS, WORDS, Block, Points, gather, lay_out

Array = npt.NDArray[Any]


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
        words = self._open["words"].room(WORDS * panels)
        words[:] = 0
        lay_out(
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
            gather(
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
