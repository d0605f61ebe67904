"""What a scene gave, on disk: an interrupted evaluation goes on where it stopped."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from csstream.evaluation.lists import Finds, Truth

NEAR = 2.0  # [pixel] stars this far beyond the frame can still be matched
TRUTH, SECONDS = "truth", "seconds"


@dataclass(frozen=True, kw_only=True, eq=False)
class SceneResult:
    """The truth of a scene, and the finds and seconds of each way to measure it."""

    truth: Truth
    pixels: int
    finds: Mapping[str, Finds]
    seconds: Mapping[str, float]
    model: str = ""  # the network's name and hash


def near_frame(truth: Truth, shape: tuple[int, int]) -> Truth:
    """Return the stars in the frame and at its edge: the others can never be found."""
    ny, nx = shape
    in_x = (truth.x > -0.5 - NEAR) & (truth.x < nx - 0.5 + NEAR)
    return truth.select(in_x & (truth.y > -0.5 - NEAR) & (truth.y < ny - 0.5 + NEAR))


def merged(first: SceneResult, second: SceneResult) -> SceneResult:
    """Return two results of one scene as one; the second's finds go before the first's."""
    finds = {**first.finds, **second.finds}
    seconds = {**first.seconds, **second.seconds}
    return replace(second, finds=finds, seconds=seconds)


def save(path: Path, result: SceneResult) -> None:
    """Write a scene's result; a half-written file never has the final name."""
    arrays = {f"{TRUTH}/{name}": column for name, column in result.truth.columns().items()}
    for label, finds in result.finds.items():
        arrays |= {f"{label}/{name}": column for name, column in finds.columns().items()}
        arrays[f"{label}/{SECONDS}"] = np.array(result.seconds[label])
    arrays |= {"pixels": np.array(result.pixels), "model": np.array(result.model)}
    temporary = path.with_name(f".{path.name}")
    np.savez(temporary, **arrays)  # type: ignore[arg-type]
    temporary.replace(path)


def load(path: Path) -> SceneResult:
    """Read what :func:`save` wrote."""
    columns: dict[str, dict[str, np.ndarray]] = {}
    with np.load(path, allow_pickle=False) as stored:
        pixels, model = int(stored["pixels"]), str(stored["model"])
        for key in stored.files:
            if "/" in key:
                label, name = key.rsplit("/", 1)
                columns.setdefault(label, {})[name] = stored[key]
    truth = Truth(**columns.pop(TRUTH))
    seconds = {label: float(values.pop(SECONDS)) for label, values in columns.items()}
    finds = {label: Finds(**values) for label, values in columns.items()}
    return SceneResult(truth=truth, pixels=pixels, finds=finds, seconds=seconds, model=model)
