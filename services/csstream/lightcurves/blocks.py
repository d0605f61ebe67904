"""Blocks of light-curve points, and the kernels that write and read them.

Objects lie in panels of 128 lanes. An epoch says in two 64-bit words per panel which lanes have a
point, and where the panel's points begin; flux and error follow each other in that order as they
came (float32), flags in as few bytes as they fit. A point whose object was still a candidate in
its epoch is kept apart, with its epoch (*late*): an object has two or three of them.
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
WORDS: Final = PANEL_OBJECTS // 64  # of 64 bits, one bit a lane


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


@njit(cache=True, nogil=True)
def lay_out(
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
def gather(
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
