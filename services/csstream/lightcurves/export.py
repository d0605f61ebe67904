"""Light curves as a table, made again from `measurements`: no worker has to be asked."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np

from csstream.association.objects import OBJECT_BITS
from csstream.contracts.cells import centre_of, partition_of
from csstream.contracts.codec import decode_any
from csstream.contracts.errors import BadInputError, FatalError
from csstream.contracts.records import ClosedMarker, Measurements, Panel
from csstream.contracts.units import AB_ZERO_POINT_NJY
from csstream.lightcurves.cell import Cell
from csstream.lightcurves.panels import cut_panel
from csstream.lightcurves.replay import move_frontier, read_partition, take_in
from csstream.lightcurves.retention import Retention
from csstream.lightcurves.series import CELL_BITS, Due
from csstream.lightcurves.settings import LightcurvesSettings
from csstream.lightcurves.state import PartitionState
from csstream.lightcurves.store import MemoryStore
from csstream.lightcurves.tables import Table
from csstream.runtime.kafka import make_consumer
from csstream.runtime.messages import Message
from csstream.timeseries.barycentre import bjd_tdb


def export(
    settings: LightcurvesSettings,
    *,
    cell: int | None = None,
    object_id: int | None = None,
    min_epochs: int = 1,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Table:
    """Return all light curves, one row a point, ordered by object and time.

    Parameters
    ----------
    cell, object_id : only these; an object's cell follows from its id
    min_epochs : points that an object needs to be in the table

    Raises
    ------
    FatalError
        There is nothing to export: no such cell or object, or nothing closed yet.
    """
    if object_id is not None:
        cell = object_id >> OBJECT_BITS & (1 << CELL_BITS) - 1
    topic = settings.topics().measurements
    wanted = range(topic.partitions) if cell is None else [partition_of(cell, topic.partitions)]
    consumer = make_consumer(settings, None, "csstream-lightcurves-export")
    try:
        tables = [
            table
            for partition in wanted
            for table in partition_tables(
                read_partition(consumer, topic.name, partition, progress=progress),
                settings,
                cell,
            )
        ]
    finally:
        consumer.close()
    return _select(tables, object_id, min_epochs)


def partition_tables(
    messages: Iterator[Message], settings: LightcurvesSettings, cell: int | None
) -> Iterator[Table]:
    """Yield the light curves of one partition, cell by cell."""
    store = MemoryStore()
    rules = replace(settings.rules(), retention=Retention())  # all there ever was
    state = PartitionState(store, rules, cache_bytes=settings.cache_mib * 1024**2)
    for message in messages:
        if cell is None or _concerns(message, cell):
            take_in(store, state, message)
    if cell is not None:
        state.arrivals.expect_no_more()  # other cells' batches were left out
        move_frontier(state)
    for number in state.cells():
        yield from cell_tables(state.cell(number), state.sent)


def cell_tables(cell: Cell, visit: int) -> Iterator[Table]:
    """Yield the light curves of one cell, panel by panel."""
    for series in cell.in_order_of_code():
        for panel in series.panels():
            for part in cut_panel(series, Due(panel, 0, False), visit, 1 << 30):
                yield panel_table(part)


def panel_table(panel: Panel) -> Table:
    """Return the points of a panel, ordered by object and time.

    BJD is that of the centre of the cell, as in alerts: off by at most 0.08 s for its stars.
    """
    star, epoch = np.nonzero(np.isfinite(panel.flux))
    flux = panel.flux[star, epoch]
    with np.errstate(divide="ignore", invalid="ignore"):
        mag = np.where(flux > 0, AB_ZERO_POINT_NJY - 2.5 * np.log10(flux), np.nan)
    return {
        "object_id": panel.object_id[star],
        "ra": panel.ra[star],
        "dec": panel.dec[star],
        "mjd_mid_tai": panel.mjd_mid_tai[epoch],
        "bjd_tdb": bjd_tdb(panel.mjd_mid_tai, *centre_of(panel.cell))[epoch],
        "flux": flux,
        "flux_err": panel.flux_err[star, epoch],
        "mag": mag.astype(np.float32),
        "band": np.full(len(star), panel.band),
        "visit": panel.epoch_visit[epoch],
        "detector": panel.epoch_detector[epoch],
        "flags": panel.flags[star, epoch],
    }


def _concerns(message: Message, cell: int) -> bool:
    """Say whether a message is a marker, or a batch of the cell."""
    kinds: tuple[type[Measurements | ClosedMarker], ...] = (Measurements, ClosedMarker)
    try:
        record = decode_any(message.value, kinds)
    except BadInputError:
        return False
    return isinstance(record, ClosedMarker) or record.cell == cell


def _select(tables: list[Table], object_id: int | None, min_epochs: int) -> Table:
    if not tables:
        raise FatalError(
            "there are no light curves to export: no such cell, or no visit is closed yet"
        )
    whole = {name: np.concatenate([table[name] for table in tables]) for name in tables[0]}
    _, of_row, points = np.unique(whole["object_id"], return_inverse=True, return_counts=True)
    keep = points[of_row] >= min_epochs
    if object_id is not None:
        keep &= whole["object_id"] == object_id
        if not keep.any():
            raise FatalError(f"object {object_id} is not known, or has too few epochs")
    order = np.lexsort((whole["mjd_mid_tai"], whole["object_id"]))
    order = order[keep[order]]
    return {name: column[order] for name, column in whole.items()}
