"""Cells with more objects than one record holds go through every path that others go."""

from __future__ import annotations

import numpy as np
import pytest
from machine import Machine

from csstream.alerting.schedule import Schedule
from csstream.association.geometry import cell_centre
from csstream.contracts.codec import encode, max_bytes
from csstream.contracts.records import ClosedMarker, Measurements
from csstream.lightcurves import cell as cells
from csstream.lightcurves import checkpoint, keys
from csstream.lightcurves.export import cell_tables
from csstream.lightcurves.retention import Retention
from csstream.lightcurves.series import Rules

CELL = 1234568
VISITS = 8


def records_of(stars: int, batch) -> list[Measurements | ClosedMarker]:
    """Frames of a cell that see each of its stars."""
    rng = np.random.default_rng(stars)
    side = int(np.ceil(np.sqrt(stars)))
    step = 30.0 / side  # [arcsec]
    grid = np.stack(np.divmod(np.arange(stars), side)) * step - 15.0
    ra0, dec0 = np.degrees(cell_centre(CELL))
    found: list[Measurements | ClosedMarker] = []
    for visit in range(1, VISITS + 1):
        ra, dec = (grid + rng.normal(0.0, 0.02 * step, grid.shape)) / 3600.0
        flux = rng.uniform(1.0, 1000.0, stars)
        found.append(batch(CELL, visit, ra0 + ra, dec0 + dec, flux, match_radius_arcsec=step / 3))
        found.append(marker(visit, batches=1, sources=stars))
    return [*found, marker(VISITS + 1, sequence_end=True)]


def marker(visit: int, **changes: int) -> ClosedMarker:
    fields = {
        "exposure_id": f"run.0.{visit}", "visit": visit, "detector": 0, "detectors_in_visit": 1,
        "partition": 0, "batches": 0, "sources": 0,
    }  # fmt: skip
    return ClosedMarker(**(fields | changes))


@pytest.mark.parametrize(("stars", "parts"), [(50_000, 1), (140_000, 2)])
def test_a_large_cell_is_saved_read_back_and_cut(batch, monkeypatch, stars, parts):
    monkeypatch.setattr(cells, "SEALED_EPOCHS", 4)
    monkeypatch.setattr(checkpoint, "_PART_BYTES", 2 * 1024**2)
    rules = Rules(Schedule(1000), retention=Retention(epochs=4))
    records = records_of(stars, batch)
    whole = Machine(rules=rules)
    whole.run(records)
    half = Machine(rules=rules)
    half.run(records[: VISITS + 2])
    assert max(len(value) for _, value in half.store.items(b"")) <= max_bytes(
        "Measurements"
    )  # entries are whole
    tables = [key for key, _ in half.store.items(keys.TABLE)]
    assert len(tables) >= parts
    loaded, _ = checkpoint.load_cell(CELL, rules, half.store)
    assert loaded.objects == stars
    again = Machine(half.store, rules)
    again.run(records[VISITS + 2 :])
    assert len(again.panels) >= stars // 128
    assert again.sent() == whole.sent()
    assert max(len(encode(panel)) for panel in again.panels[:3]) < max_bytes("Panel")
    points = sum(len(t["flux"]) for t in cell_tables(again.state.cell(CELL), VISITS))
    assert points == 4 * stars
