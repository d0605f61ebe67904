"""What an evaluation leaves behind: a JSON file and a page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from csstream.evaluate.detection import versions, write_json
from csstream.evaluate.must_hold import outcomes
from csstream.evaluate.page import write_page
from csstream.evaluate.store import SceneResult

JSON_NAME, PAGE_NAME = "detection.json", "evaluation.html"


def write_outputs(
    folder: Path,
    kinds: Sequence[Mapping[str, Any]],
    scenes: Sequence[Sequence[SceneResult]],
    *,
    command: str,
    model: str,
    repeatability: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Write ``detection.json`` and ``evaluation.html``; return what the first holds."""
    folder.mkdir(parents=True, exist_ok=True)
    content: dict[str, Any] = {
        "command": command,
        "model": model,
        "versions": versions(),
        "must_hold": [outcome.as_row() for outcome in outcomes(kinds)],
        "kinds": list(kinds),
        "repeatability": repeatability,
    }
    write_json(folder / JSON_NAME, content)
    write_page(folder / PAGE_NAME, content, scenes)
    return content
