"""Training rows on disk, in chunks of panels: an interrupted run goes on where it stopped."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from csstream.trainer.classifier_canvas import CanvasSource
from csstream.trainer.classifier_data import Counts, TrainingSet, make_training_set

CHUNK = 20  # panels of one file
PLAN = "data.json"
SOURCE_STEP = 1_000_000  # between the panel numbers of two sources; a multiple of the places


class DataMismatchError(RuntimeError):
    """The folder holds rows of another seed or noise."""


def gather_all(
    panels: int,
    seed: int,
    sources: Sequence[CanvasSource],
    out: Path,
    say: Callable[[str], None],
) -> tuple[TrainingSet, Counts]:
    """Return the rows of so many panels of every source, each kept in a folder of its own."""
    parts, counts = [], Counts()
    for number, source in enumerate(sources):
        rows, counted = gather(panels, seed, source, out / f"source-{number}", say)
        parts.append(replace(rows, panel=rows.panel + number * SOURCE_STEP))
        counts.add(counted)
    return TrainingSet.joined(parts), counts


def gather(
    panels: int, seed: int, source: CanvasSource, out: Path, say: Callable[[str], None]
) -> tuple[TrainingSet, Counts]:
    """Return the rows of panels 0 … ``panels``; makes and keeps the chunks that ``out`` lacks.

    Raises
    ------
    DataMismatchError
        ``out`` holds chunks of another seed or noise.
    """
    out.mkdir(parents=True, exist_ok=True)
    _check_plan(out / PLAN, {"seed": seed, "noise": source.name})
    parts, counts = [], Counts()
    for first in range(0, panels, CHUNK):
        path = out / f"rows-{first:06d}.npz"
        if not path.exists():
            say(f"panels {first} to {first + CHUNK} of {panels}")
            _save(path, *make_training_set(CHUNK, seed, source, first))
        rows, counted = _load(path)
        parts.append(rows)
        counts.add(counted)
    return TrainingSet.joined(parts), counts


def _check_plan(path: Path, plan: dict[str, Any]) -> None:
    if not path.exists():
        path.write_text(json.dumps(plan) + "\n")
    stored = json.loads(path.read_text())
    if stored != plan:
        raise DataMismatchError(f"{path.parent} holds rows of {stored}, not of {plan}")


def _save(path: Path, data: TrainingSet, counts: Counts) -> None:
    arrays = {name: getattr(data, name) for name in TrainingSet.__dataclass_fields__}
    counted = json.dumps({name: getattr(counts, name) for name in Counts.__dataclass_fields__})
    temporary = path.with_name(f".{path.name}")
    np.savez(temporary, counts=np.array(counted), **arrays)
    temporary.replace(path)


def _load(path: Path) -> tuple[TrainingSet, Counts]:
    with np.load(path, allow_pickle=False) as stored:
        counted = json.loads(str(stored["counts"]))
        rows = TrainingSet(**{name: stored[name] for name in TrainingSet.__dataclass_fields__})
    return rows, Counts(**{name: Counter(values) for name, values in counted.items()})
