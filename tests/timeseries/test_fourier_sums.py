"""Fast Fourier sums against direct ones."""

from __future__ import annotations

import numpy as np
import pytest

from csstream.timeseries.fourier_sums import fourier_sums


@pytest.mark.parametrize(("points", "count"), [(1, 1), (300, 2), (300, 7), (500, 1000), (50, 4001)])
def test_sums_agree_with_direct_ones(rng, points, count):
    time, values = rng.uniform(-40.0, 40.0, points), rng.normal(size=(2, points))
    frequencies = 0.1 + 0.013 * np.arange(count)
    direct = values @ np.exp(2j * np.pi * np.outer(time, frequencies))
    found = fourier_sums(time, values, 0.1, 0.013, count)
    assert np.max(np.abs(found - direct)) < 1e-8 * np.abs(values).sum(axis=1).max()


def test_a_single_pulse_turns_with_the_frequency():
    found = fourier_sums(np.array([0.25]), np.ones((1, 1)), 0.0, 1.0, 4)
    np.testing.assert_allclose(found[0], [1, 1j, -1, -1j], atol=1e-8)
