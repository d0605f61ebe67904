"""What is saved of a cell to start faster, and so that old entries can go.

A checkpoint of a series is all of it but its points: a few words about it, and a table. The points
lie in blocks, each written once. All are pure functions of the entries up to ``visit``: entries up
to it are not read again, and where a checkpoint is missing, the entries give the same. Tables and
blocks are cut into parts that fit into records, so a cell may have any number of objects.

Written in this order, each acknowledged before the next: the removal of what no checkpoint names
(a crash left it); blocks and tables; checkpoints, the first series' last; then the removal of the
former tables and of what fell out of retention. After a crash in between, a load finds the older
checkpoint of some series, and every entry that it needs: it reads on from the visit of the first
series' checkpoint, and each series passes over what it has.
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
from csstream.lightcurves.store import Store, keys_of

Write = tuple[bytes, bytes | None]  # None: the key is removed
_OBJECT_COLUMNS: Final = 11  # of Objects.columns
_PART_BYTES: Final = max_bytes("Measurements") - 65536  # of a record


def pending_writes(cell: Cell, store: Store) -> Iterator[list[Write]]:
    """Yield groups of writes that save what was sealed since the last time; nothing if nothing.

    Groups must be acknowledged one after the other; within a group any order will do.
    """
    all_series = list(cell.in_order_of_code())
    if all(series.saved == series.curves.sealed for series in all_series):
        return
    cell.seal()  # a checkpoint covers all of it
    yield [(key, None) for key in cell.stale]
    cell.stale = []
    yield [write for series in all_series for write in (*_new_blocks(series), *_table(series))]
    for series in reversed(all_series):
        yield [(keys.checkpoint_key(series.cell, series.code), _checkpoint(series))]
    yield [write for series in all_series for write in _removals(series, store)]
    for series in all_series:
        series.saved, series.saved_visit = series.curves.sealed, series.visit
        series.expired = []


def load_cell(number: int, rules: Rules, store: Store) -> tuple[Cell, int]:
    """Return a cell as it was saved, and the visit after which its entries are to be read.

    Raises
    ------
    FatalError
        The state was written by another version.
    """
    cell = Cell(number, rules)
    for _, value in store.items(keys.derived_prefix(keys.CHECKPOINT, number)):
        series = _restored(number, rules, store, value)
        cell.series[series.key] = series
    cell.stale = _stale_keys(cell, store)
    first = next(cell.in_order_of_code(), None)
    return cell, first.visit if first else 0


def dropped_visit(cell: int, store: Store) -> int:
    """Return the visit up to which the entries of a cell may have been removed."""
    checkpoints = store.items(keys.derived_prefix(keys.CHECKPOINT, cell))
    return max((json.loads(header_of(v))["dropped_visit"] for _, v in checkpoints), default=0)


def _in_parts(prefix: bytes, value: bytes) -> Iterator[Write]:
    for part, first in enumerate(range(0, len(value), _PART_BYTES)):
        yield keys.part_key(prefix, part), value[first : first + _PART_BYTES]


def _joined(prefix: bytes, store: Store) -> bytes:
    return b"".join(value for _, value in store.items(prefix))


def _new_blocks(series: Series) -> Iterator[Write]:
    first = series.curves.dropped
    for block in series.curves.blocks:
        if first >= series.saved:
            prefix = keys.block_prefix(series.cell, series.code, first)
            yield from _in_parts(prefix, pack(b"", block.columns()))
        first += block.epochs


def _table(series: Series) -> Iterator[Write]:
    """Yield the objects, looks and waiting points of a series."""
    looks = [(panel, *look) for panel, look in sorted(series.looks.items())]
    waiting = series.waiting
    columns = [
        *series.objects.columns(),
        np.array(series.curves.panels, np.int32),
        np.array(looks, np.int32).reshape(-1, 3).T.ravel(),
        waiting.slot,
        waiting.epoch,
        *waiting.points,
    ]
    prefix = keys.table_prefix(series.cell, series.code, series.visit)
    yield from _in_parts(prefix, pack(b"", columns))


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
    return pack(json.dumps(about, sort_keys=True).encode(), [])


def _removals(series: Series, store: Store) -> Iterator[Write]:
    """Yield the removal of the former table, and of what fell out of retention, oldest first."""
    former = keys.table_prefix(series.cell, series.code, series.saved_visit)
    if series.saved_visit != series.visit:
        yield from ((key, None) for key in keys_of(store, former))
    for first, block in series.expired:
        for visit, detector in zip(block.visit, block.detector, strict=True):
            yield keys.entry_key(series.cell, int(visit), int(detector)), None
        prefix = keys.block_prefix(series.cell, series.code, first)
        yield from ((key, None) for key in keys_of(store, prefix))


def _stale_keys(cell: Cell, store: Store) -> list[bytes]:
    """Return the keys of tables and blocks that no checkpoint names: a crash left them."""
    named = set()
    for series in cell.in_order_of_code():
        named.add(keys.table_prefix(cell.cell, series.code, series.visit))
        first = series.curves.dropped
        for block in series.curves.blocks:
            named.add(keys.block_prefix(cell.cell, series.code, first))
            first += block.epochs
    kinds = (keys.TABLE, keys.BLOCK)
    found = (key for kind in kinds for key in keys_of(store, keys.derived_prefix(kind, cell.cell)))
    return [key for key in found if keys.without_part(key) not in named]


def _restored(number: int, rules: Rules, store: Store, value: bytes) -> Series:
    about = json.loads(header_of(value))
    series = Series(number, about["code"], SeriesKey(*about["key"]), rules)
    series.visit, series.model, series.open = about["visit"], about["model"], about["open"]
    series.reference_version = about["reference_version"]
    series.dropped_visit = about["dropped_visit"]
    _, columns = unpack(_joined(keys.table_prefix(number, series.code, series.visit), store))
    series.objects.restore(columns[:_OBJECT_COLUMNS])
    panels, table, slot, epoch, *points = columns[_OBJECT_COLUMNS:]
    series.looks = {int(p): Look(int(x), int(n)) for p, x, n in table.reshape(3, -1).T}
    series.waiting = Waiting(slot, epoch, Points(*points))
    blocks, first = [], about["dropped"]
    for epochs in about["blocks"]:
        blocks.append(_block(_joined(keys.block_prefix(number, series.code, first), store)))
        first += epochs
    series.curves.restore(panels.tolist(), about["dropped"], blocks)
    series.saved, series.saved_visit = series.curves.sealed, series.visit
    return series


def _block(value: bytes) -> Block:
    _, columns = unpack(value)
    return Block(**{e.name: c for e, c in zip(fields(Block), columns, strict=True)})
