"""The state machine of a partition: the same panels whatever the order of arrival."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from machine import Machine, key_of

from csstream.alerting.schedule import Schedule
from csstream.association.objects import OBJECT_BITS
from csstream.contracts.cells import cells_of
from csstream.contracts.errors import BadInputError
from csstream.contracts.records import Measurements
from csstream.lightcurves.entries import stored_value
from csstream.lightcurves.series import Rules


@cache
def survey(field_class, visits: int = 6) -> tuple:
    """Records of partition 0 for a field that crosses cells, two detectors a visit."""
    field = field_class(stars=15, detectors=2, partitions=1, seed=4, spurious=1)
    return tuple(record for _, record in field.run(visits))


@cache
def campaign(field_class, visits: int = 8) -> tuple:
    """Records of partition 0: two overlapping pointings of two detectors, two bands, a reference.

    The third visit of four is in another band, the fourth names its stars by a reference.
    """
    whole, shifted = (
        field_class(stars=24, detectors=2, partitions=1, seed=seed, spurious=1) for seed in (4, 5)
    )
    sky = whole.ra, whole.dec, whole.flux
    sides = sky[0] < np.quantile(sky[0], 0.7), sky[0] > np.quantile(sky[0], 0.3)
    for field, inside in zip((whole, shifted), sides, strict=True):
        field.ra, field.dec, field.flux = (column[inside] for column in sky)
        field.stars = int(inside.sum())
    records = []
    for visit in range(1, visits + 1):
        field = shifted if visit % 2 else whole
        for detector in range(2):
            change = {"band": "g"} if visit % 4 == 3 else {}
            batches = field.batches(visit, detector, **change)
            if visit % 4 == 0:
                batches = [named(batch) for batch in batches]
            records += [
                *batches,
                *(marker for _, marker in field.markers(visit, batches, detector)),
            ]
    return (*records, whole.end(visits + 1)[0][1])


def named(batch: Measurements) -> Measurements:
    """The batch with the brighter half of its sources named by a reference."""
    rank = np.argsort(np.argsort(-batch.flux))
    numbers = np.where(rank < len(rank) // 2, 1 + rank, 0)
    ids = np.where(numbers > 0, (batch.cell << OBJECT_BITS) + numbers, 0)
    return replace(batch, object_id=ids, reference_version="r2", reference_family="r1")


@settings(max_examples=8, deadline=None)
@given(st.data())
def test_any_order_of_a_campaign_gives_the_same_bytes(make_field, data):
    """Late, repeated and disordered, from several detectors, pointings, bands and references."""
    records = campaign(make_field)
    machine = Machine()
    expected = machine.run(records)
    assert {series.key[1:] for series in machine.series()} == {("i", ""), ("g", ""), ("i", "r1")}
    order = data.draw(st.permutations(range(len(records))))
    repeats = data.draw(st.lists(st.sampled_from(range(len(records))), max_size=10))
    cut = data.draw(st.integers(0, len(records)))
    first = Machine()
    first.run(records[i] for i in order[:cut])
    second = Machine(first.store)
    again = [i for i in repeats if i in order[:cut]]
    rest = (records[i] for i in [*again, *order[cut:]])
    assert first.sent() + second.run(rest) == expected


def test_points_of_overlapping_pointings_meet_in_one_curve(make_field):
    """Each star has one object, with a point of every exposure that shows it."""
    machine = Machine()
    machine.run(campaign(make_field))
    panels = [panel for panel in machine.panels if panel.closing and panel.band == "i"]
    panels = [panel for panel in panels if not panel.reference_version]
    ids = np.concatenate([panel.object_id for panel in panels])
    points = np.concatenate([np.isfinite(panel.flux).sum(axis=1) for panel in panels])
    ra = np.concatenate([panel.ra for panel in panels])
    assert len(np.unique(ids)) == len(ids)
    assert points.max() > 5  # of eight: the middle is seen by both pointings
    assert len(ra) >= 22


@settings(max_examples=12, deadline=None)
@given(st.data())
def test_any_order_with_repeats_gives_the_same_bytes(make_field, data):
    records = survey(make_field)
    expected = Machine().run(records)
    assert len(expected) > 5
    order = data.draw(st.permutations(range(len(records))))
    repeats = data.draw(st.lists(st.sampled_from(range(len(records))), max_size=20))
    shuffled = [records[i] for i in order]
    for i in repeats:
        shuffled.insert(data.draw(st.integers(0, len(shuffled))), records[i])
    assert Machine().run(shuffled) == expected


@settings(max_examples=12, deadline=None)
@given(st.data())
def test_a_restart_anywhere_continues_with_the_same_bytes(make_field, data):
    records = survey(make_field)
    expected = Machine().run(records)
    cut = data.draw(st.integers(0, len(records)))
    first = Machine()
    first.run(records[:cut])
    second = Machine(first.store)
    replayed = data.draw(st.integers(0, cut))  # uncommitted messages come again
    assert first.sent() + second.run(records[replayed:]) == expected


def test_cells_dropped_from_memory_change_nothing(make_field):
    records = survey(make_field)
    assert Machine(cache_bytes=1).run(records) == Machine().run(records)


def test_panels_cut_but_not_sent_are_cut_again_the_same(make_field):
    """Sending failed: the sent frontier did not move, a new state starts from the same store."""
    records = survey(make_field)
    expected = Machine().run(records)
    failed = Machine()
    for record in records[:-1]:
        failed.take(record)
    failed.store.put(key_of(records[-1]), stored_value(records[-1]))
    failed.state.note(records[-1])
    for visit in failed.state.closed_beyond_sent():
        list(failed.state.cut(visit))  # sent nowhere: the worker died here
        break
    again = Machine(failed.store)
    again.take(records[-1])  # known key: counts once
    assert failed.sent() + again.sent() == expected


def test_nothing_is_cut_before_all_detectors_and_batches_are_here(make_field):
    records = survey(make_field)
    missing = next(i for i, r in enumerate(records) if isinstance(r, Measurements) and r.visit == 3)
    machine = Machine()
    machine.run([record for i, record in enumerate(records) if i != missing])
    assert machine.state.sent == 2
    assert machine.state.arrivals.missing() == 1
    machine.take(records[missing])
    assert machine.state.sent == records[-1].visit


def test_an_exposure_that_was_given_up_closes_too(make_field):
    field = make_field(partitions=1)
    machine = Machine()
    machine.run(record for _, record in field.visit(1))
    machine.run(record for _, record in field.markers(2, (), reason="corrupt_fits"))
    assert machine.state.sent == 2


def test_a_batch_behind_the_frontier_is_refused(make_field, batch):
    machine = Machine()
    records = survey(make_field)
    machine.run(records)
    stranger = batch(records[0].cell + 1, 3, [], [], [], detectors_in_visit=2)
    with pytest.raises(BadInputError, match="closed up to") as refused:
        machine.take(stranger)
    assert refused.value.reason == "late_message"


def test_a_match_radius_of_nothing_is_refused(batch):
    with pytest.raises(BadInputError) as refused:
        Machine().take(batch(5, 1, [], [], [], match_radius_arcsec=0.0))
    assert refused.value.reason == "match_radius"


def test_a_second_sequence_closes_only_what_it_touched(make_field, batch):
    field = make_field(partitions=1, stars=30)
    records = [record for _, record in field.run(6)]
    machine = Machine()
    machine.run(records)
    before = len(machine.panels)
    cell = records[0].cell
    only = [b for b in field.batches(8) if b.cell == cell]
    marker = field.markers(8, only)
    machine.run([*only, marker[0][1], field.end(9)[0][1]])
    closing = [panel for panel in machine.panels[before:] if panel.closing]
    assert {panel.cell for panel in closing} == {cell}


def test_no_star_on_a_border_has_two_curves_or_none(make_field):
    """Stars within a few pixels of the border between two cells, measured with scatter."""
    field = make_field(stars=9000, size_arcsec=60.0, partitions=1, seed=8, spurious=0)
    index = cells_of(field.ra, field.dec)
    step = 0.15 / 3600  # two pixels
    near = np.zeros(field.stars, bool)
    for dra, ddec in ((step, 0), (-step, 0), (0, step), (0, -step)):
        near |= cells_of(field.ra + dra, field.dec + ddec) != index
    field.ra, field.dec, field.flux = field.ra[near], field.dec[near], field.flux[near]
    field.stars = int(near.sum())
    assert field.stars > 40
    machine = Machine(rules=Rules(Schedule(100, 1.1), confirm_sources=3, confirm_epochs=20))
    machine.run(record for _, record in field.run(25))
    panels = [panel for panel in machine.panels if panel.closing]
    ra = np.concatenate([panel.ra for panel in panels])
    dec = np.concatenate([panel.dec for panel in panels])
    ids = np.concatenate([panel.object_id for panel in panels])
    assert {int(i) >> OBJECT_BITS for i in ids} <= {panel.cell for panel in panels}
    distance = np.hypot(ra[:, None] - field.ra, dec[:, None] - field.dec) * 3600
    curves_of_star = np.bincount(distance.argmin(axis=1), minlength=field.stars)
    np.testing.assert_array_equal(curves_of_star, 1)
