"""Model cards: what a network is, how it was made, how good it is; JSON beside its weights."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

PACKAGE = "csstream.inference"
REQUIRED = ("name", "task", "sha256")


class InferenceError(RuntimeError):
    """A network cannot be used as asked: missing, damaged, or without its processor."""


@dataclass(frozen=True, kw_only=True)
class ModelCard:
    """The card of one network.

    ``name``, ``task`` (``pnet`` or ``classifier``) and ``sha256`` of the ONNX file are always
    there; everything else that the JSON file holds is in ``values``, these three included.
    """

    name: str
    task: str
    sha256: str
    values: Mapping[str, Any]

    @property
    def version(self) -> str:
        """Return name and short hash, such as ``pnet-csst-i@1a2b3c4d5e6f``."""
        return f"{self.name}@{self.sha256[:12]}"


def shipped_weights() -> list[str]:
    """Return the names of the networks inside the package."""
    folder = resources.files(PACKAGE) / "weights"
    if not folder.is_dir():
        return []
    return sorted(f.name.removesuffix(".onnx") for f in folder.iterdir() if _is_onnx(f.name))


def find_weights(name_or_path: str | Path) -> Path:
    """Return the ONNX file of a shipped network's name, or of a path.

    Raises :class:`InferenceError` when there is neither.
    """
    name = str(name_or_path)
    if name in shipped_weights():
        return Path(str(resources.files(PACKAGE) / "weights" / f"{name}.onnx"))
    path = Path(name_or_path)
    if not path.is_file():
        known = ", ".join(shipped_weights()) or "none"
        raise InferenceError(f"no network {name!r}: give an ONNX file or one of: {known}")
    return path


def read_card(weights: Path) -> ModelCard:
    """Read the card beside an ONNX file. Raises :class:`InferenceError` when it is unusable."""
    path = weights.with_suffix(".json")
    try:
        values = json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise InferenceError(f"{weights}: its card {path.name} cannot be read: {error}") from error
    missing = [key for key in REQUIRED if not isinstance(values.get(key), str)]
    if missing:
        raise InferenceError(f"{path}: the card lacks {', '.join(missing)}")
    return ModelCard(
        name=values["name"], task=values["task"], sha256=values["sha256"], values=values
    )


def write_card(weights: Path, values: Mapping[str, Any]) -> ModelCard:
    """Write the card beside an ONNX file, its SHA-256 filled in, and return it."""
    digest = hashlib.sha256(weights.read_bytes()).hexdigest()
    complete = {**values, "sha256": digest}
    weights.with_suffix(".json").write_text(json.dumps(complete, indent=1) + "\n")
    return read_card(weights)


def _is_onnx(name: str) -> bool:
    return name.endswith(".onnx")
