"""The objects of one sky cell: found by position or named by a reference, in order of epoch.

Rules, all deterministic, so that the same sources in the same order give the same objects:

- An object's position is the mean of its sources, weighted by their inverse variance. The weight
  grows with every source, so the mean cannot run away, and soon it is better than any source.
- A source without an object starts a *candidate*. A candidate becomes an object, with a number and
  all of its sources, when it has been seen ``confirm_sources`` times within ``confirm_epochs``
  epochs of the cell; otherwise it is forgotten. Without this, one-frame detections would in time
  cover the sky with objects.
- A candidate whose first source lies outside the cell is *foreign*: it is confirmed or forgotten
  alike and takes its sources, so that no neighbour takes them, but has no number.
- A source with an ``object_id`` belongs to that object, whatever its position; other sources
  cannot join it. Objects found beside a reference are numbered from ``REFERENCE_NUMBERS`` on.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from numba import njit

from csstream.association.geometry import ARCSEC_PER_DEGREE, TangentPlane
from csstream.association.matching import NO_SLOT, match, position_weights
from csstream.contracts.cells import cells_of
from csstream.contracts.records import Measurements

Array = npt.NDArray[Any]

# Codes in the column ``number``; above 0 it is the object's number.
FOREIGN = 0  # confirmed, but a neighbouring cell's
CANDIDATE = -1
FOREIGN_CANDIDATE = -2
DEAD = -3  # forgotten; the slot is taken back at the next compaction

OBJECT_BITS = 20  # of an object's number
MAX_NUMBER = (1 << OBJECT_BITS) - 1
REFERENCE_NUMBERS = 1 << 19  # a reference's numbers lie below

_FLOATS = ("xi", "eta", "weight", "s_xi", "s_eta")
_INTS = ("count", "first", "last", "number")


class Objects:
    """Objects and candidates of one cell, one row (slot) each.

    Columns (read with ``objects[name]``): ``xi``, ``eta`` [arcsec] weighted mean position;
    ``weight``, and ``s_xi``, ``s_eta``: weighted sums of squared deviations; ``count`` sources;
    ``first``, ``last``: epochs of the first and last source; ``number`` or one of the codes.
    """

    def __init__(self, cell: int, confirm_sources: int, confirm_epochs: int) -> None:
        self.cell = cell
        self.confirm_sources = confirm_sources
        self.confirm_epochs = confirm_epochs
        self.size = 0
        self._plane = TangentPlane(cell)
        self._columns: dict[str, Array] = {name: np.empty(0) for name in _FLOATS}
        self._columns |= {name: np.empty(0, np.int32) for name in _INTS}
        self._slot_of_reference = np.empty(0, np.int32)  # by number; NO_SLOT: not seen yet
        self._given = {False: 0, True: REFERENCE_NUMBERS}  # last number without, with reference

    def __getitem__(self, name: str) -> Array:
        """Return one column (size,), a view."""
        return self._columns[name][: self.size]

    @property
    def nbytes(self) -> int:
        """Memory held [byte]."""
        return sum(column.nbytes for column in self._columns.values())

    @property
    def numbered(self) -> int:
        """How many objects have a number."""
        return int((self["number"] > 0).sum())

    def take(self, batch: Measurements, epoch: int) -> Array:
        """Take in the sources of the next epoch; return their slots, int32 (n,); -1: none."""
        finite = np.isfinite(batch.ra) & np.isfinite(batch.dec)
        xi, eta = self._plane.project(
            np.where(finite, batch.ra, np.nan), np.where(finite, batch.dec, np.nan)
        )
        slots = np.full(len(xi), NO_SLOT, np.int32)
        free = np.flatnonzero(finite & (batch.object_id == 0))
        slots[free] = self._match(xi[free], eta[free], batch.match_radius_arcsec)
        new = free[slots[free] == NO_SLOT]
        own = cells_of(batch.ra[new], batch.dec[new]) == self.cell
        slots[new] = self._append(xi[new], eta[new], np.where(own, CANDIDATE, FOREIGN_CANDIDATE))
        listed = np.flatnonzero(finite & (batch.object_id >> OBJECT_BITS == self.cell))
        listed = listed[batch.object_id[listed] != 0]
        slots[listed] = self._listed(batch.object_id[listed], xi[listed], eta[listed])
        weight = position_weights(batch.x_err, batch.y_err)
        _absorb(slots, xi, eta, weight, epoch, *(self[name] for name in (*_FLOATS, *_INTS[:3])))
        self._judge(epoch, reference=bool(batch.reference_version))
        return slots

    def compact(self) -> Array | None:
        """Take back forgotten slots.

        Returns the new slot by old slot, int32, or None where nothing changed.
        """
        gone = self["number"] == DEAD
        if not gone.any():
            return None
        keep = ~gone
        renumbered = np.where(keep, np.cumsum(keep) - 1, NO_SLOT).astype(np.int32)
        self._columns = {name: self[name][keep] for name in self._columns}
        self.size = int(keep.sum())
        seen = self._slot_of_reference >= 0
        self._slot_of_reference[seen] = renumbered[self._slot_of_reference[seen]]
        return renumbered

    def columns(self) -> list[Array]:
        """Return all that a copy needs: see :meth:`restore`."""
        given = np.array([self._given[False], self._given[True]], np.int32)
        return [*(self[name] for name in (*_FLOATS, *_INTS)), self._slot_of_reference, given]

    def restore(self, columns: list[Array]) -> None:
        """Take over the :meth:`columns` of another table."""
        *rows, self._slot_of_reference, given = columns
        self._columns = dict(zip((*_FLOATS, *_INTS), rows, strict=True))
        self.size = len(rows[0])
        self._given = {False: int(given[0]), True: int(given[1])}

    def positions(self, slots: Array) -> tuple[Array, Array, Array, Array]:
        """Return ra, dec (float64) and their errors (float32), all [deg] and (n,).

        The errors come from the scatter of the sources: nan for a single one.
        """
        ra, dec = self._plane.unproject(self["xi"][slots], self["eta"][slots])
        freedom = np.maximum(self["count"][slots] - 1, 0)
        with np.errstate(divide="ignore", invalid="ignore"):
            scale = 1.0 / np.sqrt(self["weight"][slots] * freedom) / ARCSEC_PER_DEGREE
            ra_err = np.sqrt(self["s_xi"][slots]) * scale / np.cos(np.radians(dec))
            dec_err = np.sqrt(self["s_eta"][slots]) * scale
        return ra, dec, _finite(ra_err), _finite(dec_err)

    def _match(self, xi: Array, eta: Array, radius: float) -> Array:
        usable = self["number"] > DEAD
        usable[self._slot_of_reference[self._slot_of_reference >= 0]] = False
        return match(xi, eta, self["xi"], self["eta"], usable, radius)

    def _listed(self, object_id: Array, xi: Array, eta: Array) -> Array:
        """Return the slots of sources that a reference names, each object once per frame."""
        numbers = object_id & MAX_NUMBER
        known = len(self._slot_of_reference)
        if len(numbers) and numbers.max() >= known:
            more = np.full(int(numbers.max()) + 1 - known, NO_SLOT, np.int32)
            self._slot_of_reference = np.concatenate([self._slot_of_reference, more])
        once = _first_of_each(numbers, len(self._slot_of_reference))
        new = np.flatnonzero(once & (self._slot_of_reference[numbers] == NO_SLOT))
        self._slot_of_reference[numbers[new]] = self._append(xi[new], eta[new], numbers[new])
        slots: Array = np.where(once, self._slot_of_reference[numbers], NO_SLOT).astype(np.int32)
        return slots

    def _append(self, xi: Array, eta: Array, number: Array) -> Array:
        """Start objects without weight; return their slots."""
        first, self.size = self.size, self.size + len(xi)
        rows = {"xi": xi, "eta": eta, "number": number}
        for name, column in self._columns.items():
            if len(column) < self.size:
                grown = np.zeros(max(self.size, 3 * len(column) // 2), column.dtype)
                grown[:first] = column[:first]
                self._columns[name] = column = grown
            column[first : self.size] = rows.get(name, 0)
        return np.arange(first, self.size, dtype=np.int32)

    def _judge(self, epoch: int, *, reference: bool) -> None:
        """Number or forget candidates."""
        number, count = self["number"], self["count"]
        seen = count >= self.confirm_sources
        number[seen & (number == FOREIGN_CANDIDATE)] = FOREIGN
        confirmed = np.flatnonzero(seen & (number == CANDIDATE))
        last = self._given[reference]
        room = (MAX_NUMBER if reference else REFERENCE_NUMBERS) - last
        confirmed = confirmed[:room]
        number[confirmed] = last + 1 + np.arange(len(confirmed))
        self._given[reference] = last + len(confirmed)
        late = self["first"] <= epoch - self.confirm_epochs
        number[late & ((number == CANDIDATE) | (number == FOREIGN_CANDIDATE))] = DEAD


@njit(cache=True, nogil=True)
def _first_of_each(numbers: Array, limit: int) -> Array:
    """Return where a number, below ``limit``, comes for the first time, bool (n,)."""
    seen, once = np.zeros(limit, np.bool_), np.empty(len(numbers), np.bool_)
    for i in range(len(numbers)):
        once[i] = not seen[numbers[i]]
        seen[numbers[i]] = True
    return once


def _finite(values: Array) -> Array:
    return np.where(np.isfinite(values), values, np.nan).astype(np.float32)


@njit(cache=True, nogil=True)
def _absorb(
    slots: Array,
    xi: Array,
    eta: Array,
    weight: Array,
    epoch: int,
    mean_xi: Array,
    mean_eta: Array,
    total: Array,
    s_xi: Array,
    s_eta: Array,
    count: Array,
    first: Array,
    last: Array,
) -> None:
    """Let the objects take their sources: weighted running mean and scatter, in place.

    West (1979, CACM 22, 532): accurate however many sources there are.
    """
    for i in range(len(slots)):
        j = slots[i]
        if j < 0:
            continue
        if count[j] == 0:
            first[j] = epoch
        total[j] += weight[i]
        share = weight[i] / total[j]
        dx, dy = xi[i] - mean_xi[j], eta[i] - mean_eta[j]
        mean_xi[j] += share * dx
        mean_eta[j] += share * dy
        s_xi[j] += weight[i] * dx * (xi[i] - mean_xi[j])
        s_eta[j] += weight[i] * dy * (eta[i] - mean_eta[j])
        count[j] += 1
        last[j] = epoch
