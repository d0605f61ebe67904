"""The same stars exposed again and again: how well each star's magnitude repeats."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from csstream.evaluate.arms import Arm
from csstream.evaluate.measuring import label, measure_scene
from csstream.evaluate.scenes import Conditions, draw_field, exposed
from csstream.evaluate.store import load, save
from csstream.evaluation.photometry import magnitude_edges
from csstream.evaluation.repeatability import magnitudes_over_frames, repeatability

Progress = Callable[[int, int], None]


def measure_repeatedly(
    conditions: Conditions,
    seed: int,
    arms: Mapping[str, Arm],
    realisations: int,
    folder: Path,
    progress: Progress,
    *,
    resume: bool = False,
    model: str = "",
) -> list[Path]:
    """Expose scene 0 of a seed so many times, and measure it with the given PSF each time."""
    folder.mkdir(parents=True, exist_ok=True)
    field = draw_field(conditions, seed)
    files = []
    progress(0, realisations)
    for number in range(realisations):
        path = folder / f"{conditions.label}_{seed}_0_exposure{number}.npz"
        if not (resume and _is_done(path, arms, model)):
            scene = exposed(field, conditions, seed, 0, number)
            save(path, replace(measure_scene(scene, arms, psfs=("given",)), model=model))
        files.append(path)
        progress(number + 1, realisations)
    return files


def _is_done(path: Path, arms: Mapping[str, Arm], model: str) -> bool:
    if not path.is_file():
        return False
    stored = load(path)
    return stored.model == model and {label(name, "given") for name in arms} <= set(stored.finds)


def summarise_repeated(conditions: Conditions, files: list[Path]) -> dict[str, Any]:
    """Return each arm's repeatability by magnitude.

    The bound is that of the first exposure: the PSF of the others differs by a percent.
    """
    first = load(files[0])
    edges = magnitude_edges(conditions.limit)
    summary: dict[str, Any] = {
        "realisations": len(files),
        "mpx": first.pixels / 1e6,
        "conditions": conditions.facts(),
    }
    arms: dict[str, Any] = {}
    for name in first.finds:
        frames = [load(path).finds[name] for path in files]
        series = magnitudes_over_frames(first.truth, frames)
        arms[name] = repeatability(first.truth, series, edges)
    summary["arms"] = arms
    return summary
