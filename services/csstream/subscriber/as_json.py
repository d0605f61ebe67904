"""An alert as one JSON object: arrays as lists, nan and infinities as null."""

from __future__ import annotations

import dataclasses
import json
import math
from typing import Any

import numpy as np

from csstream.contracts.records import Alert


def to_json(alert: Alert) -> str:
    """Return the alert with its full content as JSON on one line, keys as in the record."""
    fields = {f.name: _plain(getattr(alert, f.name)) for f in dataclasses.fields(alert)}
    return json.dumps(fields, allow_nan=False, ensure_ascii=False, separators=(",", ":"))


def _plain(value: Any) -> Any:
    if isinstance(value, np.ndarray):
        return [_plain(each) for each in value.tolist()]
    if isinstance(value, dict):
        return {key: _plain(each) for key, each in value.items()}
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
