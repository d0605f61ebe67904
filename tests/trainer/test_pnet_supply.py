import dataclasses
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch")

from csstream.instruments.instrument import load_instrument
from csstream.trainer.pnet_scenes import SceneSettings, Sky, StampSettings
from csstream.trainer.pnet_settings import settings_for
from csstream.trainer.pnet_supply import Supply

pytestmark = pytest.mark.train
EXAMPLE = Path(__file__).parents[2] / "docs/examples/ground-r.toml"


def batches(threads, number=5):
    scenes = SceneSettings(scene_size=96, pool=2, psf_bank=2)
    sky = Sky(load_instrument("csst-i"), scenes, StampSettings(size=64), np.random.default_rng(1))
    with Supply(sky, batch=3, renew_every=2, threads=threads) as supply:
        return [supply.take() for _ in range(number)]


def test_stamps_do_not_depend_on_the_threads():
    for alone, shared in zip(batches(0), batches(3), strict=True):
        for field in dataclasses.fields(alone):
            found = [getattr(stamps, field.name) for stamps in (alone, shared)]
            np.testing.assert_array_equal(*found)


def test_no_two_stamps_are_the_same():
    stamps = np.concatenate([batch.inputs for batch in batches(2)])
    assert len({stamp.tobytes() for stamp in stamps}) == len(stamps)


def test_the_pool_is_renewed_in_the_given_steps(monkeypatch):
    renewed = []
    monkeypatch.setattr(Sky, "renew", lambda self: renewed.append(1))
    batches(0, number=5)
    assert len(renewed) == 3


def test_the_defaults_are_those_of_the_space_telescope():
    csst = settings_for(load_instrument("csst-i"))
    assert csst.scenes == SceneSettings()
    assert csst.stamps == StampSettings()
    assert csst.targets.heat_sigma == 0.45
    assert csst.radii.merge == pytest.approx(0.7)


def test_a_wide_psf_is_asked_for_less_sharply_and_in_thinner_fields():
    camera = load_instrument(EXAMPLE)
    ground = settings_for(camera)
    assert 1.5 < ground.targets.heat_sigma / 0.45 < 1.8
    assert ground.radii.doubt / 1.3 == pytest.approx(ground.targets.heat_sigma / 0.45)
    assert ground.stamps.rim == 14
    assert ground.scenes.psf_width == (0.75, 1.3)
    unsaid = dataclasses.replace(camera, field=dataclasses.replace(camera.field, density=0.0))
    # as crowded per area of the PSF as the paper's field
    assert settings_for(unsaid).scenes.density == pytest.approx(0.0253 * 12.15 / 41.3, rel=0.01)


def test_what_is_wanted_replaces_the_defaults():
    settings = settings_for(load_instrument("csst-i"), seed=5, batch=7)
    assert (settings.seed, settings.batch) == (5, 7)
