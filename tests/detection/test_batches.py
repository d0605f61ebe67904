"""Batches and markers: every source once in its own cell, copies in the margin, exact counts."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scipy.spatial import cKDTree

from csstream.contracts.cells import cells_of, partition_of
from csstream.contracts.codec import decode, encode
from csstream.contracts.records import Measurements
from csstream.detection.batches import (
    build_batches,
    closed_markers,
    five_sigma_depth,
    measured_report,
    unmeasured_report,
)
from csstream.detection.footprint import footprint_cells
from csstream.imaging.matching import unit_vectors
from csstream.imaging.registration import nominal_wcs

MARGIN = 2.0  # [arcsec]


def scattered(seed: int, n: int, ra: float, dec: float, size_arcsec: float = 120.0):
    rng = np.random.default_rng(seed)
    half = 0.5 * size_arcsec / 3600.0
    return (
        (ra + rng.uniform(-half, half, n) / math.cos(math.radians(dec))) % 360.0,
        dec + rng.uniform(-half, half, n),
    )


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    seed=st.integers(0, 1000),
    n=st.integers(0, 200),
    ra=st.floats(0, 360, exclude_max=True),
    dec=st.floats(-85, 85),
)
def test_every_source_lies_once_in_its_own_cell(
    exposure, make_table, make_result, seed, n, ra, dec
):
    source_ra, source_dec = scattered(seed, n, ra, dec)
    own = cells_of(source_ra, source_dec) if n else np.empty(0, np.int64)
    result = make_result(make_table(source_ra, source_dec), np.unique(own))
    batches = build_batches(exposure, result, MARGIN)
    cells = [batch.cell for batch in batches]
    assert cells == sorted(set(cells))
    seen = np.zeros(n, int)
    for batch in batches:
        rows = batch.x.astype(int)  # the table's x is the source's number
        assert np.all(np.diff(rows) > 0)
        assert np.array_equal(batch.ra, source_ra[rows])
        inside = own[rows] == batch.cell
        seen[rows[inside]] += 1
    assert np.all(seen == 1)


def test_margin_copies_are_those_near_the_cell_and_no_others(exposure, make_table, make_result):
    ra, dec = scattered(3, 4000, 269.2, -29.58)
    own = cells_of(ra, dec)
    result = make_result(make_table(ra, dec), np.unique(own))
    position = unit_vectors(ra, dec)
    margin = np.radians(MARGIN / 3600.0)
    checked = 0
    for batch in build_batches(exposure, result, MARGIN):
        rows = batch.x.astype(int)
        in_cell = np.flatnonzero(own == batch.cell)
        others = np.setdiff1d(np.arange(len(ra)), rows)
        # who is near a source of the cell is near the cell, and must be among the copies
        distance, _ = cKDTree(position[in_cell]).query(position[others])
        assert np.all(distance > margin)
        checked += len(np.setdiff1d(rows, in_cell))
    assert checked > 100


def test_a_listed_star_goes_to_the_cell_of_its_id_alone(exposure, make_table, make_result):
    ra, dec = scattered(3, 4000, 269.2, -29.58)
    own = cells_of(ra, dec)
    listed = np.arange(4000) % 2 == 0
    ids = np.where(listed, (own << 20) + 1 + np.arange(4000), 0)
    table = replace(make_table(ra, dec), object_id=ids)
    result = replace(make_result(table, np.unique(own)), reference_version="v1")
    batches = build_batches(exposure, result, MARGIN)
    sent = np.concatenate([batch.x.astype(int) for batch in batches])
    assert np.bincount(sent)[listed].tolist() == [1] * 2000
    assert np.bincount(sent)[~listed].max() > 1  # what the list lacks is copied over borders
    for batch in batches:
        rows = batch.x.astype(int)
        assert batch.object_id.tolist() == ids[rows].tolist()
        assert np.all(batch.object_id[batch.object_id > 0] >> 20 == batch.cell)
        assert np.all(np.diff(rows) > 0)
        assert batch.reference_version == "v1"
    assert measured_report(exposure, result, batches, 0).listed == 2000


def test_a_listed_star_stays_in_its_cell_when_the_frame_puts_it_beyond_the_border(
    exposure, make_table, make_result
):
    cell = int(cells_of([10.0], [20.0])[0]) + 1  # not where the source lies
    table = replace(make_table([10.0], [20.0]), object_id=np.array([(cell << 20) + 1]))
    (batch,) = build_batches(exposure, make_result(table), MARGIN)
    assert (batch.cell, len(batch.ra)) == (cell, 1)


def test_empty_cells_have_empty_batches(exposure, make_table, make_result):
    ra, dec = scattered(5, 3, 10.0, 20.0, size_arcsec=1.0)
    own = np.unique(cells_of(ra, dec))
    footprint = np.array([7, 11, *own, 10**7])
    batches = build_batches(exposure, make_result(make_table(ra, dec), footprint), MARGIN)
    assert [b.cell for b in batches] == sorted(footprint.tolist())
    assert sum(len(b.ra) for b in batches) >= 3
    assert len(batches[0].ra) == 0
    nothing = build_batches(exposure, make_result(make_table([], []), footprint), MARGIN)
    assert [len(b.ra) for b in nothing] == [0] * len(footprint)


def test_source_on_a_sliver_that_the_footprint_missed_is_kept(exposure, make_table, make_result):
    batches = build_batches(exposure, make_result(make_table([10.0], [20.0]), []), MARGIN)
    own = int(cells_of([10.0], [20.0])[0])
    assert [(b.cell, len(b.ra)) for b in batches if b.cell == own] == [(own, 1)]


def test_batch_survives_the_wire_and_has_the_same_bytes(exposure, make_table, make_result):
    ra, dec = scattered(1, 50, 269.2, -29.58)
    first, second = (
        [encode(b) for b in build_batches(exposure, make_result(make_table(ra, dec), [1]), MARGIN)]
        for _ in range(2)
    )
    assert first == second
    batch = decode(first[-1], Measurements)
    assert (batch.visit, batch.detector, batch.detectors_in_visit) == (7, 1, 2)
    assert batch.margin_arcsec == MARGIN
    assert batch.flux.dtype == np.dtype("<f4")


def test_markers_count_what_each_partition_gets(exposure, make_table, make_result):
    ra, dec = scattered(2, 500, 269.2, -29.58, size_arcsec=400.0)
    footprint = np.unique(cells_of(ra, dec))
    batches = build_batches(exposure, make_result(make_table(ra, dec), footprint), MARGIN)
    markers = closed_markers(exposure, batches, 5)
    assert [m.partition for m in markers] == [0, 1, 2, 3, 4]
    for marker in markers:
        here = [b for b in batches if partition_of(b.cell, 5) == marker.partition]
        assert marker.batches == len(here)
        assert marker.sources == sum(len(b.ra) for b in here)
        assert (marker.reason, marker.sequence_end) == ("", False)
    assert sum(m.batches for m in markers) == len(batches)


def test_given_up_exposure_is_closed_everywhere(exposure):
    markers = closed_markers(exposure, [], 4, "missing_file")
    assert [(m.batches, m.sources, m.reason) for m in markers] == [(0, 0, "missing_file")] * 4
    report = unmeasured_report(exposure, "missing_file", 5, "auto")
    assert (report.status, report.reason) == ("given_up", "missing_file")
    encode(report)


def test_report_adds_up(exposure, make_table, make_result):
    ra, dec = scattered(2, 100, 269.2, -29.58)
    result = make_result(make_table(ra, dec), [3])
    batches = build_batches(exposure, result, MARGIN)
    report = measured_report(exposure, result, batches, 99)
    assert report.sources == 100
    assert report.batches == len(batches)
    assert report.rows == sum(len(b.ra) for b in batches) >= 100
    assert report.announced_ms == 99
    assert report.depth == pytest.approx(25.9 - 2.5 * np.log10(5.0))
    encode(report)


def test_depth_is_unknown_without_stars():
    assert math.isnan(five_sigma_depth(np.empty(0), np.empty(0), 25.0))
    assert math.isnan(five_sigma_depth(np.array([-1.0]), np.array([1.0]), 25.0))


@pytest.mark.parametrize("dec", [0.0, -29.58, 80.0])
def test_footprint_holds_every_pixel(dec):
    shape, scale = (300, 700), 0.2
    wcs = nominal_wcs((120.0, dec), scale, shape)
    to_sky = wcs.pixel_to_world_values
    cells = footprint_cells(to_sky, shape, scale)
    assert np.all(np.diff(cells) > 0)
    x, y = np.meshgrid(np.arange(0, shape[1], 7.0), np.arange(0, shape[0], 7.0))
    touched = np.unique(cells_of(*to_sky(x.ravel(), y.ravel())))
    assert np.isin(touched, cells).mean() > 0.9
    counts = [np.count_nonzero(cells_of(*to_sky(x.ravel(), y.ravel())) == c) for c in touched]
    missed = [n for c, n in zip(touched, counts, strict=True) if c not in cells]
    assert all(n <= 10 for n in missed)  # slivers
    assert len(cells) < 2 * len(touched) + 4
