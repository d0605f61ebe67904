import json
import sys

import numpy as np
import onnxruntime
import pytest

from csstream.inference import session as sessions
from csstream.inference.cards import (
    InferenceError,
    find_weights,
    read_card,
    shipped_weights,
    write_card,
)
from csstream.inference.session import available_providers, open_session

NAME = "pnet-csst-i"


@pytest.fixture
def copy(tmp_path):
    """A copy of the shipped network and its card, to be damaged."""
    source = find_weights(NAME)
    weights = tmp_path / "copy.onnx"
    weights.write_bytes(source.read_bytes())
    weights.with_suffix(".json").write_text(source.with_suffix(".json").read_text())
    return weights


@pytest.mark.parametrize("name", shipped_weights())
def test_every_shipped_network_opens_and_matches_its_card(name):
    session = open_session(name)
    assert session.card.name == name
    assert session.card.version == f"{name}@{session.card.sha256[:12]}"
    assert session.provider == "CPUExecutionProvider"


def test_pnet_ships():
    assert NAME in shipped_weights()


def test_the_same_input_gives_the_same_bytes():
    image = np.random.default_rng(1).standard_normal((1, 3, 64, 96)).astype(np.float32)
    runs = [open_session(NAME).run({"image": image})[0].tobytes() for _ in range(2)]
    assert runs[0] == runs[1]


def test_an_unknown_name_is_refused():
    with pytest.raises(InferenceError, match="give an ONNX file"):
        open_session("no-such-network")


def test_damaged_weights_are_refused(copy):
    content = bytearray(copy.read_bytes())
    content[len(content) // 2] ^= 1
    copy.write_bytes(bytes(content))
    with pytest.raises(InferenceError, match="SHA-256"):
        open_session(copy)


def test_weights_that_are_no_network_are_refused(tmp_path):
    weights = tmp_path / "junk.onnx"
    weights.write_bytes(b"not a network")
    write_card(weights, {"name": "junk", "task": "pnet"})
    with pytest.raises(InferenceError, match="cannot load"):
        open_session(weights)


@pytest.mark.parametrize("content", [None, "{", '{"name": "x"}', '{"name": 1, "task": "a"}'])
def test_an_unusable_card_is_refused(copy, content):
    card = copy.with_suffix(".json")
    card.unlink() if content is None else card.write_text(content)
    with pytest.raises(InferenceError, match="card"):
        open_session(copy)


def test_a_card_carries_what_was_written(tmp_path):
    weights = tmp_path / "net.onnx"
    weights.write_bytes(b"abc")
    written = write_card(weights, {"name": "net", "task": "pnet", "threshold": 0.25})
    assert read_card(weights) == written
    assert written.values["threshold"] == 0.25
    assert json.loads(weights.with_suffix(".json").read_text())["sha256"] == written.sha256


def test_wrong_inputs_are_refused():
    session = open_session(NAME)
    with pytest.raises(InferenceError, match="wanted"):
        session.run({"picture": np.zeros((1, 3, 8, 8), np.float32)})
    with pytest.raises(InferenceError, match=NAME):
        session.run({"image": np.zeros((1, 4, 8, 8), np.float32)})


def test_an_unknown_provider_is_refused():
    with pytest.raises(InferenceError, match="cpu or cuda"):
        open_session(NAME, provider="tpu")


def test_without_a_runtime_it_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(InferenceError, match=r"csstream\[cpu\]"):
        open_session("pnet-csst-i")


def test_cuda_is_refused_where_it_is_not_built_in(monkeypatch):
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: ["CPUExecutionProvider"])
    assert available_providers() == ["cpu"]
    with pytest.raises(InferenceError, match="gpu extra"):
        open_session(NAME, provider="cuda")


def test_cuda_is_refused_where_onnxruntime_falls_back(monkeypatch):
    real = onnxruntime.InferenceSession

    def fallen_back(content, options, providers):
        assert providers[0][0] == "CUDAExecutionProvider"
        return real(content, options, providers=["CPUExecutionProvider"])

    monkeypatch.setattr(sessions, "CUDA", "CUDAExecutionProvider")
    monkeypatch.setattr(
        onnxruntime,
        "get_available_providers",
        lambda: ["CUDAExecutionProvider", "CPUExecutionProvider"],
    )
    monkeypatch.setattr(onnxruntime, "InferenceSession", fallen_back)
    with pytest.raises(InferenceError, match="fell back"):
        open_session(NAME, provider="cuda")
