"""What the options of simulated scenes mean."""

from __future__ import annotations

import math
from dataclasses import replace
from enum import StrEnum
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from csstream.instruments.instrument import Instrument
    from csstream.simulation.scenes import SceneSettings


class Optics(StrEnum):
    """How the PSF is made."""

    galsim = "galsim"
    analytic = "analytic"


def scene_settings(
    instrument: Instrument,
    shape: str,
    pin: bool,
    wanted: dict[str, str | None],
    optics: Optics | None,
    jitter: float | None,
    effects: bool | None,
) -> SceneSettings:
    """Return the settings that the options ask for; None leaves a default alone."""
    from csstream.simulation.detector import ALL_EFFECTS, PLAIN
    from csstream.simulation.scenes import pinned_settings, varied_settings

    base = pinned_settings(instrument) if pin else varied_settings(instrument)
    changes: dict[str, Any] = {"shape": parse_shape(shape)}
    changes |= {name: parse_range(name, text) for name, text in wanted.items() if text is not None}
    if optics is not None:
        changes["optics"] = optics.value
    if jitter is not None:
        changes["jitter"] = jitter
    if effects is not None:
        changes["effects"] = ALL_EFFECTS if effects else PLAIN
    return replace(base, **changes)


def parse_range(name: str, text: str) -> tuple[float, float]:
    """Return (low, high) of ``"low:high"`` or of one number; ValueError for anything else."""
    try:
        ends = [float(part) for part in text.split(":")]
    except ValueError:
        ends = []
    if len(ends) not in (1, 2) or not all(map(math.isfinite, ends)):
        raise ValueError(f"{name} must be a number or LOW:HIGH, not {text}")
    return ends[0], ends[-1]


def parse_shape(text: str) -> tuple[int, int]:
    """Return (ny, nx) of ``"512"`` or ``"width x height"``; ValueError for anything else."""
    sides = text.lower().replace(" ", "").split("x")
    if len(sides) not in (1, 2) or not all(side.isdigit() and int(side) >= 32 for side in sides):
        raise ValueError(f"shape must be a side or WIDTHxHEIGHT of at least 32 pixels, not {text}")
    return int(sides[-1]), int(sides[0])
