"""Cut panels: a fixed group of objects with all their epochs, in order of time."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from csstream.contracts.records import Panel
from csstream.lightcurves.cell import PANEL_OBJECTS, Cell, Due
from csstream.lightcurves.objects import OBJECT_BITS

Array = npt.NDArray[Any]
POINT_BYTES = 12  # flux, error, flags
EPOCH_BYTES = 20  # time, visit, detector
OBJECT_BYTES = 32  # id, position and its errors


def cut_panel(cell: Cell, due: Due, visit: int, max_bytes: int) -> Iterator[Panel]:
    """Yield the parts of a panel as it is after ``visit``.

    Epochs are ordered by time, visit and detector, and split into parts so that the columns of
    a part take no more than ``max_bytes``.
    """
    first = due.panel * PANEL_OBJECTS + 1
    slots = _slots(cell, first)
    epochs = np.lexsort((cell.detectors, cell.visits, cell.times))
    per_epoch = EPOCH_BYTES + POINT_BYTES * len(slots)
    most = max(1, (max_bytes - OBJECT_BYTES * len(slots)) // per_epoch)
    parts = max(1, -(-len(epochs) // most))
    for part, chosen in enumerate(np.array_split(epochs, parts)):
        yield _part(cell, due, visit, first, slots, chosen, part, parts)


def _slots(cell: Cell, first: int) -> Array:
    """Return the slots of the panel's objects in order of number."""
    numbers = cell.objects["number"]
    slots = np.flatnonzero((numbers >= first) & (numbers < first + PANEL_OBJECTS))
    ordered: Array = slots[np.argsort(numbers[slots], kind="stable")]
    return ordered


def _part(
    cell: Cell,
    due: Due,
    visit: int,
    first: int,
    slots: Array,
    epochs: Array,
    part: int,
    parts: int,
) -> Panel:
    numbers = cell.objects["number"][slots]
    ra, dec, ra_err, dec_err = cell.objects.positions(slots)
    flux, flux_err, flags = (
        rows[numbers - first] for rows in cell.rows(first, PANEL_OBJECTS, epochs)
    )
    return Panel(
        cell=cell.cell,
        panel=due.panel,
        examination=due.examination,
        visit=visit,
        closing=due.closing,
        part=part,
        parts=parts,
        instrument=cell.instrument,
        band=cell.band,
        object_id=(cell.cell << OBJECT_BITS) + numbers.astype(np.int64),
        ra=ra,
        dec=dec,
        ra_err=ra_err,
        dec_err=dec_err,
        mjd_mid_tai=np.asarray(cell.times, float)[epochs],
        epoch_visit=np.asarray(cell.visits, np.int64)[epochs],
        epoch_detector=np.asarray(cell.detectors, np.int32)[epochs],
        flux=flux,
        flux_err=flux_err,
        flags=flags,
        reference_version=cell.reference_version,
        model=cell.model,
    )
