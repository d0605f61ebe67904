"""From a training folder to weights that can ship: exported, proven equal, calibrated, tested."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from csstream.imaging.pnet import HEADS
from csstream.imaging.pnet_strategy import PnetSettings, PnetStrategy
from csstream.inference.cards import ModelCard, write_card
from csstream.inference.session import open_session
from csstream.instruments.instrument import Instrument
from csstream.trainer.pnet_evaluation import (
    PINNED,
    SCORED_SNR,
    Conditions,
    calibrate,
    judge,
    summarise,
)
from csstream.trainer.pnet_export import check_parity, export_pnet
from csstream.trainer.pnet_network import STRIDE, PNet, halo
from csstream.trainer.pnet_scenes import SceneSettings, Sky, StampSettings
from csstream.trainer.pnet_settings import TrainingSettings
from csstream.trainer.pnet_targets import TargetSettings
from csstream.trainer.pnet_training import BEST, CHECKPOINT

THRESHOLD = 0.3  # on the raw score: a low one, the joint fit drops what carries no flux
CALIBRATION_SKY = 2_000_003
TEST_SKY = 3_000_003
DIGITS = 4


def release_pnet(
    folder: Path,
    instrument: Instrument,
    *,
    tests: tuple[Conditions, ...] = PINNED,
    threshold: float = THRESHOLD,
) -> ModelCard:
    """Export a folder's network, the best by validation, with its card; return the card.

    The file is ``<weights name>.onnx`` in the folder.

    Raises
    ------
    FileNotFoundError
        The folder holds no checkpoint.
    csstream.trainer.pnet_export.ExportError
        The exported network differs from the trained one.
    """
    best = folder / BEST
    chosen = best if best.is_file() else folder / CHECKPOINT
    saved = torch.load(chosen, map_location="cpu", weights_only=True)
    settings = json.loads(saved["settings"])
    network = PNet(settings["channels"], settings["blocks"])
    network.load_state_dict(saved["network"])
    name = weights_name(instrument)
    path = folder / f"{name}.onnx"
    export_pnet(network, path)
    scenes, seed = SceneSettings(**settings["scenes"]), int(settings["seed"])
    card = _describe(name, instrument, saved, settings, threshold)
    card["parity"] = check_parity(network, path, _sample(instrument, settings))
    write_card(path, card)
    card["calibration"] = _calibration(path, instrument, scenes, seed, tests[0])
    write_card(path, card)
    card["metrics"] = _metrics(path, instrument, scenes, seed, tests)
    return write_card(path, _rounded(card))


def weights_name(instrument: Instrument) -> str:
    """Return what an instrument's network is called: as its file says, or ``pnet-<name>``."""
    return Path(instrument.weights).stem or f"pnet-{instrument.name}"


def _describe(
    name: str,
    instrument: Instrument,
    saved: dict[str, Any],
    settings: dict[str, Any],
    threshold: float,
) -> dict[str, Any]:
    progress = saved["progress"]
    return {
        "name": name,
        "task": "pnet",
        "instrument": asdict(replace(instrument, weights=name)),
        "input": "image (b, 3, y, x): asinh and clipped linear signal over the noise; usable",
        "heads": list(HEADS),
        "stride": STRIDE,
        "halo": halo(int(settings["blocks"])),
        "threshold": threshold,
        "radii": asdict(_targets(settings).radii),
        "calibration": {"logit": [-1.0, 1.0], "probability": [0.25, 0.75]},
        "training": {
            "command": f"csstream train pnet --instrument {instrument.name}",
            "data": "simulated skies drawn without end; every stamp has new noise",
            "settings": settings,
            "steps": progress["step"],
            "history": json.loads(saved["history"]),
            "minutes": progress["seconds"] / 60.0,
            "device": saved.get("device", "cpu"),
            "torch": torch.__version__,
        },
    }


def _targets(settings: dict[str, Any]) -> TrainingSettings:
    """Return settings with a checkpoint's targets; old ones have none and are sharp."""
    return TrainingSettings(targets=TargetSettings(**settings.get("targets", {})))


def _sample(instrument: Instrument, settings: dict[str, Any]) -> Any:
    """Return stamps on which export and training are compared."""
    few = SceneSettings(**(settings["scenes"] | {"pool": 2, "psf_bank": 2}))
    rng = np.random.default_rng([settings["seed"], CALIBRATION_SKY, 0])
    return Sky(instrument, few, StampSettings(**settings["stamps"]), rng).draw_stamps(4).inputs


def _calibration(
    path: Path, instrument: Instrument, scenes: SceneSettings, seed: int, nominal: Conditions
) -> dict[str, list[float]]:
    strategy = PnetStrategy(open_session(path), PnetSettings(threshold=0.2))
    rng = np.random.default_rng([seed, CALIBRATION_SKY, 1])
    return calibrate(judge(strategy, instrument, nominal, scenes, rng))


def _metrics(
    path: Path,
    instrument: Instrument,
    scenes: SceneSettings,
    seed: int,
    tests: tuple[Conditions, ...],
) -> dict[str, Any]:
    strategy = PnetStrategy(open_session(path))
    found: dict[str, Any] = {
        "sky": f"disjoint from training: seed [{seed}, {TEST_SKY}, scene]",
        "scored_snr": SCORED_SNR,
        "scenes": {},
    }
    for number, conditions in enumerate(tests):
        rng = np.random.default_rng([seed, TEST_SKY, number])
        judged = judge(strategy, instrument, conditions, scenes, rng)
        summary = {"conditions": asdict(conditions)} | summarise(judged, strategy)
        found["scenes"][conditions.name] = summary
    return found


def _rounded(value: Any) -> Any:
    """Return a JSON value with its floats cut to significant digits."""
    if isinstance(value, float):
        return float(f"{value:.{DIGITS}g}")
    if isinstance(value, dict):
        return {key: _rounded(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [_rounded(entry) for entry in value]
    return value
