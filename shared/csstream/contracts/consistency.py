"""What must hold between the fields of a record, beyond each field's own range."""

from __future__ import annotations

import math
from typing import Any

from csstream.contracts.errors import InvalidMessageError
from csstream.contracts.records import Alert, Examination, Exposure, Panel, Verdicts


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
        case Alert(bjd_tdb=barycentric, mjd_mid_tai=times) if len(barycentric) not in (
            0,
            len(times),
        ):
            return [f"{len(barycentric)} barycentric times of {len(times)} epochs"]
        case Verdicts(previous=previous, latest=latest):
            return _problems_of_looks(previous, latest)
    return []


def _problems_of_looks(previous: Examination | None, latest: Examination) -> list[str]:
    problems = []
    if previous is not None and previous.examination >= latest.examination:
        problems.append(f"examination {previous.examination} before {latest.examination}")
    for look in (previous, latest):
        if look is not None and (look.source_row >= len(look.object_id)).any():
            problems.append(f"source_row beyond the {len(look.object_id)} objects")
    return problems
