"""Training of PNet: seeded, resumable, on one CPU core or a GPU."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from csstream.evaluation.scores import partners
from csstream.imaging.finding.pnet import decode
from csstream.instruments.instrument import Instrument
from csstream.trainer.pnet_network import PNet
from csstream.trainer.pnet_scenes import SceneSettings, Sky, Stamps
from csstream.trainer.pnet_settings import TrainingSettings, start_of
from csstream.trainer.pnet_supply import Supply
from csstream.trainer.pnet_targets import Losses, losses

VALIDATION_SEED = 1_000_003  # added to the seed: validation stamps come from another sky
CHECKPOINT = "checkpoint.pt"  # where to go on from
BEST = "best.pt"  # least validation loss: what is exported


@dataclass
class Progress:
    """Where a run stands."""

    step: int = 0
    seconds: float = 0.0  # spent in training, over all resumptions

    def share(self, settings: TrainingSettings) -> float:
        """Return how much of the run is done, 0 to 1."""
        if settings.steps:
            return min(1.0, self.step / settings.steps)
        return min(1.0, self.seconds / (60.0 * settings.minutes))


def learning_rate(settings: TrainingSettings, share: float) -> float:
    """Return the rate at ``share`` of the run: linear warm-up, then half a cosine to zero."""
    if share < settings.warmup:
        return settings.peak_rate * (0.02 + 0.98 * share / settings.warmup)
    done = (share - settings.warmup) / (1.0 - settings.warmup)
    return settings.peak_rate * (0.5 + 0.5 * math.cos(math.pi * done)) + 1e-6


def saved_settings(folder: Path) -> dict[str, Any]:
    """Return the settings of a folder's checkpoint that going on may not change."""
    saved = torch.load(folder / CHECKPOINT, map_location="cpu", weights_only=True)
    settings = json.loads(saved["settings"])
    return {name: settings[name] for name in ("channels", "blocks", "batch", "seed")}


class Trainer:
    """One run: network, optimiser, sky and progress, saved together."""

    def __init__(self, instrument: Instrument, settings: TrainingSettings, folder: Path) -> None:
        self.device = choose_device(settings.threads)
        torch.manual_seed(settings.seed)
        self.settings = settings
        self.instrument = instrument
        self.folder = folder
        self.network = PNet(settings.channels, settings.blocks)
        self.network.start_heads(*start_of(instrument, settings))
        self.network.to(self.device, memory_format=self._layout)
        self.optimiser = torch.optim.Adam(self.network.parameters(), betas=(0.9, 0.99))
        self.progress = Progress()
        validation = np.random.default_rng(settings.seed + VALIDATION_SEED)
        self.validation = _validation_stamps(instrument, settings, validation)
        self.history: list[dict[str, float]] = []
        self.rng = np.random.default_rng(settings.seed)

    @property
    def device_name(self) -> str:
        """What computes, for people."""
        if self.device.type == "cuda":
            return torch.cuda.get_device_name(self.device)
        return f"the CPU ({self.settings.threads} threads)"

    @property
    def _layout(self) -> torch.memory_format:
        # Tensor cores want channels last, the CPU's convolutions do not.
        return torch.channels_last if self.device.type == "cuda" else torch.contiguous_format

    def resume(self) -> None:
        """Go on from the folder's checkpoint.

        Raises FileNotFoundError without one, ValueError when it is another instrument's.
        """
        path = self.folder / CHECKPOINT
        saved = torch.load(path, map_location=self.device, weights_only=True)
        if saved["instrument"] != self.instrument.name:
            raise ValueError(f"{path} was trained for {saved['instrument']}")
        self.network.load_state_dict(saved["network"])
        self.optimiser.load_state_dict(saved["optimiser"])
        self.progress = Progress(**saved["progress"])
        self.history = json.loads(saved["history"])
        # The pool is drawn anew: a resumed run sees another sky than one that never stopped.
        self.rng = np.random.default_rng([self.settings.seed, self.progress.step])

    def save(self) -> None:
        """Write the checkpoint; an interrupted write leaves the old one."""
        self.folder.mkdir(parents=True, exist_ok=True)
        settings = json.dumps(asdict(self.settings))
        state: dict[str, Any] = {
            "network": self.network.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "progress": asdict(self.progress),
            "history": json.dumps(self.history),
            "settings": settings,
            "instrument": self.instrument.name,
            "device": self.device_name,
        }
        _store(state, self.folder / CHECKPOINT)
        if self.history and self.history[-1]["loss"] <= min(h["loss"] for h in self.history):
            _store(state, self.folder / BEST)

    def run(self, report: Callable[[str], None]) -> None:
        """Train to the end, reporting and saving on the way."""
        if not self.history:
            (self.folder / BEST).unlink(missing_ok=True)  # an older run's
        made = self.settings
        sky = Sky(self.instrument, made.scenes, made.stamps, self.rng, made.targets)
        ahead = made.threads if made.threads > 1 else 0
        with Supply(sky, made.batch, made.renew_every, ahead) as supply:
            self._loop(supply, report)
        self._checkpoint(report)

    def _loop(self, supply: Supply, report: Callable[[str], None]) -> None:
        validated, began, before = -math.inf, time.monotonic(), self.progress.seconds
        recent: list[Tensor] = []
        while (share := self.progress.share(self.settings)) < 1.0:
            recent.append(self._step(supply.take(), share))
            self.progress.step += 1
            self.progress.seconds = before + time.monotonic() - began
            if self.progress.step % self.settings.report_every == 0:
                report(self._line(torch.stack(recent).mean(dim=0).tolist(), share))
                recent.clear()
            if self.progress.seconds - validated > 60.0 * self.settings.validate_minutes:
                self._checkpoint(report)
                validated = self.progress.seconds

    def _step(self, stamps: Stamps, share: float) -> Tensor:
        """Learn from a batch; return its losses, (4,), still on the device."""
        for group in self.optimiser.param_groups:
            group["lr"] = learning_rate(self.settings, share)
        found = self._losses(stamps, share)
        self.optimiser.zero_grad(set_to_none=True)
        found.total.backward()
        torch.nn.utils.clip_grad_norm_(self.network.parameters(), self.settings.clip)
        self.optimiser.step()
        return torch.stack(found).detach()

    def _losses(self, stamps: Stamps, share: float = 1.0) -> Losses:
        inputs, targets, valid = (
            self._on_device(part) for part in (stamps.inputs, stamps.targets, stamps.valid)
        )
        # Half the width is a third faster on one core; the end of the run polishes in float32.
        coarse = share < self.settings.coarse_share
        with torch.autocast(self.device.type, torch.bfloat16, enabled=coarse):
            heads = self.network(inputs)
        return losses(heads.float(), targets, valid)

    def _on_device(self, values: npt.NDArray[np.float32]) -> Tensor:
        host = torch.from_numpy(values)
        if self.device.type == "cuda":
            host = host.pin_memory()
        return host.to(self.device, non_blocking=True)

    def _checkpoint(self, report: Callable[[str], None]) -> None:
        entry = self.validate()
        entry["rate"] = learning_rate(self.settings, self.progress.share(self.settings))
        self.history.append(entry)
        report("validation " + "  ".join(f"{k} {v:.4g}" for k, v in entry.items()))
        self.save()

    @torch.no_grad()
    def validate(self) -> dict[str, float]:
        """Return losses and lenient scores on the validation stamps."""
        total, centre, position, flux = self._losses(self.validation)
        entry = {"step": float(self.progress.step), "seconds": self.progress.seconds}
        entry |= {"loss": float(total), "centre": float(centre)}
        entry |= {"position": float(position), "flux": float(flux)}
        heads = self.network(self._on_device(self.validation.inputs))
        return entry | _stamp_scores(heads.cpu().numpy(), self.validation, self.settings)

    def _line(self, mean: list[float], share: float) -> str:
        left = self.progress.seconds * (1.0 - share) / max(share, 1e-9) / 60.0
        names = ("loss", "centre", "position", "flux")
        text = "  ".join(f"{name} {value:.3f}" for name, value in zip(names, mean, strict=True))
        return f"step {self.progress.step}  {text}  {100 * share:.1f} %  {left:.1f} min left"


def choose_device(threads: int) -> torch.device:
    """Return a GPU where there is one, else the CPU with ``threads`` threads.

    In float32 a GPU rounds to TF32 unless it is told not to.
    """
    torch.set_num_threads(threads)
    if not torch.cuda.is_available():
        return torch.device("cpu")
    torch.backends.cuda.matmul.allow_tf32 = False
    torch.backends.cudnn.allow_tf32 = False
    torch.backends.cudnn.deterministic = True
    return torch.device("cuda")


def _store(state: dict[str, Any], path: Path) -> None:
    partial = path.with_suffix(".part")
    torch.save(state, partial)
    partial.replace(path)


def _validation_stamps(
    instrument: Instrument, settings: TrainingSettings, rng: np.random.Generator
) -> Stamps:
    few = SceneSettings(**(asdict(settings.scenes) | {"pool": 12, "psf_bank": 6}))
    return Sky(instrument, few, settings.stamps, rng, settings.targets).draw_stamps(16)


def _stamp_scores(
    heads: npt.NDArray[np.float32], stamps: Stamps, settings: TrainingSettings
) -> dict[str, float]:
    """Score against the stamps' own targets: recall of listed stars, precision over all."""
    recalls, precisions, flux_miss = [], [], []
    reach = 0.5 * settings.targets.offset_reach
    for one, targets, valid in zip(heads, stamps.targets, stamps.valid, strict=True):
        found = decode(one, 0.25, settings.radii)
        rows, columns = np.nonzero((targets[1] > 0) & (valid > 0))
        true_x, true_y = columns + targets[2, rows, columns], rows + targets[3, rows, columns]
        partner = partners(found.x, found.y, true_x, true_y, reach)
        column = np.clip(np.rint(found.x).astype(int), 0, valid.shape[1] - 1)
        row = np.clip(np.rint(found.y).astype(int), 0, valid.shape[0] - 1)
        # A nuisance star's own pixel has full heat: finding it is not wrong.
        right = (partner >= 0) | (targets[0, row, column] == 1.0)
        counted = valid[row, column] > 0
        recalls.append((partner >= 0).sum() / max(true_x.size, 1))
        precisions.append(right[counted].mean() if counted.any() else 1.0)
        hit = partner >= 0
        flux_miss.append(np.abs(found.ln_flux[hit] - targets[4, rows, columns][partner[hit]]))
    mag = 1.0857 * np.concatenate([*flux_miss, np.zeros(1, np.float32)])
    scores = {"recall": float(np.mean(recalls)), "precision": float(np.mean(precisions))}
    return scores | {"mag_mean": float(mag.mean()), "mag_median": float(np.median(mag))}
