"""The curves of three photometries of the same frames, and what the classifier says of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any, Final

import numpy as np

from csstream.evaluate.detection import versions
from csstream.evaluate.survey_plan import Arm, SurveyPlan, keep_plan, read_plan
from csstream.evaluate.survey_run import measure_survey
from csstream.evaluation.classified import Classified, classified
from csstream.evaluation.curve_store import FieldCurves, field_folders, load, read_field, save
from csstream.imaging.frames.flags import UNRELIABLE
from csstream.inference.classifier import CurveClassifier
from csstream.inference.session import Session, open_session
from csstream.timeseries.examine import examine_panel
from csstream.timeseries.kinds import KINDS

Progress = Callable[[int, int], None]

LIMIT = 25.0  # [mag] down to which constant stars are counted
ARMS: Final[tuple[Arm, ...]] = ("network", "reference", "classical")
TITLES: Final[dict[str, str]] = {
    "network": "network photometry alone",
    "fit": "network + fit, each frame on its own",
    "reference": "network + fit of the reference list",
    "classical": "classical photometry",
}
PLAN = SurveyPlan(part="arms", mix="flat", seed=5300, size=400, fields=1, frames=600)


@dataclass(frozen=True, kw_only=True, eq=False)
class Examined:
    """What the classifier said of a field's objects; arrays (n,) or (n, 4)."""

    probability: Any
    crossed: Any
    epochs: Any
    frames: Any  # of the curves that it saw, ()
    model: Any  # name and hash of the network, ()


def measure_arms(
    folder: Path, plan: SurveyPlan, arms: tuple[Arm, ...], workers: int, progress: Progress
) -> dict[str, Path]:
    """Measure the same frames in every arm, as far as ``folder`` lacks them; returns the runs."""
    runs: dict[str, Path] = {}
    frames = plan.frames * plan.fields
    for place, arm in enumerate(arms):
        run = folder / "curves" / arm
        chosen = replace(plan, arm=arm)
        keep_plan(run, chosen, versions())
        measure_survey(run, chosen, workers, _shifted(progress, place, frames, len(arms)))
        runs[arm] = run
    return runs


def _shifted(progress: Progress, place: int, frames: int, arms: int) -> Progress:
    """Count the frames of all arms together."""
    return lambda done, _: progress(place * frames + done, arms * frames)


def examine_arms(
    folder: Path, runs: Mapping[str, Path], weights: Mapping[str, str]
) -> dict[str, Classified]:
    """Classify the curves of every arm; what ``folder`` holds of the same curves is read.

    weights : network of an arm, by its name or file; ``classifier`` where an arm is not named.
    """
    found = {}
    for arm, run in runs.items():
        session = open_session(weights.get(arm, "classifier"))
        parts = []
        for index, path in enumerate(field_folders(run)):
            field = read_field(path)
            said = _examined(folder / "verdicts" / arm / f"{path.name}.npz", field, session)
            parts.append(
                classified(field, index, said.probability, said.crossed, said.epochs, LIMIT)
            )
        if not parts:
            raise FileNotFoundError(f"{run} holds no curves")
        found[arm] = Classified.joined(parts)
    return found


def _examined(path: Path, field: FieldCurves, session: Session) -> Examined:
    wanted = (len(field.time), session.card.version)
    if path.exists():
        stored = Examined(**load(path, Examined))
        if (int(stored.frames), str(stored.model)) == wanted:
            return stored
    said = examine_field(field, CurveClassifier(session))
    path.parent.mkdir(parents=True, exist_ok=True)
    save(path, replace(said, frames=np.array(wanted[0]), model=np.array(wanted[1])))
    return said


def examine_field(field: FieldCurves, classifier: CurveClassifier | None) -> Examined:
    """Examine all objects of a field in the panels that the stream would form."""
    n = len(field.objects.object_id)
    probability = np.tile([1.0] + [0.0] * (len(KINDS) - 1), (n, 1))
    crossed, epochs = np.zeros(n, bool), np.zeros(n, np.int64)
    for _, _, rows in field.panels():
        bad = (field.flags[rows] & int(UNRELIABLE)) != 0
        flux = np.where(bad, np.nan, field.flux[rows])
        result = examine_panel(field.time, flux, field.flux_err[rows], classifier=classifier)
        probability[rows], crossed[rows] = result.probabilities, result.crossed
        epochs[rows] = result.n_epochs
    nothing = np.array(0)
    return Examined(
        probability=probability, crossed=crossed, epochs=epochs, frames=nothing, model=nothing
    )


def same_sky(runs: Mapping[str, Path]) -> None:
    """Check that runs differ in the photometry alone.

    Raises
    ------
    ValueError
        They are of different skies, or of different frames.
    """
    plans = {arm: read_plan(run) for arm, run in runs.items()}
    ignored = {"arm", "part", "chunk", "fields"}
    names = [entry.name for entry in fields(SurveyPlan) if entry.name not in ignored]
    first_arm, first = next(iter(plans.items()))
    for arm, plan in plans.items():
        other = [name for name in names if getattr(plan, name) != getattr(first, name)]
        if other:
            raise ValueError(f"{arm} and {first_arm} are not of one sky: {', '.join(other)} differ")
