"""The pulls from which a network's incompleteness is calibrated."""

import numpy as np
import pytest

pytest.importorskip("torch")

from csstream.imaging.finding.candidates import Candidates
from csstream.instruments.instrument import load_instrument
from csstream.trainer.pnet_confusion import crowdings_for, pulls_on
from csstream.trainer.pnet_scenes import SceneSettings
from csstream.trainer.pnet_skies import Conditions, simulate_frame

pytestmark = pytest.mark.train

INSTRUMENT = load_instrument("csst-i")
SPARSE = Conditions(name="sparse", size=300, density=0.1)
SEED = 17


class AllKnowing:
    """Lists every simulated star but the faintest, where it is."""

    name, model, provider = "pnet", "truth", ""
    position_sigma, min_snr = 0.1, 3.0

    def detect(self, frame, background, psf):
        truth = simulate_frame(
            INSTRUMENT, SPARSE, SceneSettings(), np.random.default_rng(SEED)
        ).truth
        stars = truth.select(truth.inside(frame.shape) & (truth.mag < 25.5))
        flux = 300.0 * 10.0 ** (0.4 * (INSTRUMENT.photometry.zero_point - stars.mag))
        return Candidates(stars.x, stars.y, flux, np.ones(len(stars)))


def test_pulls_of_a_complete_list_in_a_sparse_field_are_those_of_noise() -> None:
    rng = np.random.default_rng(SEED)
    pulls = pulls_on(AllKnowing(), INSTRUMENT, SPARSE, SceneSettings(), rng, 0.5)
    assert pulls.flux.size > 50
    assert pulls.crowding < 0.04
    assert abs(np.median(pulls.flux)) < 0.4
    assert 0.6 < np.std(np.clip(pulls.flux, -5, 5)) < 1.5
    assert 0.6 < np.std(np.clip(pulls.position, -5, 5)) < 1.5


def test_skies_span_the_crowding() -> None:
    conditions = crowdings_for(INSTRUMENT)
    assert min(c.density for c in conditions) < 0.3
    assert max(c.width for c in conditions) > 1.0 > min(c.width for c in conditions)
