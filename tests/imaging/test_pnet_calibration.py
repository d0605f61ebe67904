import numpy as np
import pytest

from csstream.imaging.finding.pnet import Decoded
from csstream.imaging.finding.pnet_calibration import Calibration

PLAIN = {"calibration": {"logit": [-1.0, 1.0], "probability": [0.25, 0.75]}}


def found(position, flux):
    n = len(position)
    zero = np.zeros(n, np.float32)
    widths = (np.array(w, np.float32) for w in (position, flux))
    return Decoded(np.zeros(n), np.zeros(n), zero, zero, *widths)


def test_probabilities_follow_the_knots_and_end_with_them():
    calibration = Calibration.from_card(PLAIN)
    np.testing.assert_allclose(calibration.probability([-9.0, 0.0, 9.0]), [0.25, 0.5, 0.75])


def test_a_card_without_widths_takes_them_for_laplace_widths():
    errors = Calibration.from_card(PLAIN).position_error(found([0.1, 0.2], [1.0, 1.0]))
    rng = np.random.default_rng(1)
    drawn = rng.laplace(0.0, 0.1, 200_000)
    assert errors[0] == pytest.approx(1.4826 * np.median(np.abs(drawn)), rel=0.02)
    assert errors[1] == pytest.approx(2 * errors[0])


def test_factors_are_read_at_the_widths_logarithm():
    knots = {"ln_width": [np.log(0.1), np.log(0.4)], "factor": [1.0, 2.0]}
    card = {"calibration": PLAIN["calibration"] | {"flux": knots}}
    errors = Calibration.from_card(card).flux_error(found([1, 1, 1], [0.1, 0.2, 0.8]))
    np.testing.assert_allclose(errors, [0.1, 0.3, 1.6], rtol=1e-6)
