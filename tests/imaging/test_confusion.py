"""The light of stars that no list holds."""

import numpy as np
import pytest

from csstream.imaging.finding.confusion import Confusion, crowding, freed, widened


def test_crowding_counts_stars_per_area_of_the_psf() -> None:
    assert crowding(1000, (100, 200), 2.3548) == pytest.approx(0.05 * 4.0 * np.pi)
    assert crowding(0, (100, 200), 2.0) == 0.0


def test_a_sparse_field_is_left_alone() -> None:
    flux, error, chi2 = np.array([100.0, 50.0]), np.array([5.0, 4.0]), np.array([0.7, 1.0])
    np.testing.assert_array_equal(freed(flux, error, Confusion(shift=2.0), 0.0), flux)
    np.testing.assert_array_equal(widened(error, 3.0, 0.0, chi2), error)


def test_fluxes_lose_what_their_noise_hides() -> None:
    lack = Confusion(shift=2.0, shift_per_decade=1.0)
    corrected = freed(np.array([100.0, 50.0, 3000.0]), np.array([5.0, np.nan, 10.0]), lack, 0.2)
    np.testing.assert_allclose(corrected, [98.0, 50.0, 2994.0])


def test_errors_grow_with_crowding_and_with_bad_residuals() -> None:
    grown = widened(np.array([1.0, 1.0, 1.0]), 3.0, 0.25, np.array([0.5, 4.0, np.nan]))
    np.testing.assert_allclose(grown, np.sqrt(1.75) * np.array([1.0, 2.0, 1.0]))
