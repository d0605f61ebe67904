"""Cut panels: a fixed group of objects with all their epochs, in order of time."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from csstream.contracts.records import Panel
from csstream.lightcurves.blocks import PANEL_OBJECTS, Points
from csstream.lightcurves.series import Due, Series

Array = npt.NDArray[Any]
POINT_BYTES = 12  # flux, error, flags
EPOCH_BYTES = 20  # time, visit, detector
OBJECT_BYTES = 32  # id, position and its errors


def cut_panel(series: Series, due: Due, visit: int, max_bytes: int) -> Iterator[Panel]:
    """Yield the parts of a panel as it is after ``visit``.

    Epochs are those that retention keeps, ordered by time, visit and detector, and split into
    parts so that the columns of a part take no more than ``max_bytes``.
    """
    slots, epochs = _slots(series, due.panel), series.kept()
    per_epoch = EPOCH_BYTES + POINT_BYTES * len(slots)
    most = max(1, (max_bytes - OBJECT_BYTES * len(slots)) // per_epoch)
    parts = max(1, -(-len(epochs) // most))
    for part, chosen in enumerate(np.array_split(epochs, parts)):
        yield _part(series, due, visit, slots, chosen, part, parts)


def _slots(series: Series, panel: int) -> Array:
    """Return the slots of the panel's objects in order of number."""
    numbers = series.objects["number"]
    first = panel * PANEL_OBJECTS + 1
    slots = np.flatnonzero((numbers >= first) & (numbers < first + PANEL_OBJECTS))
    ordered: Array = slots[np.argsort(numbers[slots], kind="stable")]
    return ordered


def _part(
    series: Series, due: Due, visit: int, slots: Array, epochs: Array, part: int, parts: int
) -> Panel:
    numbers = series.objects["number"][slots]
    ra, dec, ra_err, dec_err = series.objects.positions(slots)
    points = _rows(series.curves.rows(due.panel, epochs), (numbers - 1) % PANEL_OBJECTS)
    at = epochs - series.curves.dropped
    return Panel(
        cell=series.cell,
        panel=series.published_panel(due.panel),
        examination=due.examination,
        visit=visit,
        closing=due.closing,
        part=part,
        parts=parts,
        instrument=series.key.instrument,
        band=series.key.band,
        object_id=series.object_ids(numbers),
        ra=ra,
        dec=dec,
        ra_err=ra_err,
        dec_err=dec_err,
        mjd_mid_tai=series.curves.held("time")[at],
        epoch_visit=series.curves.held("visit")[at],
        epoch_detector=series.curves.held("detector")[at],
        flux=points.flux,
        flux_err=points.flux_err,
        flags=points.flags,
        reference_version=series.reference_version,
        model=series.model,
    )


def _rows(points: Points, lanes: Array) -> Points:
    whole = len(lanes) == PANEL_OBJECTS
    return points if whole else points.select(lanes)
