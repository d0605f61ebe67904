"""What is saved of a cell to start faster, and so that old entries can go.

A checkpoint of a series is all of it but its points; these lie in blocks, each written once. Both
are pure functions of the entries up to ``visit``: entries up to it are not read again, and where a
checkpoint is missing, the entries give the same.

Written in this order, each acknowledged before the next: blocks; checkpoints, the first series'
last; then the removal of what fell out of retention. After a crash in between, a load finds the
older checkpoint of some series, and every entry that it needs: it reads on from the visit of the
first series' checkpoint, and each series passes over what it has.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import fields
from typing import Any, Final

import numpy as np

from csstream.contracts.codec import max_bytes
from csstream.lightcurves import keys
from csstream.lightcurves.blocks import Block, Points
from csstream.lightcurves.cell import Cell
from csstream.lightcurves.packing import header_of, pack, unpack
from csstream.lightcurves.series import Look, Rules, Series, SeriesKey, Waiting
from csstream.lightcurves.store import Store

Write = tuple[bytes, bytes | None]  # None: the key is removed
_OBJECT_COLUMNS: Final = 11  # of Objects.columns
_MOST_BYTES: Final = max_bytes("Measurements") - 65536  # of a checkpoint before it is packed


def pending_writes(cell: Cell) -> Iterator[list[Write]]:
    """Yield groups of writes that save what was sealed since the last time; nothing if nothing.

    Groups must be acknowledged one after the other; within a group any order will do.
    """
    all_series = list(cell.in_order_of_code())
    if all(series.saved == series.curves.sealed for series in all_series):
        return
    if any(_table_bytes(series) > _MOST_BYTES for series in all_series):
        return  # more than about 130,000 objects: the entries stay
    cell.seal()  # a checkpoint covers all of it
    yield [write for series in all_series for write in _new_blocks(series)]
    for series in reversed(all_series):
        yield [(keys.checkpoint_key(series.cell, series.code), _checkpoint(series))]
        series.saved = series.curves.sealed
    yield [write for series in all_series for write in _removals(series)]


def load_cell(number: int, rules: Rules, store: Store) -> tuple[Cell, int]:
    """Return a cell as it was saved, and the visit after which its entries are to be read."""
    cell = Cell(number, rules)
    for _, value in store.items(keys.checkpoint_prefix(number)):
        series = _restored(number, rules, store, value)
        cell.series[series.key] = series
    first = next(cell.in_order_of_code(), None)
    return cell, first.visit if first else 0


def dropped_visit(cell: int, store: Store) -> int:
    """Return the visit up to which the entries of a cell may have been removed."""
    checkpoints = store.items(keys.checkpoint_prefix(cell))
    return max((json.loads(header_of(v))["dropped_visit"] for _, v in checkpoints), default=0)


def _table_bytes(series: Series) -> int:
    return 57 * series.objects.size + 20 * len(series.waiting.slot)


def _new_blocks(series: Series) -> Iterator[Write]:
    first = series.curves.dropped
    for block in series.curves.blocks:
        if first >= series.saved:
            key = keys.block_key(series.cell, series.code, first)
            yield key, pack(b"", block.columns())
        first += block.epochs


def _checkpoint(series: Series) -> bytes:
    about: dict[str, Any] = {
        "code": series.code,
        "key": list(series.key),
        "visit": series.visit,
        "model": series.model,
        "reference_version": series.reference_version,
        "open": series.open,
        "dropped": series.curves.dropped,
        "dropped_visit": series.dropped_visit,
        "blocks": [block.epochs for block in series.curves.blocks],
    }
    looks = [(panel, *look) for panel, look in sorted(series.looks.items())]
    table = np.array(looks, np.int32).reshape(-1, 3).T.ravel()
    waiting = series.waiting
    columns = [
        *series.objects.columns(),
        np.array(series.curves.panels, np.int32),
        table,
        waiting.slot,
        waiting.epoch,
        *waiting.points,
    ]
    return pack(json.dumps(about, sort_keys=True).encode(), columns)


def _removals(series: Series) -> Iterator[Write]:
    """Yield the removal of blocks and entries that fell out of retention, oldest first."""
    for first, block in series.expired:
        for visit, detector in zip(block.visit, block.detector, strict=True):
            yield keys.entry_key(series.cell, int(visit), int(detector)), None
        yield keys.block_key(series.cell, series.code, first), None
    series.expired = []


def _restored(number: int, rules: Rules, store: Store, value: bytes) -> Series:
    header, columns = unpack(value)
    about = json.loads(header)
    series = Series(number, about["code"], SeriesKey(*about["key"]), rules)
    series.visit, series.model, series.open = about["visit"], about["model"], about["open"]
    series.reference_version = about["reference_version"]
    series.dropped_visit = about["dropped_visit"]
    series.objects.restore(columns[:_OBJECT_COLUMNS])
    panels, table, slot, epoch, *points = columns[_OBJECT_COLUMNS:]
    series.looks = {int(p): Look(int(x), int(n)) for p, x, n in table.reshape(3, -1).T}
    series.waiting = Waiting(slot, epoch, Points(*points))
    blocks, first = [], about["dropped"]
    for epochs in about["blocks"]:
        blocks.append(_block(store.get(keys.block_key(number, series.code, first))))
        first += epochs
    series.curves.restore(panels.tolist(), about["dropped"], blocks)
    series.saved = series.curves.sealed
    return series


def _block(value: bytes | None) -> Block:
    _, columns = unpack(value or b"")
    return Block(**{e.name: c for e, c in zip(fields(Block), columns, strict=True)})
