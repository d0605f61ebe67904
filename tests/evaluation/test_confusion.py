"""Calibrating a finder's incompleteness."""

import numpy as np
import pytest

from csstream.evaluation.confusion import Pulls, calibrate_confusion


def sky(nu: float, seed: int) -> Pulls:
    """Pulls of a finder with shift 2 and 1 more per decade, variances 3 and 1 per ν."""
    rng = np.random.default_rng(seed)
    snr = 10.0 ** rng.uniform(1.0, 3.0, 200_000)
    shift = 2.0 + np.log10(np.maximum(snr, 30.0) / 30.0)
    flux = shift * nu + np.sqrt(1.0 + 3.0 * nu) * rng.standard_normal(200_000)
    return Pulls(nu, flux, np.sqrt(1.0 + nu) * rng.standard_normal(200_000), snr)


def test_the_coefficients_are_found_again() -> None:
    found = calibrate_confusion([sky(nu, k) for k, nu in enumerate((0.05, 0.1, 0.2, 0.3))])
    assert found.shift == pytest.approx(2.0, rel=0.02)
    assert found.shift_per_decade == pytest.approx(1.0, abs=0.1)
    assert found.flux_variance == pytest.approx(3.0, rel=0.05)
    assert found.position_variance == pytest.approx(1.0, rel=0.1)


def test_errors_never_shrink() -> None:
    pulls = Pulls(0.2, np.zeros(10), np.zeros(10), np.ones(10))
    found = calibrate_confusion([pulls])
    assert found.flux_variance == 0.0
    assert found.position_variance == 0.0


def test_without_a_sky_it_says_so() -> None:
    with pytest.raises(ValueError, match="no sky"):
        calibrate_confusion([])
