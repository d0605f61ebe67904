"""Names: the stream's cells, numbers by flux, older names kept."""

from dataclasses import replace

import numpy as np
import pytest
from astropy.wcs import WCS

from csstream.association.objects import OBJECT_BITS, REFERENCE_NUMBERS
from csstream.contracts import cells
from csstream.imaging.reference.catalogue import NO_STARS, ReferenceCatalogue, ReferenceStarTable
from csstream.imaging.reference.identity import (
    LARGEST_NUMBER,
    TooManyStarsError,
    cells_of,
    cross_match,
    numbered,
    sealed,
)


def listed(ra, dec, object_id, used) -> ReferenceCatalogue:
    count = len(ra)
    columns = {name: np.zeros(count, column.dtype) for name, column in vars(NO_STARS).items()}
    columns |= {"ra": np.array(ra), "dec": np.array(dec), "object_id": np.array(object_id)}
    return ReferenceCatalogue(
        version="", instrument="", band="i", zero_point=25.0, fwhm=2.0, wcs=WCS(naxis=2),
        stars=ReferenceStarTable(**columns), used=np.array(used, np.int64),
    )  # fmt: skip


def test_cells_are_the_streams():
    rng = np.random.default_rng(5)
    ra, dec = rng.uniform(0, 360, 3000), np.degrees(np.arcsin(rng.uniform(-1, 1, 3000)))
    assert np.array_equal(cells_of(ra, dec), cells.cells_of(ra, dec))
    assert (LARGEST_NUMBER + 1, 20) == (REFERENCE_NUMBERS, OBJECT_BITS)


def test_numbers_follow_the_flux_within_a_cell():
    ra, dec = np.array([10.0, 10.0, 10.001, 80.0]), np.array([5.0, 5.0001, 5.0, -70.0])
    object_id, used = numbered(ra, dec, np.array([2.0, 9.0, 5.0, 1.0]), None, 0.1)
    own = cells_of(ra, dec)
    assert own[0] == own[1] == own[2]
    assert (object_id & 0xFFFFF).tolist() == [3, 1, 2, 1]
    assert np.array_equal(object_id >> 20, own)
    assert dict(used.tolist()) == {own[0]: 3, own[3]: 1}


def test_numbers_of_lost_stars_are_not_given_again():
    ra, dec, flux = np.array([10.0, 10.001]), np.array([5.0, 5.0]), np.array([2.0, 1.0])
    first_id, used = numbered(ra, dec, flux, None, 0.1)
    first = listed(ra, dec, first_id, used)
    second_id, used = numbered(ra[:1], dec[:1], flux[:1], first, 0.1)
    assert second_id.tolist() == first_id[:1].tolist()
    second = listed(ra[:1], dec[:1], second_id, used)
    third_id, used = numbered(ra, dec, flux, second, 0.1)
    assert third_id.tolist() == [first_id[0], first_id[1] + 1]
    assert used[:, 1].tolist() == [3]


def test_a_star_over_the_edge_of_its_cell_is_named_anew():
    ra = np.linspace(10.0, 10.05, 4001)
    dec = np.full(ra.size, 5.0)
    edge = int(np.flatnonzero(np.diff(cells_of(ra, dec)))[0])
    old_id, used = numbered(ra[edge : edge + 1], dec[:1], np.ones(1), None, 0.1)
    old = listed(ra[edge : edge + 1], dec[:1], old_id, used)
    new_id, _ = numbered(ra[edge + 1 : edge + 2], dec[:1], np.ones(1), old, 0.1)
    assert new_id >> 20 != old_id >> 20


def test_a_cell_has_room_for_so_many():
    previous = listed(
        [10.0], [5.0], [1], [[cells_of(np.array([10.0]), np.array([5.0]))[0], 524286]]
    )
    near = np.array([10.0005, 10.0007]), np.array([5.0, 5.0])
    with pytest.raises(TooManyStarsError, match="524287"):
        numbered(*near, np.ones(2), previous, 0.01)


def test_two_lists_side_by_side():
    old = listed([10.0, 10.001], [5.0, 5.0], [11, 12], [[0, 1]])
    new = listed([10.001, 10.002], [5.0, 5.0], [12, 13], [[0, 1]])
    found = cross_match(old, new, 0.2)
    assert found.old_id.tolist() == [12, 0, 11]
    assert found.new_id.tolist() == [12, 13, 0]
    assert found.separation[0] == pytest.approx(0.0, abs=1e-6)
    assert np.isnan(found.separation[1:]).all()


def test_a_rebuilt_list_stays_in_its_family():
    first = sealed(listed([10.0], [5.0], [11], [[0, 1]]))
    assert first.family == first.version
    assert sealed(replace(first, version="", family="")).version == first.version
    again = sealed(replace(first, zero_point=26.0))
    assert again.family == first.version != again.version
    other = sealed(replace(first, zero_point=26.0, family=""))
    assert other.family == other.version != again.version


def test_every_part_of_a_list_is_in_its_version():
    first = sealed(listed([10.0], [5.0], [11], [[0, 1]]))
    seen = {first.version, sealed(replace(first, band="g")).version}
    seen.add(sealed(replace(first, zero_point=25.0000001)).version)
    seen.add(sealed(replace(first, used=np.array([[0, 2]]))).version)
    for name, column in vars(first.stars).items():
        other = replace(first.stars, **{name: (column + 1).astype(column.dtype)})
        seen.add(sealed(replace(first, stars=other)).version)
    assert len(seen) == 4 + len(vars(first.stars))
