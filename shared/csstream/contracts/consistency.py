"""What must hold between the fields of a record, beyond each field's own range."""

from __future__ import annotations

import math
from typing import Any

from csstream.contracts.errors import InvalidMessageError
from csstream.contracts.records import Exposure, Panel, Verdicts


def check_consistency(record: Any) -> None:
    """Raise InvalidMessageError (reason ``inconsistent``) where fields contradict each other."""
    for problem in _problems(record):
        raise InvalidMessageError("inconsistent", f"{type(record).__name__}: {problem}")


def _problems(record: Any) -> list[str]:
    match record:
        case Exposure(kind="exposure", image=None):
            return ["an exposure needs the claim check of its image"]
        case Exposure(kind="exposure", mjd_mid_tai=time) if not math.isfinite(time):
            return [f"mjd_mid_tai of an exposure is {time}"]
        case Panel(part=part, parts=parts) if part >= parts:
            return [f"part {part} of {parts} parts"]
        case Verdicts(previous=previous, latest=latest) if previous is not None:
            if previous.examination >= latest.examination:
                return [f"examination {previous.examination} before {latest.examination}"]
    return []
