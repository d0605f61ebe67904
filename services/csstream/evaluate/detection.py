"""``csstream evaluate detection``: scenes drawn, measured in every arm, summed up."""

from __future__ import annotations

import json
import platform
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from importlib.metadata import PackageNotFoundError, version
from math import isfinite
from pathlib import Path
from typing import Any

from csstream.evaluate.arms import Arm, Psf
from csstream.evaluate.measuring import PSFS, label, measure_scene, oracles_for, psfs_of
from csstream.evaluate.scenes import Conditions, simulate_scene
from csstream.evaluate.store import load, merged, save
from csstream.evaluate.summary import summarise
from csstream.instruments.instrument import Instrument
from csstream.simulation.telescope import Optics

Progress = Callable[[int, int], None]
PACKAGES = ("csstream", "numpy", "scipy", "numba", "sep", "onnxruntime", "astropy")


@dataclass(frozen=True, kw_only=True)
class Plan:
    """Which scenes are measured, and how."""

    instrument: Instrument
    seed: int = 900
    mpx: float = 1.0  # of each kind of scene
    size: int = 1000  # [pixel]
    widths: Sequence[float | None] = (None,)  # [arcsec] R80 or FWHM
    skies: Sequence[float | None] = (None,)  # [electron/s/pixel]
    density: float | None = None
    optics: Optics = "analytic"
    all_effects: bool = False
    psfs: Sequence[Psf] = PSFS
    with_oracles: bool = True
    model: str = ""  # the network's name and hash

    @property
    def scenes(self) -> int:
        """Return the number of scenes of each kind."""
        return max(1, round(self.mpx * 1e6 / self.size**2))

    @property
    def conditions(self) -> list[Conditions]:
        """Return the kinds of scenes: every width under every sky."""
        return [
            Conditions(
                instrument=self.instrument,
                width_arcsec=width,
                sky=sky,
                density=self.density,
                size=self.size,
                optics=self.optics,
                all_effects=self.all_effects,
            )
            for width in self.widths
            for sky in self.skies
        ]


def measure_plan(
    plan: Plan, arms: Mapping[str, Arm], folder: Path, progress: Progress, *, resume: bool = False
) -> dict[str, list[Path]]:
    """Measure all scenes, one in memory at a time; return the files of each kind.

    With ``resume`` only what a scene's file lacks is measured; all of it where the file is of
    another network. A change of the program is not noticed.
    """
    folder.mkdir(parents=True, exist_ok=True)
    files: dict[str, list[Path]] = {}
    total = len(plan.conditions) * plan.scenes
    done = 0
    progress(0, total)
    for conditions in plan.conditions:
        for index in range(plan.scenes):
            path = folder / f"{conditions.label}_{plan.seed}_{index}.npz"
            _measure_into(path, plan, conditions, index, arms, resume)
            files.setdefault(conditions.label, []).append(path)
            done += 1
            progress(done, total)
    return files


def _measure_into(
    path: Path,
    plan: Plan,
    conditions: Conditions,
    index: int,
    arms: Mapping[str, Arm],
    resume: bool,
) -> None:
    stored = load(path) if resume and path.is_file() else None
    if stored is not None and stored.model != plan.model:
        stored = None
    known = {} if stored is None else stored.finds
    lacking = {
        name: arm
        for name, arm in arms.items()
        if not {label(name, psf) for psf in psfs_of(arm, plan.psfs)} <= set(known)
    }
    wanted = oracles_for(conditions.limit) if plan.with_oracles else {}
    oracles = {n: of for n, of in wanted.items() if label(n, "given") not in known}
    if not lacking and not oracles:
        return
    scene = simulate_scene(conditions, plan.seed, index)
    result = measure_scene(scene, lacking, psfs=plan.psfs, oracles=oracles)
    result = replace(result, model=plan.model)
    save(path, result if stored is None else merged(stored, result))


def summarise_plan(plan: Plan, files: Mapping[str, Sequence[Path]]) -> list[dict[str, Any]]:
    """Return the summary of each kind of scene, in the plan's order."""
    return [
        {"conditions": conditions.facts()}
        | summarise([load(path) for path in files[conditions.label]], conditions.limit)
        for conditions in plan.conditions
    ]


def versions() -> dict[str, str]:
    """Return the versions that a figure depends on."""
    found = {"python": platform.python_version()}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:  # an extra that is not installed
            continue
    return found


def write_json(path: Path, content: Any) -> None:
    """Write numbers that are not finite as null."""
    temporary = path.with_name(f".{path.name}")
    temporary.write_text(json.dumps(_plain(content), indent=1, allow_nan=False) + "\n")
    temporary.replace(path)


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _plain(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(entry) for entry in value]
    if isinstance(value, float) and not isfinite(value):
        return None
    return value
