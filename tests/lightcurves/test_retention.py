"""Old epochs go: from memory, the store and the panels, by the exposures' own times."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from machine import CrashError, Machine, key_of

from csstream.alerting.schedule import Schedule
from csstream.contracts.errors import FatalError
from csstream.contracts.records import ClosedMarker, Measurements
from csstream.lightcurves import cell, checkpoint, keys, state
from csstream.lightcurves.packing import pack, unpack
from csstream.lightcurves.retention import Retention
from csstream.lightcurves.series import Rules

VISITS = 60
SEALED = 8  # epochs between two seals, so that much happens in few visits
FEW = Rules(Schedule(4, 1.2), confirm_sources=2, confirm_epochs=4, retention=Retention(epochs=10))
ALL = replace(FEW, retention=Retention())


@pytest.fixture(scope="module", autouse=True)
def many_seals():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cell, "SEALED_EPOCHS", SEALED)
        patch.setattr(checkpoint, "_PART_BYTES", 300)  # so that each table and block has several
        yield


@pytest.fixture(scope="module")
def records(make_field) -> list[Measurements | ClosedMarker]:
    """Visits of a few stars within one cell; their times are in disorder."""
    field = make_field(stars=6, partitions=1, seed=3, spurious=1, size_arcsec=4.0)
    shuffle = np.random.default_rng(0).normal(0.0, 0.01, 200)
    return [
        replace(record, mjd_mid_tai=record.mjd_mid_tai + shuffle[record.visit])
        if isinstance(record, Measurements)
        else record
        for _, record in field.run(VISITS)
    ]


@pytest.fixture(scope="module")
def expected(records) -> list[bytes]:
    """What a worker that never failed sends."""
    return Machine(rules=FEW).run(records)


def test_a_panel_holds_the_latest_epochs_and_is_otherwise_as_ever(records):
    short, whole = Machine(rules=FEW), Machine(rules=ALL)
    short.run(records)
    whole.run(records)
    everything = {(p.cell, p.panel, p.visit): p for p in whole.panels}
    compared = 0
    for panel in short.panels:
        full = everything.get((panel.cell, panel.panel, panel.visit))
        if full is None:
            continue
        compared += 1
        np.testing.assert_array_equal(panel.mjd_mid_tai, full.mjd_mid_tai[-10:])
        np.testing.assert_array_equal(panel.flux, full.flux[:, -10:])
        np.testing.assert_array_equal(panel.ra, full.ra)  # from all sources there ever were
    assert compared > 8


def test_days_are_counted_from_the_latest_exposure(records):
    machine = Machine(rules=replace(FEW, retention=Retention(days=0.1)))
    machine.run(records)
    last = machine.panels[-1]
    assert last.mjd_mid_tai[-1] - last.mjd_mid_tai[0] <= 0.1
    assert 20 < len(last.mjd_mid_tai) < 40  # one every 5 minutes


def test_looks_go_on_at_a_share_of_what_is_held(records):
    """By the schedule alone they would become ever rarer, though the curves do not grow."""
    machine = Machine(rules=replace(FEW, retention=Retention(epochs=20)))
    machine.run(records)
    epochs = sorted({panel.visit for panel in machine.panels})
    late = np.diff([visit for visit in epochs if visit > 30])
    assert late.max() <= 4  # a fifth of 20


def test_memory_and_store_stay_bounded(records):
    """With ten epochs kept, at most those, the block that they begin in and the open ones."""
    machine = Machine(rules=FEW)
    entries, held, values = [], [], []
    for record in records:
        machine.take(record)
        store = machine.store
        entries.append(sum(1 for _ in store.items(keys.ENTRY)))
        held.append(sum(len(s.curves.held("time")) for s in machine.series()))
        values.append(
            sum(len(v) for kind in (b"B", b"C", b"T", b"E") for _, v in store.items(kind))
        )
    limit = 10 + 2 * SEALED + 8  # and what the disorder of times holds back
    assert max(held) <= limit
    assert max(entries) <= limit * len(machine.state.cells())
    half = len(values) // 2
    assert max(values[half:]) < 1.3 * max(values[:half])
    unlimited = Machine(rules=ALL)
    unlimited.run(records)
    assert sum(1 for _ in unlimited.store.items(keys.ENTRY)) > 2 * max(entries[half:])


@settings(max_examples=8, deadline=None)
@given(st.data())
def test_restarts_and_disorder_change_no_byte(records, expected, data):
    near = data.draw(st.permutations(range(6)))
    order = [i for k in range(0, len(records), 6) for i in (k + j for j in near)]
    shuffled = [records[i] for i in order if i < len(records)]
    cuts = sorted(data.draw(st.lists(st.integers(0, len(shuffled)), max_size=4)))
    machine, sent, first = Machine(rules=FEW), [], 0
    for cut in [*cuts, len(shuffled)]:
        again = data.draw(st.integers(max(0, first - 9), first))  # uncommitted ones come again
        sent += machine.run(shuffled[again:cut])
        machine, first = Machine(machine.store, FEW), cut
    assert sent == expected


@settings(max_examples=12, deadline=None)
@given(writes=st.integers(0, 330) | st.integers(270, 310))  # also in the last save
def test_a_crash_between_any_two_writes_changes_no_byte(records, expected, writes):
    machine = Machine(rules=FEW)
    machine.writes_left = writes
    sent = []
    for record in records:
        try:
            machine.take(record)
        except CrashError:  # the message comes again
            sent += machine.sent()
            machine = Machine(machine.store, FEW)
            machine.take(record)
    assert list(dict.fromkeys(sent + machine.sent())) == expected
    machine.writes_left = -1
    for number in machine.state.cells():  # and the next save leaves nothing of it behind
        crashed = machine.state.cell(number)
        crashed.seal()
        for group in checkpoint.pending_writes(crashed, machine.store):
            machine.write(group)
        assert checkpoint.load_cell(number, FEW, machine.store)[0].stale == []


def test_what_was_removed_is_a_duplicate_when_it_comes_again(records, monkeypatch):
    monkeypatch.setattr(state, "MARKERS_KEPT", 16)
    monkeypatch.setattr(state, "_PRUNED_EVERY", 16)
    machine = Machine(rules=FEW)
    machine.run(records)
    assert machine.store.get(key_of(records[0])) is None
    markers = sum(1 for _ in machine.store.items(keys.MARKER))
    assert markers <= 16 + 16
    before = len(machine.panels)
    machine.run(records)
    assert len(machine.panels) == before


def test_a_state_that_was_lost_but_for_the_log_goes_on(records):
    """Without checkpoints and blocks the entries give the same, as long as none was removed."""
    expected = Machine(rules=ALL).run(records)
    half = len(records) // 2
    first = Machine(rules=ALL)
    first.run(records[:half])
    for kind in keys.DERIVED:
        for key, _ in list(first.store.items(kind)):
            first.store.delete(key)
    second = Machine(first.store, ALL)
    assert first.sent() + second.run(records[half:]) == expected


def test_retention_keeps_the_latest_by_time():
    time = np.array([5.0, 1.0, 4.0, 2.0, 3.0])
    visit, detector = np.arange(5), np.zeros(5, int)
    assert Retention().kept(time, visit, detector).tolist() == [1, 3, 4, 2, 0]
    assert Retention(epochs=2).kept(time, visit, detector).tolist() == [2, 0]
    assert Retention(days=2.0).kept(time, visit, detector).tolist() == [4, 2, 0]
    assert Retention(epochs=2, days=1.0).kept(time, visit, detector).tolist() == [2, 0]
    assert Retention(epochs=9).kept(time, visit, detector).tolist() == [1, 3, 4, 2, 0]


def test_records_of_another_version_are_named():
    value = pack(b"", [np.arange(5)])
    with pytest.raises(FatalError, match="rebuild"):
        unpack(b"\x07" + value[1:])
    with pytest.raises(FatalError, match="rebuild"):
        unpack(value[:-3])


def test_tables_and_blocks_come_in_parts(records):
    machine = Machine(rules=FEW)
    machine.run(records)
    for kind in (keys.TABLE, keys.BLOCK):
        lengths = [len(value) for _, value in machine.store.items(kind)]
        assert max(lengths) == 300
        parts = [int.from_bytes(key[-2:]) for key, _ in machine.store.items(kind)]
        assert max(parts) >= 1
