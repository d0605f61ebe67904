import numpy as np
import pytest

pytest.importorskip("torch")

from csstream.imaging.finding.pnet import Decoded
from csstream.imaging.finding.pnet_calibration import Calibration
from csstream.simulation.catalogue import StarCatalogue
from csstream.trainer.pnet_calibration import MAG_PER_LN, calibrate, choose_threshold
from csstream.trainer.pnet_evaluation import summarise
from csstream.trainer.pnet_skies import Examined

pytestmark = pytest.mark.train
N = 4000
TOO_LARGE = 2.0  # errors over the claimed widths


@pytest.fixture(scope="module")
def examined():
    """Stars on a grid, found with errors twice the widths that the network claims, and ghosts."""
    rng = np.random.default_rng(5)
    side = int(np.sqrt(N))
    x, y = (10.0 * axis.ravel() for axis in np.meshgrid(np.arange(side), np.arange(side)))
    mag = rng.uniform(20.0, 24.0, x.size)
    ghosts = x.size // 4
    real = np.arange(x.size + ghosts) < x.size
    logit = np.where(real, rng.uniform(0.0, 3.0, real.size), rng.uniform(-2.0, 0.5, real.size))
    width = np.exp(rng.uniform(np.log(0.02), np.log(0.08), real.size))
    error = TOO_LARGE * width[: x.size]
    found_x = np.concatenate([x + error * rng.normal(size=x.size), x[:ghosts] + 5.0])
    found_y = np.concatenate([y, y[:ghosts] + 5.0])
    miss = MAG_PER_LN * 2.0 * error * rng.normal(size=x.size)
    found_mag = np.concatenate([mag + miss, mag[:ghosts]])
    order = np.argsort(-logit)
    claimed = width[order].astype(np.float32)
    found = Decoded(
        found_x[order],
        found_y[order],
        np.ones(real.size, np.float32),
        logit[order].astype(np.float32),
        claimed,
        2 * claimed,
    )
    truth = StarCatalogue(x, y, mag)
    inside = np.ones(x.size, bool)
    return Examined(found, found_mag[order], truth, inside, 23.0)


def test_widths_become_errors(examined):
    knots = calibrate([examined], 0.5)
    assert np.median(knots["position"]["factor"]) == pytest.approx(TOO_LARGE, rel=0.1)
    assert np.median(knots["flux"]["factor"]) == pytest.approx(TOO_LARGE, rel=0.1)


@pytest.mark.parametrize(
    ("probability", "logit"),
    [
        ([0.0, 0.2, 0.9], 0.0),  # halfway between the first two
        ([0.3, 0.5, 0.9], -1.0),  # all are likely enough
        ([0.0, 0.01, 0.02], 3.0),  # none is
    ],
)
def test_the_threshold_is_where_a_find_is_likely_enough(probability, logit):
    knots = {"logit": [-1.0, 1.0, 3.0], "probability": probability}
    assert choose_threshold(knots) == pytest.approx(1 / (1 + np.exp(-logit)))


def test_what_is_calibrated_is_reliable(examined):
    calibration = Calibration.from_card({"calibration": calibrate([examined], 0.5)})
    summary = summarise(examined, calibration)
    rows = [row for row in summary["reliability"] if row["number"] > 200]
    assert len(rows) >= 2
    for row in rows:
        assert row["right"] == pytest.approx(row["probability"], abs=0.12)
    for table in ("position_errors", "magnitude_errors"):
        for row in summary[table]:
            assert row["pull_width"] == pytest.approx(1.0, abs=0.12)
            assert row["within_one"] == pytest.approx(0.683, abs=0.06)


def test_scores_are_taken_at_radii_that_grow_with_the_psf(examined):
    calibration = Calibration.from_card({"calibration": calibrate([examined], 0.5)})
    assert summarise(examined, calibration)["lenient"]["radius"] == [0.1, 0.25, 0.5]
    wide = summarise(examined, calibration, scale=2.0)["lenient"]
    assert wide["radius"] == [0.2, 0.5, 1.0]
    assert wide["recall"][0] > summarise(examined, calibration)["lenient"]["recall"][0]


def test_only_likely_finds_are_scored(examined):
    calibration = Calibration.from_card({"calibration": calibrate([examined], 0.5)})
    likely = calibration.probability(examined.found.logit) >= 0.5
    assert summarise(examined, calibration)["finds"] == likely.sum() < likely.size
