import dataclasses
import json
import shutil

import numpy as np
import pytest

from csstream.imaging.finding.pnet import prepare
from csstream.imaging.finding.pnet_strategy import PnetSettings, PnetStrategy
from csstream.imaging.finding.strategies import choose_strategy
from csstream.imaging.finding.tiling import Tiling, assemble, run_tiled
from csstream.imaging.frames.background import estimate_background
from csstream.imaging.frames.frame import blank_header, frame_from_array
from csstream.imaging.matching import match_pixels
from csstream.imaging.psf.profiles import psf_from_instrument
from csstream.inference.cards import find_weights, write_card
from csstream.inference.session import open_session
from csstream.instruments.instrument import load_instrument
from csstream.simulation.catalogue import draw_catalogue, electrons_from_magnitudes
from csstream.simulation.frames import render_frame


@pytest.fixture(scope="module")
def session():
    return open_session("pnet-csst-i")


@pytest.fixture(scope="module")
def scene():
    instrument = load_instrument("csst-i")
    psf = psf_from_instrument(instrument)
    rng = np.random.default_rng(77)
    truth = draw_catalogue(rng, (257, 301))
    image = render_frame(rng, truth, instrument, psf, (257, 301))
    header = blank_header(instrument="csst-i", read_noise=5.0, saturation=9e4, shape=(257, 301))
    return truth, frame_from_array(image, header), psf


@pytest.fixture(scope="module")
def found(session, scene):
    _, frame, psf = scene
    return PnetStrategy(session).detect(frame, estimate_background(frame.image, frame.mask), psf)


def test_stars_of_a_dense_field_are_found(scene, found):
    truth, frame, _ = scene
    first, second, _ = match_pixels(found.x, found.y, truth.x, truth.y, 0.5)
    bright = truth.inside(frame.shape) & (truth.mag < 25.0)
    assert np.isin(np.flatnonzero(bright), second).mean() > 0.9
    assert len(first) / len(found) > 0.8


def test_fluxes_and_positions_are_near_the_truth(scene, found):
    truth, _, _ = scene
    first, second, distance = match_pixels(found.x, found.y, truth.x, truth.y, 0.5)
    chosen = (truth.mag[second] < 24) & (truth.mag[second] > 19)
    expected = electrons_from_magnitudes(truth.mag[second][chosen], load_instrument("csst-i"))
    assert np.median(np.abs(found.flux[first][chosen] / expected - 1)) < 0.1
    assert np.median(distance[chosen]) < 0.1


def test_probabilities_are_calibrated(scene, found):
    truth, _, _ = scene
    first, _, _ = match_pixels(found.x, found.y, truth.x, truth.y, 0.5)
    assert found.probability.min() > 0
    assert found.probability.max() <= 1
    assert found.probability.mean() == pytest.approx(len(first) / len(found), abs=0.06)


def test_tiles_do_not_change_the_list(session, scene, found):
    _, frame, psf = scene
    background = estimate_background(frame.image, frame.mask)
    small = PnetStrategy(session, PnetSettings(core=96, batch=3)).detect(frame, background, psf)
    assert abs(len(small) - len(found)) <= 2
    first, second, _ = match_pixels(small.x, small.y, found.x, found.y, 0.01)
    assert len(first) >= len(found) - 2
    np.testing.assert_allclose(small.flux[first], found.flux[second], rtol=1e-3)


def test_heads_do_not_depend_on_the_tiles(session, scene):
    _, frame, _ = scene
    inputs = prepare(frame.image, 250.0, 5.0, frame.mask)
    halo = session.card.values["halo"]

    def heads(core):
        cores = run_tiled(
            lambda rows, columns: inputs[:, rows, columns],
            frame.shape,
            lambda tiles: session.run({"image": tiles})[0],
            Tiling(core=core, halo=halo),
            lambda core: core,
        )
        return assemble(cores, frame.shape)

    whole, tiled = heads(720), heads(64)
    scale = whole.std(axis=(1, 2), keepdims=True)
    assert (np.abs(tiled - whole) / scale).max() < 1e-5


def test_same_frame_same_bytes(session, scene, found):
    _, frame, psf = scene
    background = estimate_background(frame.image, frame.mask)
    again = PnetStrategy(session).detect(frame, background, psf)
    for name in ("x", "y", "flux", "probability"):
        assert getattr(again, name).tobytes() == getattr(found, name).tobytes()


def test_threads_do_not_change_a_byte(session, scene, found):
    _, frame, psf = scene
    background = estimate_background(frame.image, frame.mask)
    lists = [
        PnetStrategy(session, PnetSettings(core=128, threads=threads)).detect(
            frame, background, psf
        )
        for threads in (1, 3)
    ]
    for name in ("x", "y", "flux", "probability"):
        assert getattr(lists[0], name).tobytes() == getattr(lists[1], name).tobytes()


def test_a_masked_frame_holds_no_stars(session):
    mask = np.ones((64, 64), bool)
    image = np.full((64, 64), 1e4, np.float32)
    assert len(PnetStrategy(session).detect_in(image, 250.0, 5.0, mask)) == 0


def test_a_frame_smaller_than_a_cell_passes(session):
    assert len(PnetStrategy(session).detect_in(np.full((1, 1), 250, np.float32), 250.0, 5.0)) == 0


def test_a_higher_threshold_finds_fewer(session, scene, found):
    _, frame, psf = scene
    background = estimate_background(frame.image, frame.mask)
    strict = PnetStrategy(session, PnetSettings(threshold=0.6)).detect(frame, background, psf)
    assert 0 < len(strict) < len(found)


def test_weights_of_ones_own_are_taken_by_their_path(tmp_path):
    shipped = find_weights("pnet-csst-i")
    for end in (".onnx", ".json"):
        shutil.copy(shipped.with_suffix(end), tmp_path / f"mine{end}")
    camera = dataclasses.replace(load_instrument("ogle4-i"), weights=str(tmp_path / "mine.onnx"))
    strategy, message = choose_strategy(camera)
    assert strategy.name == "pnet"
    assert message == ""


def test_radii_and_the_position_prior_follow_the_card(tmp_path):
    shipped = find_weights("pnet-csst-i")
    shutil.copy(shipped, tmp_path / "wide.onnx")
    card = json.loads(shipped.with_suffix(".json").read_text())
    write_card(tmp_path / "wide.onnx", card | {"radii": {"merge": 1, "doubt": 2, "offset": 1.5}})
    strategy = PnetStrategy(open_session(tmp_path / "wide.onnx"))
    assert strategy.radii.doubt == 2
    assert strategy.position_sigma == pytest.approx(0.15)


def test_the_strategy_says_who_it_is(session):
    strategy = PnetStrategy(session)
    assert strategy.name == "pnet"
    assert strategy.model.startswith("pnet-csst-i@")
    assert strategy.provider == "CPUExecutionProvider"
    assert strategy.position_sigma == 0.1
    assert strategy.threshold == session.card.values["threshold"]
