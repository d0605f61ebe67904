"""Cells of the sky and their margins."""

from __future__ import annotations

import astropy.units as u
import numpy as np
import pytest
from astropy_healpix import HEALPix
from hypothesis import given, settings
from hypothesis import strategies as st

from csstream.contracts.cells import N_CELLS, NSIDE, cells_of, cells_with_margin, partition_of

HEALPIX = HEALPix(nside=NSIDE, order="nested")
ARCSEC = 1 / 3600


def test_known_cells():
    """Nested numbers of face corners and centres, from the HEALPix definition."""
    assert cells_of(45.0, 0.0) == 0  # southern corner of face 0 is at (45, 0)
    assert cells_of(0.0, 90.0) == NSIDE**2 - 1  # northern corner of face 0
    assert cells_of([45.0, 135.0], [41.81, 41.81]).tolist() == (
        HEALPIX.lonlat_to_healpix([45, 135] * u.deg, [41.81, 41.81] * u.deg).tolist()
    )


def test_ra_wraps():
    assert cells_of(370.0, -30.0) == cells_of(10.0, -30.0)
    assert cells_of(-1.0, -30.0) == cells_of(359.0, -30.0)


@pytest.mark.parametrize(("ra", "dec"), [(np.nan, 0), (0, np.nan), (np.inf, 0), (0, 90.001)])
def test_positions_that_are_none_are_refused(ra, dec):
    with pytest.raises(ValueError, match="finite"):
        cells_of(ra, dec)


def test_partition():
    assert partition_of(13, 4) == 1
    assert partition_of(np.array([4, 5, 6]), 4).tolist() == [0, 1, 2]
    with pytest.raises(ValueError, match="at least one"):
        partition_of(13, 0)


@pytest.mark.parametrize("margin", [-1.0, 15.1, np.nan])
def test_margins_that_are_none_are_refused(margin):
    with pytest.raises(ValueError, match="margin"):
        cells_with_margin([0.0], [0.0], margin)


def test_no_sources_are_in_no_cells():
    source, cell = cells_with_margin([], [], 2.0)
    assert source.size == cell.size == 0


def around(ra: float, dec: float, radius_arcsec: float, n: int = 720):
    """Cells met on a circle about a position, and at the position."""
    angle = np.linspace(0, 2 * np.pi, n, endpoint=False)
    radius = np.deg2rad(radius_arcsec * ARCSEC)
    lat = np.deg2rad(dec)
    new = np.arcsin(np.sin(lat) * np.cos(radius) + np.cos(lat) * np.sin(radius) * np.cos(angle))
    lon = np.deg2rad(ra) + np.arctan2(
        np.sin(angle) * np.sin(radius) * np.cos(lat),
        np.cos(radius) - np.sin(lat) * np.sin(new),
    )
    ring = HEALPIX.lonlat_to_healpix(lon * u.rad, new * u.rad)
    return {int(each) for each in ring} | {int(cells_of(ra, dec)[0])}


@settings(max_examples=60, deadline=None)
@given(
    cell=st.one_of(
        st.integers(0, N_CELLS - 1),
        st.sampled_from([0, NSIDE**2 - 1, NSIDE**2, N_CELLS - 1, 4 * NSIDE**2, 9 * NSIDE**2]),
    ),
    dx=st.floats(0.001, 0.999),
    dy=st.floats(0.001, 0.999),
    margin=st.floats(0.05, 8.0),
)
def test_margin_reaches_exactly_the_cells_within_it(cell, dx, dy, margin):
    """Against a brute-force look at all directions, near the poles and between faces too."""
    lon, lat = HEALPIX.healpix_to_lonlat(np.array([cell]), [dx], [dy])
    ra, dec = float(lon.to_value(u.deg)[0]), float(lat.to_value(u.deg)[0])
    source, found = cells_with_margin([ra], [dec], margin)
    assert set(source) == {0}
    assert len(set(found)) == found.size
    inside = set().union(*(around(ra, dec, margin * part) for part in (0.25, 0.5, 0.75, 0.999)))
    assert inside <= set(found.tolist())
    # no more than what a little beyond the margin meets; corners can hide between directions
    beyond = around(ra, dec, margin + 0.02, 5760) | around(ra, dec, margin + 0.01, 5760)
    assert set(found.tolist()) <= beyond | inside


def test_every_source_is_once_in_its_own_cell_and_the_order_is_by_cell():
    rng = np.random.default_rng(3)
    ra, dec = 266.4 + rng.uniform(0, 0.05, 2000), -29 + rng.uniform(0, 0.05, 2000)
    source, cell = cells_with_margin(ra, dec, 2.0)
    own = cells_of(ra, dec)
    assert np.array_equal(np.sort(source[cell == own[source]]), np.arange(2000))
    assert np.array_equal(np.lexsort((source, cell)), np.arange(source.size))
    assert 2000 < source.size < 2600


def test_margin_of_zero_gives_own_cells_only():
    rng = np.random.default_rng(4)
    ra, dec = rng.uniform(0, 360, 500), rng.uniform(-89, 89, 500)
    source, cell = cells_with_margin(ra, dec, 0.0)
    order = np.argsort(source)
    assert np.array_equal(cell[order], cells_of(ra, dec))
