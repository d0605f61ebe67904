import dataclasses

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("onnx")

from csstream.imaging.finding.pnet_strategy import PnetStrategy  # noqa: E402
from csstream.inference.session import open_session  # noqa: E402
from csstream.instruments.instrument import load_instrument  # noqa: E402
from csstream.trainer.pnet_release import release_pnet  # noqa: E402
from csstream.trainer.pnet_scenes import (  # noqa: E402
    SceneSettings,
    Sky,
    StampSettings,
    limiting_flux,
    magnitude_of,
)
from csstream.trainer.pnet_skies import Conditions  # noqa: E402
from csstream.trainer.pnet_training import (  # noqa: E402
    Progress,
    Trainer,
    TrainingSettings,
    learning_rate,
    saved_settings,
)

pytestmark = pytest.mark.train
SMALL = TrainingSettings(
    steps=30,
    batch=1,
    channels=8,
    blocks=1,
    report_every=10,
    scenes=SceneSettings(scene_size=128, pool=2, psf_bank=2),
    stamps=StampSettings(size=64),
)


@pytest.fixture(scope="module")
def instrument():
    return load_instrument("csst-i")


@pytest.fixture(scope="module")
def trained(instrument, tmp_path_factory):
    folder = tmp_path_factory.mktemp("run")
    lines = []
    trainer = Trainer(instrument, SMALL, folder)
    trainer.run(lines.append)
    return trainer, folder, lines


def test_the_list_ends_where_the_paper_scores(instrument):
    sky = Sky(instrument, SMALL.scenes, SMALL.stamps, np.random.default_rng(1))
    assert sky.mag_faint == pytest.approx(26.0, abs=0.02)
    assert magnitude_of(sky.listed_flux, instrument) == pytest.approx(25.7, abs=0.02)
    assert limiting_flux(instrument, sky.bank[0], 2.0) * 2 == pytest.approx(
        limiting_flux(instrument, sky.bank[0], 4.0)
    )


def test_stars_of_a_stamp_lie_where_the_light_is(instrument):
    quiet = StampSettings(
        size=64, dead_pixels=0, column_share=0, edge_share=0, cosmic_rays=0,
        masked_saturation_share=0,
    )  # fmt: skip
    sky = Sky(instrument, SMALL.scenes, quiet, np.random.default_rng(2))
    stamps = sky.draw_stamps(8)
    owned = stamps.targets[:, 1] > 0
    bright = owned & (stamps.targets[:, 4] > 5)
    assert stamps.inputs[:, 0][bright].mean() > 4 * stamps.inputs[:, 0][~owned].mean()
    for shift in (1, 2):
        assert (
            stamps.inputs[:, 0][bright].mean()
            > np.roll(stamps.inputs[:, 0], shift, 2)[bright].mean()
        )


def test_spoilt_pixels_are_marked(instrument):
    spoilt = StampSettings(size=64, edge_share=1.0, column_share=1.0)
    sky = Sky(instrument, SMALL.scenes, spoilt, np.random.default_rng(3))
    stamps = sky.draw_stamps(4)
    assert (stamps.inputs[:, 2, :, :8] == 0).all()
    assert (
        stamps.inputs[:, :2][np.broadcast_to(stamps.inputs[:, 2:] == 0, (4, 2, 64, 64))] == 0
    ).all()
    assert (stamps.valid[:, :, :8] == 0).all()
    assert stamps.valid.max() == 1


def test_same_seed_same_stamps(instrument):
    drawn = [
        Sky(instrument, SMALL.scenes, SMALL.stamps, np.random.default_rng(4)).draw_stamps(2)
        for _ in range(2)
    ]
    np.testing.assert_array_equal(drawn[0].inputs, drawn[1].inputs)


def test_training_lowers_the_loss_and_reports(trained):
    trainer, _, lines = trained
    assert trainer.history[-1]["loss"] < trainer.history[0]["loss"] - 0.3
    assert any("min left" in line for line in lines)
    assert trainer.progress.step == 30


def test_same_seed_same_network(instrument, tmp_path):
    short = dataclasses.replace(SMALL, steps=3)
    states = []
    for name in "ab":
        trainer = Trainer(instrument, short, tmp_path / name)
        trainer.run(lambda line: None)
        states.append(trainer.network.state_dict())
    assert all(torch.equal(states[0][key], states[1][key]) for key in states[0])


def test_a_run_is_taken_up_where_it_stopped(instrument, trained, tmp_path):
    _, folder, _ = trained
    (tmp_path / "checkpoint.pt").write_bytes((folder / "checkpoint.pt").read_bytes())
    longer = Trainer(instrument, dataclasses.replace(SMALL, steps=33), tmp_path)
    longer.resume()
    assert longer.progress.step == 30
    assert longer.optimiser.state_dict()["state"]
    longer.run(lambda line: None)
    assert longer.progress.step == 33


def test_a_run_may_draw_its_sky_ahead(instrument, tmp_path):
    trainer = Trainer(instrument, dataclasses.replace(SMALL, steps=3, threads=2), tmp_path)
    trainer.run(lambda line: None)
    assert trainer.progress.step == 3
    assert "2 threads" in trainer.device_name


def test_the_best_by_validation_is_kept(instrument, tmp_path):
    trainer = Trainer(instrument, SMALL, tmp_path)
    trainer.progress.step = 7
    trainer.history = [{"loss": 3.0}, {"loss": 1.0}]
    trainer.save()
    trainer.progress.step = 9
    trainer.history.append({"loss": 2.0})
    trainer.save()
    steps = [
        torch.load(tmp_path / name, weights_only=True)["progress"]["step"]
        for name in ("best.pt", "checkpoint.pt")
    ]
    assert steps == [7, 9]


def test_another_telescopes_checkpoint_is_refused(instrument, trained, tmp_path):
    _, folder, _ = trained
    other = dataclasses.replace(instrument, name="other")
    with pytest.raises(ValueError, match="trained for csst-i"):
        Trainer(other, SMALL, folder).resume()


def test_a_resumed_run_keeps_its_network(trained):
    _, folder, _ = trained
    assert saved_settings(folder) == {"channels": 8, "blocks": 1, "batch": 1, "seed": 1}


def test_nothing_to_resume_is_said(instrument, tmp_path):
    with pytest.raises(FileNotFoundError):
        Trainer(instrument, SMALL, tmp_path).resume()


def test_rate_rises_then_falls_to_nothing():
    rates = [learning_rate(SMALL, share) for share in np.linspace(0, 1, 101)]
    assert max(rates) == pytest.approx(SMALL.peak_rate, rel=0.01)
    assert rates[0] < 0.05 * SMALL.peak_rate
    assert rates[-1] < 0.01 * SMALL.peak_rate


def test_share_counts_steps_or_minutes():
    timed = TrainingSettings(minutes=10.0)
    assert Progress(step=5, seconds=300.0).share(timed) == pytest.approx(0.5)
    assert Progress(step=15, seconds=1.0).share(SMALL) == pytest.approx(0.5)


def test_release_makes_weights_that_serve(instrument, trained):
    _, folder, _ = trained
    tests = (Conditions(name="nominal", size=160),)
    card = release_pnet(folder, instrument, tests=tests)
    session = open_session(folder / "pnet-csst-i.onnx")
    assert session.card == card
    assert card.values["parity"] <= 1e-4
    scores = card.values["metrics"]["scenes"]["nominal"]
    assert len(scores["lenient"]["recall"]) == 3
    image = np.full((40, 40), 250.0, np.float32)
    PnetStrategy(session).detect_in(image, 250.0, 5.0)
