"""From a training folder to weights that can ship: exported, proven equal, calibrated, tested."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, replace
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
import torch

from csstream.evaluation.confusion import calibrate_confusion
from csstream.imaging.finding.pnet import HEADS
from csstream.imaging.finding.pnet_strategy import PnetSettings, PnetStrategy
from csstream.inference.cards import ModelCard, write_card
from csstream.inference.session import open_session
from csstream.instruments.instrument import Instrument
from csstream.trainer.pnet_calibration import LEAST_SCORE, calibrate, choose_threshold
from csstream.trainer.pnet_confusion import crowdings_for, pulls_on
from csstream.trainer.pnet_evaluation import summarise, trust
from csstream.trainer.pnet_export import check_parity, export_pnet
from csstream.trainer.pnet_network import STRIDE, PNet, halo
from csstream.trainer.pnet_scenes import SceneSettings, Sky, StampSettings
from csstream.trainer.pnet_settings import TrainingSettings
from csstream.trainer.pnet_skies import SCORED_SNR, Conditions, Examined, conditions_for, examine
from csstream.trainer.pnet_targets import TargetSettings
from csstream.trainer.pnet_training import BEST, CHECKPOINT

MATCH_RADIUS = 0.5  # [pixel] for a PSF of two pixels
CALIBRATION_SKY = 2_000_003
TEST_SKY = 3_000_003
CONFUSION_SKY = 4_000_003
DIGITS = 4


def release_pnet(
    folder: Path, instrument: Instrument, *, tests: tuple[Conditions, ...] | None = None
) -> ModelCard:
    """Export a folder's network, the best by validation, with its card; return the card.

    The file is ``<weights name>.onnx`` in the folder. Threshold and calibration come from a sky
    of their own, scores from a third one under the conditions ``tests``.

    Raises
    ------
    FileNotFoundError
        The folder holds no checkpoint.
    csstream.trainer.pnet_export.ExportError
        The exported network differs from the trained one.
    """
    saved = _load(folder)
    settings = json.loads(saved["settings"])
    network = PNet(settings["channels"], settings["blocks"])
    network.load_state_dict(saved["network"])
    name = weights_name(instrument)
    path = folder / f"{name}.onnx"
    export_pnet(network, path)
    card = _describe(name, instrument, saved, settings)
    card["parity"] = check_parity(network, path, _sample(instrument, settings))
    chosen = conditions_for(instrument) if tests is None else tests
    release = _Release(path, instrument, settings, chosen)
    return release.finish(card)


def _load(folder: Path) -> dict[str, Any]:
    best = folder / BEST
    chosen = best if best.is_file() else folder / CHECKPOINT
    saved: dict[str, Any] = torch.load(chosen, map_location="cpu", weights_only=True)
    return saved


def weights_name(instrument: Instrument) -> str:
    """Return what an instrument's network is called: as its file says, or ``pnet-<name>``."""
    return Path(instrument.weights).stem or f"pnet-{instrument.name}"


def _describe(
    name: str,
    instrument: Instrument,
    saved: dict[str, Any],
    settings: dict[str, Any],
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
        "threshold": LEAST_SCORE,
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


@dataclass(frozen=True, eq=False)
class _Release:
    """An exported network on its way to a complete card."""

    path: Path
    instrument: Instrument
    settings: dict[str, Any]
    conditions: tuple[Conditions, ...]

    def finish(self, card: dict[str, Any]) -> ModelCard:
        """Choose the threshold, calibrate, test; write the card after each step."""
        write_card(self.path, card)
        scale = float(card["radii"]["offset"])
        inside = tuple(c for c in self.conditions if c.trained)
        skies = self._skies(CALIBRATION_SKY, inside, LEAST_SCORE)
        card["calibration"] = calibrate(skies, MATCH_RADIUS * scale)
        card["threshold"] = choose_threshold(card["calibration"])
        write_card(self.path, card)
        card["confusion"] = self._confusion(scale)
        write_card(self.path, card)
        card["metrics"] = self._metrics(scale)
        return write_card(self.path, _rounded(card))

    def _skies(
        self, sky: int, chosen: tuple[Conditions, ...], threshold: float | None = None
    ) -> list[Examined]:
        """Return the finds under some conditions, on the frames of one seed."""
        scenes, seed = SceneSettings(**self.settings["scenes"]), int(self.settings["seed"])
        strategy = PnetStrategy(open_session(self.path), PnetSettings(threshold=threshold))
        generators = (np.random.default_rng([seed, sky, k]) for k in count(1))
        return [
            examine(strategy, self.instrument, conditions, scenes, rng)
            for conditions, rng in zip(chosen, generators, strict=False)
        ]

    def _confusion(self, scale: float) -> dict[str, float]:
        """Return what the lists lack, on skies of their own: through the whole measurement."""
        scenes, seed = SceneSettings(**self.settings["scenes"]), int(self.settings["seed"])
        strategy = PnetStrategy(open_session(self.path))
        skies = [
            pulls_on(
                strategy,
                self.instrument,
                conditions,
                scenes,
                np.random.default_rng([seed, CONFUSION_SKY, number]),
                MATCH_RADIUS * scale,
            )
            for number, conditions in enumerate(crowdings_for(self.instrument))
        ]
        return asdict(calibrate_confusion(skies))

    def _metrics(self, scale: float) -> dict[str, Any]:
        calibration = PnetStrategy(open_session(self.path)).calibration
        skies = self._skies(TEST_SKY, self.conditions)
        scenes = {
            conditions.name: {"conditions": asdict(conditions)}
            | summarise(examined, calibration, scale)
            for conditions, examined in zip(self.conditions, skies, strict=True)
        }
        sky = f"disjoint from training: seed [{self.settings['seed']}, {TEST_SKY}, scene]"
        usual = [e for c, e in zip(self.conditions, skies, strict=True) if c.trained]
        together = trust(usual, calibration, scale)
        return {"sky": sky, "scored_snr": SCORED_SNR, "trained": together, "scenes": scenes}


def _rounded(value: Any) -> Any:
    """Return a JSON value with its floats cut to significant digits."""
    if isinstance(value, float):
        return float(f"{value:.{DIGITS}g}")
    if isinstance(value, dict):
        return {key: _rounded(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [_rounded(entry) for entry in value]
    return value
