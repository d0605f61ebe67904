"""Records as JSON that a person can read: for logs, the command line and samples."""

from __future__ import annotations

import dataclasses
import json
import math
from typing import Any

import numpy as np


def to_plain(value: Any) -> Any:
    """A record, or any part of one, as what JSON knows.

    Arrays become lists, nan and infinities null, bytes hexadecimal text.
    """
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {
            field.name: to_plain(getattr(value, field.name)) for field in dataclasses.fields(value)
        }
    if isinstance(value, np.ndarray):
        return to_plain(value.tolist())
    if isinstance(value, dict):
        return {key: to_plain(each) for key, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [to_plain(each) for each in value]
    if isinstance(value, (float, np.floating)):
        return float(value) if math.isfinite(value) else None
    if isinstance(value, np.integer):
        return int(value)
    return value.hex() if isinstance(value, bytes) else value


def to_json(record: Any, indent: int | None = None) -> str:
    """A record as JSON text, one line unless ``indent`` is given."""
    return json.dumps(to_plain(record), indent=indent, ensure_ascii=False)
