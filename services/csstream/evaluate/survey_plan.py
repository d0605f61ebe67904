"""What a survey against the truth simulates: its parts, and the settings that pin a run."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal

from csstream.simulation.detector import ALL_EFFECTS
from csstream.simulation.epochs import LOW_ORBIT, Orbit, Steadiness

Mix = Literal["paper", "flat", "quiet"]
Arm = Literal["reference", "fit", "network", "classical"]
SETTINGS = "survey.json"


@dataclass(frozen=True, kw_only=True)
class SurveyPlan:
    """One run: fields of one kind, each exposed so many times."""

    part: str
    mix: Mix  # the paper's shares of all stars, flat in A/σ₁, or constant stars alone
    seed: int
    size: int = 512  # [pixel] a side
    fields: int = 4
    frames: int = 1000
    orbit: bool = False  # a low orbit's gaps, sky and breathing
    arm: Arm = "reference"
    instrument: str = "csst-i"
    density: float | None = None  # [star/pixel]; None: typical
    variables: tuple[int, int, int] = (80, 60, 60)  # transit, eclipsing, pulsating in 512²
    psf_jitter: float = 0.01  # of width and of each component of the shape
    zero_point_jitter: float = 0.005  # [mag]
    dithers: int = 25  # positions of the dither list
    dither: float = 3.0  # [pixel]
    cosmic_rays: float = ALL_EFFECTS.cosmic_rays  # [1/s/pixel] particles; 0: none
    reference_frames: int = 16
    chunk: int = 25  # frames per file

    def __post_init__(self) -> None:
        for name in ("size", "fields", "frames", "dithers", "reference_frames", "chunk"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, not {getattr(self, name)}")

    @property
    def steadiness(self) -> Steadiness:
        """Return how far exposures differ."""
        return Steadiness(
            dither=self.dither,
            psf_jitter=self.psf_jitter,
            shape_jitter=self.psf_jitter,
            zero_point_jitter=self.zero_point_jitter,
        )

    @property
    def low_orbit(self) -> Orbit | None:
        """Return the orbit, if there is one."""
        return LOW_ORBIT if self.orbit else None

    @property
    def shape(self) -> tuple[int, int]:
        """Return (ny, nx) of a field."""
        return self.size, self.size


PARTS: dict[str, SurveyPlan] = {
    "a": SurveyPlan(part="a", mix="paper", seed=5000, size=700, fields=6),
    "b": SurveyPlan(part="b", mix="flat", seed=5100, fields=4),
    "c": SurveyPlan(part="c", mix="flat", seed=5200, fields=2, orbit=True),
    "quiet": SurveyPlan(part="quiet", mix="quiet", seed=3000, fields=2),
    "quiet-c": SurveyPlan(part="quiet-c", mix="quiet", seed=3100, size=360, fields=2, orbit=True),
}


class PlanError(ValueError):
    """A folder holds another survey than the one asked for."""


def plan_of(part: str, changes: dict[str, Any]) -> SurveyPlan:
    """Return the plan of a part with the settings that are not None changed."""
    return replace(PARTS[part], **{k: v for k, v in changes.items() if v is not None})


def keep_plan(run: Path, plan: SurveyPlan, versions: dict[str, str]) -> None:
    """Write the plan into its folder, or check that the folder's is the same.

    More fields than before are allowed: they are added.

    Raises
    ------
    PlanError
        The folder's survey is another one.
    """
    path = run / SETTINGS
    if path.exists():
        before = read_plan(run)
        if replace(before, fields=plan.fields) != plan:
            raise PlanError(f"{run} holds another survey: {before}; choose another folder")
    run.mkdir(parents=True, exist_ok=True)
    content = {"plan": asdict(plan), "versions": versions}
    temporary = path.with_name(f".{path.name}")
    temporary.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    temporary.replace(path)


def read_plan(run: Path) -> SurveyPlan:
    """Return the plan of a folder.

    Raises
    ------
    PlanError
        There is none, or it cannot be read.
    """
    try:
        values = json.loads((run / SETTINGS).read_text(encoding="utf-8"))["plan"]
        return SurveyPlan(**(values | {"variables": tuple(values["variables"])}))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise PlanError(f"{run} holds no survey: {error}") from error
