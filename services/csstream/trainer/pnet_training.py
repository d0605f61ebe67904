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

from csstream.evaluation.scores import partners
from csstream.imaging.pnet import decode
from csstream.instruments.instrument import Instrument
from csstream.trainer.pnet_network import PNet
from csstream.trainer.pnet_scenes import SceneSettings, Sky, Stamps
from csstream.trainer.pnet_settings import TrainingSettings, start_of
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


class Trainer:
    """One run: network, optimiser, sky and progress, saved together."""

    def __init__(self, instrument: Instrument, settings: TrainingSettings, folder: Path) -> None:
        torch.manual_seed(settings.seed)
        torch.set_num_threads(settings.threads)
        self.settings = settings
        self.instrument = instrument
        self.folder = folder
        self.device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self.network = PNet(settings.channels, settings.blocks)
        self.network.start_heads(*start_of(instrument, settings))
        self.network.to(self.device)
        self.optimiser = torch.optim.Adam(self.network.parameters(), betas=(0.9, 0.99))
        self.progress = Progress()
        validation = np.random.default_rng(settings.seed + VALIDATION_SEED)
        self.validation = _validation_stamps(instrument, settings, validation)
        self.history: list[dict[str, float]] = []
        self.rng = np.random.default_rng(settings.seed)

    def resume(self) -> None:
        """Go on from the folder's checkpoint. Raises FileNotFoundError without one."""
        path = self.folder / CHECKPOINT
        saved = torch.load(path, map_location=self.device, weights_only=True)
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
            "device": str(self.device),
        }
        _store(state, self.folder / CHECKPOINT)
        if self.history and self.history[-1]["loss"] <= min(h["loss"] for h in self.history):
            _store(state, self.folder / BEST)

    def run(self, report: Callable[[str], None]) -> None:
        """Train to the end, reporting and saving on the way."""
        sky = Sky(
            self.instrument,
            self.settings.scenes,
            self.settings.stamps,
            self.rng,
            self.settings.targets,
        )
        validated, began, before = -math.inf, time.monotonic(), self.progress.seconds
        recent: list[tuple[float, ...]] = []
        while (share := self.progress.share(self.settings)) < 1.0:
            if self.progress.step % self.settings.renew_every == 0:
                sky.renew()
            stamps = sky.draw_stamps(self.settings.batch)
            recent.append(tuple(float(v.detach()) for v in self._step(stamps, share)))
            self.progress.step += 1
            self.progress.seconds = before + time.monotonic() - began
            if self.progress.step % self.settings.report_every == 0:
                report(self._line(recent, share))
                recent.clear()
            if self.progress.seconds - validated > 60.0 * self.settings.validate_minutes:
                self._checkpoint(report)
                validated = self.progress.seconds
        self._checkpoint(report)

    def _step(self, stamps: Stamps, share: float) -> Losses:
        for group in self.optimiser.param_groups:
            group["lr"] = learning_rate(self.settings, share)
        found = self._losses(stamps, share)
        self.optimiser.zero_grad(set_to_none=True)
        found.total.backward()
        torch.nn.utils.clip_grad_norm_(self.network.parameters(), self.settings.clip)
        self.optimiser.step()
        return found

    def _losses(self, stamps: Stamps, share: float = 1.0) -> Losses:
        inputs, targets, valid = (
            torch.from_numpy(part).to(self.device)
            for part in (stamps.inputs, stamps.targets, stamps.valid)
        )
        # Half the width is a third faster on one core; the end of the run polishes in float32.
        coarse = share < self.settings.coarse_share
        with torch.autocast(self.device.type, torch.bfloat16, enabled=coarse):
            heads = self.network(inputs)
        return losses(heads.float(), targets, valid)

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
        heads = self.network(torch.from_numpy(self.validation.inputs).to(self.device))
        return entry | _stamp_scores(heads.cpu().numpy(), self.validation, self.settings)

    def _line(self, recent: list[tuple[float, ...]], share: float) -> str:
        mean = np.mean(recent, axis=0)
        left = self.progress.seconds * (1.0 - share) / max(share, 1e-9) / 60.0
        names = ("loss", "centre", "position", "flux")
        text = "  ".join(f"{name} {value:.3f}" for name, value in zip(names, mean, strict=True))
        return f"step {self.progress.step}  {text}  {100 * share:.1f} %  {left:.1f} min left"


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
