"""Flat coordinates about a cell."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from csstream.association.geometry import TangentPlane, cell_centre
from csstream.contracts.cells import N_CELLS, cells_of


@given(st.integers(0, N_CELLS - 1), st.integers(0, 2**32))
def test_positions_come_back(cell, seed):
    plane = TangentPlane(cell)
    xi, eta = np.random.default_rng(seed).uniform(-60, 60, (2, 20))
    back = plane.project(*plane.unproject(xi, eta))
    np.testing.assert_allclose(back, (xi, eta), atol=1e-7)


@given(st.integers(0, N_CELLS - 1))
def test_the_centre_of_a_cell_lies_in_it(cell):
    ra, dec = np.degrees(cell_centre(cell))
    assert cells_of(ra, dec)[0] == cell
    xi, eta = TangentPlane(cell).project(np.array([ra]), np.array([dec]))
    assert np.hypot(xi, eta)[0] < 1e-6


def test_distances_are_those_on_the_sky():
    ra0, dec0 = 150.0, 60.0
    plane = TangentPlane(int(cells_of(ra0, dec0)[0]))
    xi, eta = plane.project(np.array([ra0, ra0 + 10 / 3600]), np.array([dec0, dec0]))
    distance = np.hypot(np.diff(xi), np.diff(eta))[0]
    assert distance == pytest.approx(10 * np.cos(np.radians(dec0)), rel=1e-5)


def test_right_ascension_zero_is_no_border():
    cell = int(cells_of(359.9999, 2.0)[0])
    xi, _ = TangentPlane(cell).project(np.array([359.9999, 0.0001]), np.array([2.0, 2.0]))
    assert abs(np.diff(xi)[0]) == pytest.approx(0.72, rel=1e-2)
