"""One star on several frames at once: two detectors in the same minute, pointings that overlap."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from handler_bench import Bench

from csstream.association.geometry import cell_centre
from csstream.association.objects import OBJECT_BITS
from csstream.contracts.codec import decode
from csstream.contracts.records import ClosedMarker, DeadLetter, Measurements, Panel
from csstream.contracts.units import AB_ZERO_POINT_NJY

CELL = 1234568
RA, DEC = np.degrees(cell_centre(CELL))
STARS = 12
OFFSET = np.arange(STARS) - 6.0  # [arcsec] in declination
NJY = np.geomspace(300.0, 30_000.0, STARS)
SEEN = {1: slice(0, 8), 2: slice(4, 12)}  # by detector: four stars lie on both
ZERO_POINT = {1: 25.0, 2: 26.3}
VISITS = 6
SECOND = 1.0 / 86400.0  # [day]


def flux_of(star: np.ndarray, visit: int) -> np.ndarray:
    """A star's flux [nJy], the same on every detector, another in every visit."""
    return NJY[star] * (1.0 + 0.01 * visit)


def frame(batch, visit: int, detector: int, stars: np.ndarray, *, reference: bool) -> Measurements:
    """What one detector measures: counts by its own zero point, 20 s after the other."""
    counts = flux_of(stars, visit) / 10.0 ** (0.4 * (AB_ZERO_POINT_NJY - ZERO_POINT[detector]))
    ids = (CELL << OBJECT_BITS) + 1 + stars if reference else np.zeros(len(stars), np.int64)
    return batch(
        CELL, visit, np.full(len(stars), RA), DEC + OFFSET[stars] / 3600.0, counts,
        detector=detector, detectors_in_visit=2, zero_point=ZERO_POINT[detector],
        mjd_mid_tai=61000.0 + visit / 1440.0 + 20.0 * SECOND * (2 - detector),
        flux_err=np.full(len(stars), 0.01 * counts.min(), np.float32),
        object_id=ids, reference_version="r1" if reference else "",
    )  # fmt: skip


def marker(visit: int, detector: int = 0, **changes: int) -> ClosedMarker:
    fields = {
        "exposure_id": f"run.{detector}.{visit}", "visit": visit, "detector": detector,
        "detectors_in_visit": 2, "partition": 0, "batches": 1, "sources": 8,
    }  # fmt: skip
    return ClosedMarker(**(fields | changes))


def visit_of(batch, visit: int, shift: int = 0, *, reference: bool) -> list:
    """Both detectors, the second one first, their frames ``shift`` stars further along."""
    records = []
    for detector in (2, 1):
        stars = np.arange(STARS)[SEEN[detector]] + shift
        stars = stars[(stars >= 0) & (stars < STARS)]
        records.append(frame(batch, visit, detector, stars, reference=reference))
        records.append(marker(visit, detector))
    return records


def last_panel(bench: Bench) -> Panel:
    assert not [m for m in bench.sent if m.topic.endswith("dead-letters")]
    panels = [decode(value, Panel) for value in bench.panels()]
    (panel,) = [panel for panel in panels if panel.closing]
    return panel


def handle(to_message, records) -> Bench:
    bench = Bench()
    bench.handle(*(to_message(0, record, i) for i, record in enumerate(records)))
    return bench


@pytest.mark.parametrize("reference", [False, True])
def test_a_star_on_two_detectors_has_a_point_of_each_in_the_same_unit(batch, to_message, reference):
    records = [
        record for v in range(1, VISITS + 1) for record in visit_of(batch, v, reference=reference)
    ]
    end = marker(VISITS + 1, batches=0, detectors_in_visit=1, sequence_end=True)
    panel = last_panel(handle(to_message, [*records, end]))
    assert len(panel.object_id) == STARS
    star = np.round((panel.dec - DEC) * 3600.0 + 6.0).astype(int)  # by place, whatever its number
    assert sorted(star) == list(range(STARS))
    # the first detector is later, and epochs are in order of time
    assert panel.epoch_detector.tolist() == [2, 1] * VISITS
    assert np.all(np.diff(panel.mjd_mid_tai) > 0)
    for row, each in enumerate(star):
        shown = [d for d in (2, 1) if each in np.arange(STARS)[SEEN[d]]] * VISITS
        has = np.isfinite(panel.flux[row])
        assert panel.epoch_detector[has].tolist() == shown
        expected = NJY[each] * (1.0 + 0.01 * panel.epoch_visit[has])
        np.testing.assert_allclose(panel.flux[row, has], expected, rtol=1e-6)
        for detector in (1, 2):  # errors follow their own zero points
            mine = has & (panel.epoch_detector == detector)
            faintest = NJY[SEEN[detector]].min() * (1.0 + 0.01 * panel.epoch_visit[mine])
            np.testing.assert_allclose(panel.flux_err[row, mine], 0.01 * faintest, rtol=1e-6)


@pytest.mark.parametrize("reference", [False, True])
def test_pointings_that_overlap_share_their_stars(batch, to_message, reference):
    """Every second visit is shifted by three stars; each star has the points that show it."""
    records, times = [], np.zeros(STARS, int)
    for visit in range(1, VISITS + 1):
        records += visit_of(batch, visit, shift=3 * (visit % 2), reference=reference)
        for record in records[-4::2]:
            times[np.round((record.dec - DEC) * 3600.0 + 6.0).astype(int)] += 1
    end = marker(VISITS + 1, batches=0, detectors_in_visit=1, sequence_end=True)
    panel = last_panel(handle(to_message, [*records, end]))
    star = np.round((panel.dec - DEC) * 3600.0 + 6.0).astype(int)
    assert sorted(star) == list(range(STARS))
    np.testing.assert_array_equal(np.isfinite(panel.flux).sum(axis=1), times[star])
    assert len(set(times.tolist())) >= 3  # from the edge of one pointing to the middle of both


def test_a_detector_that_comes_late_or_twice_changes_no_byte(batch, to_message):
    """Whichever detector's batches and markers come first, again, or in another order."""
    records = [r for v in range(1, VISITS + 1) for r in visit_of(batch, v, reference=False)]
    end = marker(VISITS + 1, batches=0, detectors_in_visit=1, sequence_end=True)
    expected = handle(to_message, [*records, end]).panels()
    late = [r for r in records if r.detector == 1] + [r for r in records if r.detector == 2]
    assert handle(to_message, [*late, late[0], end, *late[3:5]]).panels() == expected


def test_one_detector_of_two_closes_nothing(batch, to_message):
    records = [r for v in range(1, VISITS + 1) for r in visit_of(batch, v, reference=False)]
    bench = handle(to_message, [r for r in records if r.detector == 2])
    assert not bench.sent
    assert bench.handler.states[0].sent == 0


def test_a_detector_that_nobody_announced_is_refused_once_its_visit_is_closed(batch, to_message):
    records = [r for v in range(1, VISITS + 1) for r in visit_of(batch, v, reference=False)]
    stranger = replace(frame(batch, 2, 2, np.arange(3), reference=False), detector=3)
    bench = handle(to_message, [*records, stranger])
    letters = [decode(m.value, DeadLetter) for m in bench.sent if m.topic.endswith("dead-letters")]
    assert [letter.reason for letter in letters] == ["late_message"]
