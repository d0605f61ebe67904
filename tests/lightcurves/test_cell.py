"""Curves of a cell, and the panels cut from them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from csstream.alerting.schedule import Schedule
from csstream.association.geometry import cell_centre
from csstream.association.objects import OBJECT_BITS
from csstream.contracts.codec import encode
from csstream.lightcurves.cell import Cell
from csstream.lightcurves.panels import cut_panel
from csstream.lightcurves.series import Rules

CELL = 1234567
RA, DEC = np.degrees(cell_centre(CELL))
RULES = Rules(Schedule(8, 1.3), confirm_sources=2, confirm_epochs=6)


def frames(batch, visits: int, stars: int = 200, seed: int = 0, **changes):
    """Frames in which each star has its own flux plus the visit's number."""
    rng = np.random.default_rng(seed)
    ra, dec = RA + rng.uniform(-8, 8, stars) / 3600, DEC + rng.uniform(-8, 8, stars) / 3600
    flux = 100.0 * np.arange(1, stars + 1)
    made = []
    for visit in range(1, visits + 1):
        seen = rng.random(stars) < 0.8
        fields = {"flags": np.flatnonzero(seen).astype(np.int32)} | changes
        made.append(batch(CELL, visit, ra[seen], dec[seen], flux[seen] + visit, **fields))
    return made


def closed(batches, rules=RULES) -> tuple[Cell, list]:
    cell = Cell(CELL, rules)
    for batch in batches:
        cell.advance(batch.visit, [batch], closing=False)
    return cell, cut_at_end(cell, batches[-1].visit + 1)


def cut_at_end(cell: Cell, visit: int) -> list:
    due = cell.advance(visit, [], closing=True)
    return [p for series, d in due for p in cut_panel(series, d, visit, 1 << 22)]


def test_every_measured_point_is_in_the_panel_and_no_other(batch):
    batches = frames(batch, 30)
    _, panels = closed(batches)
    assert [len(panel.object_id) for panel in panels] == [128, 72]
    for panel in panels:
        star = np.round(np.nanmedian(panel.flux, axis=1) / 10 ** (0.4 * 6.4) / 100).astype(int)
        expected = 100.0 * star[:, None] + panel.epoch_visit[None, :]
        got = panel.flux / 10 ** (0.4 * 6.4)
        seen = np.array([[s - 1 in b.flags for b in batches] for s in star])
        np.testing.assert_array_equal(np.isfinite(got), seen)
        np.testing.assert_allclose(got[seen], expected[seen], rtol=1e-6)
        np.testing.assert_array_equal(panel.flags[~seen], 0)
        np.testing.assert_array_equal(panel.flags[seen], (star[:, None] - 1 + 0 * seen)[seen])


def test_flux_is_in_nanojansky_by_the_zero_point_of_its_frame(batch):
    batches = frames(batch, 3, stars=1, zero_point=31.4)
    _, (panel,) = closed(batches)
    measured = panel.flux[np.isfinite(panel.flux)]
    assert measured[0] == pytest.approx(101.0)
    assert np.nanmin(panel.flux_err) == pytest.approx(1.0)


def test_ids_are_the_cell_and_the_number(batch):
    _, (panel, _) = closed(frames(batch, 6))
    np.testing.assert_array_equal(panel.object_id, (CELL << OBJECT_BITS) + np.arange(1, 129))


def test_epochs_are_in_order_of_time_whatever_the_order_of_announcement(batch):
    batches = frames(batch, 12)
    times = np.random.default_rng(1).permutation(12) + 61000.0
    late = list(batches)
    for b, time in zip(late, times, strict=True):
        object.__setattr__(b, "mjd_mid_tai", float(time))
    _, (panel, _) = closed(late)
    np.testing.assert_array_equal(panel.mjd_mid_tai, np.sort(times))
    np.testing.assert_array_equal(panel.epoch_visit, np.argsort(times) + 1)


def test_large_panels_are_split_by_epochs(batch):
    batches = frames(batch, 30)
    cell, whole = closed(batches)
    series, due = cell.advance(32, [batches[-1]], closing=True)[0]
    full = next(cut_panel(series, due, 32, 1 << 22))
    parts = list(cut_panel(series, due, 32, 16_000))
    assert len(parts) > 2
    assert [(p.part, p.parts) for p in parts] == [(i, len(parts)) for i in range(len(parts))]
    np.testing.assert_array_equal(np.concatenate([p.flux for p in parts], axis=1), full.flux)
    assert all(len(encode(part)) < 17_000 for part in parts)
    assert len(whole) == 2


def test_a_replay_ends_where_the_first_pass_ended(batch):
    batches = frames(batch, 40)
    once, again = Cell(CELL, RULES), Cell(CELL, RULES)
    batches = [replace(batch_, visit=2 * batch_.visit) for batch_ in batches]
    for batch_ in batches[:25]:
        once.advance(batch_.visit, [batch_], closing=False)
    once.advance(51, [], closing=True)
    for batch_ in batches[25:]:
        once.advance(batch_.visit, [batch_], closing=False)
    again.replay(batches, closings=[51])
    panels = [[encode(p) for p in cut_at_end(cell, 81)] for cell in (once, again)]
    assert len(panels[0]) == 2
    assert panels[0] == panels[1]


def test_examinations_count_from_one_and_closing_comes_once(batch):
    cell = Cell(CELL, RULES)
    seen = [
        due
        for batch_ in frames(batch, 20, stars=5)
        for _, due in cell.advance(batch_.visit, [batch_], closing=False)
    ]
    assert [due.examination for due in seen] == list(range(1, len(seen) + 1))
    assert len(seen) >= 3
    ((_, end),) = cell.advance(21, [], closing=True)
    assert end.closing
    assert end.examination == len(seen) + 1
    assert cell.advance(22, [], closing=True) == []


@pytest.mark.parametrize(
    ("change", "name"),
    [
        ({"band": "g"}, "band"),
        ({"reference_version": "r2", "reference_family": "r2"}, "reference_version"),
    ],
)
def test_bands_and_references_have_curves_of_their_own(batch, change, name):
    """Each is what it would be alone, but for the ids and the numbers of its panels."""
    mixed = [
        replace(each, visit=2 * each.visit + shift)
        for changes, shift in (({}, 0), (change, 1))
        for each in frames(batch, 12, seed=shift, **changes)
    ]
    mixed.sort(key=lambda each: each.visit)
    cell, panels = closed(mixed)
    ids = np.concatenate([panel.object_id for panel in panels])
    assert len(np.unique(ids)) == len(ids) == 400
    assert len({panel.panel for panel in panels}) == len(panels) == 4
    for value in {getattr(each, name) for each in mixed}:
        _, alone = closed([each for each in mixed if getattr(each, name) == value])
        mine = [panel for panel in panels if getattr(panel, name) == value]
        for panel, expected in zip(mine, alone, strict=True):
            np.testing.assert_array_equal(panel.flux, expected.flux)
            np.testing.assert_array_equal(panel.object_id % 2**48, expected.object_id)
    assert cell.epochs == 24


def test_a_rebuilt_reference_goes_on_with_the_curves_of_its_family(batch):
    def measured(visit, version, numbers):
        ids = (CELL << 20) + np.array(numbers)
        named = {"reference_version": version, "reference_family": "v1", "object_id": ids}
        place = 1e-3 * np.arange(len(numbers))
        return batch(CELL, visit, RA + place, DEC + place, 100.0 * np.array(numbers), **named)

    first = [measured(visit, "v1", [1, 2]) for visit in (1, 2, 3)]
    rebuilt = [measured(visit, "v2", [1, 2, 3]) for visit in (4, 5)]  # one star more
    _, (panel,) = closed([*first, *rebuilt])
    assert (panel.object_id & (1 << 20) - 1).tolist() == [1, 2, 3]
    assert np.isfinite(panel.flux).sum(axis=1).tolist() == [5, 5, 2]
    assert panel.reference_version == "v2"


def test_an_empty_frame_is_an_epoch(batch):
    batches = [*frames(batch, 6, stars=3), batch(CELL, 7, [], [], [])]
    _, (panel,) = closed(batches)
    assert panel.flux.shape == (3, 7)
    assert np.isnan(panel.flux[:, 6]).all()
