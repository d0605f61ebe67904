"""Objects of a cell: confirmed, forgotten, foreign, or named by a reference."""

from __future__ import annotations

import numpy as np
import pytest
from batches import make_batch

from csstream.association.geometry import cell_centre
from csstream.association.objects import DEAD, FOREIGN, OBJECT_BITS, REFERENCE_NUMBERS, Objects
from csstream.contracts.cells import cells_of

CELL = 1234567
RA, DEC = np.degrees(cell_centre(CELL))
ARCSEC = 1.0 / 3600.0


def numbers(objects: Objects) -> list[int]:
    return [int(number) for number in objects["number"]]


def frame(visit, offsets, **changes):
    """A frame with sources at these offsets [arcsec] in declination from the cell's centre."""
    offsets = np.asarray(offsets, float)
    flux = np.ones(len(offsets))
    return make_batch(
        CELL, visit, np.full(len(offsets), RA), DEC + offsets * ARCSEC, flux, **changes
    )


def test_a_candidate_becomes_an_object_with_its_third_source():
    objects = Objects(CELL, confirm_sources=3, confirm_epochs=20)
    for epoch, expected in enumerate(([], [], [1])):
        objects.take(frame(epoch + 1, [0.0]), epoch)
        assert [n for n in numbers(objects) if n > 0] == expected


def test_numbers_follow_the_order_of_confirmation():
    objects = Objects(CELL, 2, 20)
    objects.take(frame(1, [0.0, 3.0]), 0)
    objects.take(frame(2, [3.0]), 1)
    objects.take(frame(3, [0.0]), 2)
    assert numbers(objects) == [2, 1]


def test_one_frame_detections_are_forgotten_and_their_slots_taken_back():
    objects = Objects(CELL, 3, 5)
    for epoch in range(60):
        sources = [0.0, 1.0 + 0.2 * (epoch % 40)]  # a star and something new in every frame
        objects.take(frame(epoch + 1, sources), epoch)
        objects.compact()
    assert numbers(objects).count(1) == 1
    assert max(numbers(objects)) == 1
    assert objects.size <= 12


def test_a_candidate_that_comes_too_late_starts_anew():
    objects = Objects(CELL, 2, 3)
    objects.take(frame(1, [0.0]), 0)
    for epoch in (1, 2, 3):
        objects.take(frame(epoch + 1, []), epoch)
    assert numbers(objects) == [DEAD]
    objects.take(frame(5, [0.0]), 4)
    assert sorted(numbers(objects)) == [DEAD, -1]


def test_a_star_of_the_neighbour_is_foreign_and_has_no_number():
    outside = DEC + np.arange(0, 80) * ARCSEC
    first_outside = int(np.argmax(cells_of(np.full(80, RA), outside) != CELL))
    objects = Objects(CELL, 2, 20)
    for epoch in range(4):
        objects.take(frame(epoch + 1, [first_outside]), epoch)
    assert numbers(objects) == [FOREIGN]
    assert objects["count"][0] == 4


def test_the_position_is_the_weighted_mean_and_its_error_comes_from_the_scatter():
    rng = np.random.default_rng(5)
    offsets, err = rng.normal(0, 0.01, 400), rng.uniform(0.05, 0.2, 400).astype(np.float32)
    objects = Objects(CELL, 1, 20)
    for epoch, (offset, sigma) in enumerate(zip(offsets, err, strict=True)):
        errors = {"x_err": np.array([sigma]), "y_err": np.array([sigma])}
        objects.take(frame(epoch + 1, [offset], **errors), epoch)
    _, dec, _, dec_err = objects.positions(np.array([0]))
    weights = err.astype(float) ** -2
    assert (dec[0] - DEC) / ARCSEC == pytest.approx(np.average(offsets, weights=weights), abs=1e-7)
    assert dec_err[0] / ARCSEC == pytest.approx(0.01 / np.sqrt(400) * 1.2, rel=0.2)


def test_a_single_source_has_no_error():
    objects = Objects(CELL, 1, 20)
    objects.take(frame(1, [0.0]), 0)
    assert np.isnan(objects.positions(np.array([0]))[2][0])


def test_sources_without_a_position_are_left_alone():
    objects = Objects(CELL, 1, 20)
    slots = objects.take(frame(1, [np.nan, 0.0]), 0)
    np.testing.assert_array_equal(slots, [-1, 0])


def test_a_reference_names_its_objects_wherever_they_lie():
    ids = (CELL << OBJECT_BITS) + np.array([7, 3])
    objects = Objects(CELL, 3, 20)
    kwargs = {"object_id": ids, "reference_version": "r1"}
    objects.take(frame(1, [0.0, 5.0], **kwargs), 0)
    slots = objects.take(frame(2, [5.0, 0.0], **kwargs), 1)  # swapped places
    assert sorted(numbers(objects)) == [3, 7]
    np.testing.assert_array_equal(objects["number"][slots], [7, 3])


def test_a_reference_star_of_the_neighbour_and_a_second_row_of_one_are_not_taken():
    ids = np.array([((CELL + 1) << OBJECT_BITS) + 7, (CELL << OBJECT_BITS) + 7] * 2)
    objects = Objects(CELL, 3, 20)
    kwargs = {"object_id": ids, "reference_version": "r1"}
    slots = objects.take(frame(1, [0.0, 1.0, 2.0, 3.0], **kwargs), 0)
    np.testing.assert_array_equal(slots, [-1, 0, -1, -1])


def test_what_is_found_beside_a_reference_keeps_apart_from_it():
    ids = np.array([(CELL << OBJECT_BITS) + 7, 0])
    objects = Objects(CELL, 2, 20)
    for epoch in range(2):
        kwargs = {"object_id": ids, "reference_version": "r1"}
        objects.take(frame(epoch + 1, [0.0, 0.01], **kwargs), epoch)
    assert sorted(numbers(objects)) == [7, REFERENCE_NUMBERS + 1]
    np.testing.assert_array_equal(objects["count"], [2, 2])
