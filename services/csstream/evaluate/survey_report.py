"""All parts of a survey put together: what must hold, the JSON file, lines for a terminal."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from csstream.evaluate.survey_examined import examine_fields, read_with_extras, verdicts_of
from csstream.evaluate.survey_looks import ObjectVerdicts
from csstream.evaluate.survey_plan import SETTINGS, SurveyPlan, read_plan
from csstream.evaluate.survey_scatter import Scatter, scatter_of, scatter_summary
from csstream.evaluate.survey_scores import (
    LEAST_SNR,
    PREVALENCE,
    Injected,
    Quiet,
    injected,
    injected_summary,
    precision,
    quiet,
    quiet_summary,
)
from csstream.evaluation.curve_store import (
    FieldCurves,
    field_folders,
    frames_measured,
)
from csstream.instruments.instrument import load_instrument
from csstream.simulation.field import EDGE

JSON_NAME: Final = "survey-report.json"
MUST_HOLD: Final = (
    ("precision", "precision at the paper's prevalence", 0.976, 0.99),
    ("recall", "recall, S/N ≥ 2 and two whole events", 0.93, 0.97),
    ("period_right", "period right within 1 % among true alerts", 0.95, 0.99),
)
MUST_NOT_EXCEED: Final = (
    ("uncrowded_over_isolated", "scatter over the isolated bound, uncrowded half", 1.10, 1.05),
    ("all_over_joint", "scatter over the joint bound, all stars", 1.15, 1.05),
)
PLAN_SHOWN: Final = ("mix", "seed", "size", "orbit", "arm", "cosmic_rays")
Progress = Callable[[int, int], None]


@dataclass(frozen=True, eq=False)
class Part:
    """What one part of the survey says, all its fields together."""

    plan: SurveyPlan
    stars: Injected
    quiet: Quiet
    scatter: Scatter
    frames: tuple[int, ...]  # measured, of each field
    seconds_per_mpx: float  # of measuring one frame, wall clock
    gallery: tuple[tuple[FieldCurves, ObjectVerdicts], ...]  # of the first field


def parts_of(folder: Path) -> dict[str, Path]:
    """Return the surveys in a folder by the name of their part: its own, or those below it."""
    if (folder / SETTINGS).exists():
        return {read_plan(folder).part: folder}
    found = sorted(path.parent for path in folder.glob(f"*/{SETTINGS}"))
    return {read_plan(path).part: path for path in found}


def judge_part(run: Path, weights: str, every: int, progress: Progress, workers: int = 1) -> Part:
    """Examine the fields of a run that have been measured to the end, and compare with truth.

    Raises
    ------
    FileNotFoundError
        No field is complete.
    """
    plan = read_plan(run)
    folders = [f for f in field_folders(run) if frames_measured(f) == plan.frames]
    examine_fields(folders, weights, every, workers, progress)
    camera = load_instrument(plan.instrument)
    stars, quiets, scatters, frames, seconds = [], [], [], [], []
    gallery: list[tuple[FieldCurves, ObjectVerdicts]] = []
    for folder in folders:
        curves, verdicts = read_with_extras(folder), verdicts_of(folder, weights, every)
        stars.append(injected(curves, verdicts, plan.size, EDGE))
        quiets.append(quiet(curves, verdicts))
        scatters.append(scatter_of(curves, camera, plan.size))
        frames.append(curves.time.size)
        seconds += [float(np.mean(chunk.seconds)) for chunk in curves.chunks]
        gallery = gallery or [(curves, verdicts)]
    if not frames:
        raise FileNotFoundError(f"{run}: no field is measured to the end")
    names = ("mag", "over_joint", "over_isolated", "over_quoted", "uncrowded")
    together = (np.concatenate([getattr(s, name) for s in scatters]) for name in names)
    return Part(
        plan,
        Injected.joined(stars),
        Quiet.joined(quiets),
        Scatter(*together),
        tuple(frames),
        float(np.mean(seconds)) / (plan.size**2 / 1e6),
        tuple(gallery),
    )


def summarise(parts: dict[str, Part]) -> dict[str, Any]:
    """Return all numbers of a report."""
    summary: dict[str, Any] = {"prevalence": PREVALENCE, "least_snr": LEAST_SNR, "parts": {}}
    for name, part in parts.items():
        summary["parts"][name] = {
            "plan": {k: getattr(part.plan, k) for k in PLAN_SHOWN},
            "fields": len(part.frames),
            "frames": list(part.frames),
            "seconds_per_mpx": part.seconds_per_mpx,
            "injected": injected_summary(part.stars) if len(part.stars) else None,
            "quiet": quiet_summary(part.quiet),
            "scatter": scatter_summary(part.scatter),
        }
    summary["precision"] = _precisions(summary["parts"])
    summary["must_hold"] = list(_outcomes(summary))
    return summary


def _precisions(parts: dict[str, Any]) -> dict[str, Any]:
    """Precision at the paper's prevalence: recall of a flat part, rate of false alerts of another.

    The rate comes from the paper's mix where that was measured, else from the quiet stars of the
    same part; in a low orbit always from the same part.
    """
    made: dict[str, Any] = {}
    for name, part in parts.items():
        if part["plan"]["mix"] != "flat" or part["injected"] is None:
            continue
        source = "a" if "a" in parts and not part["plan"]["orbit"] else name
        recall = part["injected"]["recall"]
        false = parts[source]["quiet"]
        made[name] = {
            "false_alerts_from": source,
            "any_alert": precision(recall, false["alerted"]),
            "standing": precision(recall, false["standing"]),
            "away_from_variables": precision(recall, false["alerted_far"]),
        }
    return made


def _outcomes(summary: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for name, part in summary["parts"].items():
        values: dict[str, Any] = {}
        if name in summary["precision"]:
            values["precision"] = summary["precision"][name]["any_alert"]
            values |= {key: part["injected"][key] for key in ("recall", "period_right")}
        for key, title, floor, goal in MUST_HOLD:
            if key in values:
                verdict = _verdict(values[key]["value"], floor, goal)
                yield {"part": name, "title": title, "floor": floor, "goal": goal,
                       "verdict": verdict, **values[key]}  # fmt: skip
        for key, title, floor, goal in MUST_NOT_EXCEED:
            value = part["scatter"][key]
            verdict = _verdict(None if value is None else -value, -floor, -goal)
            yield {"part": name, "title": title, "floor": floor, "goal": goal, "value": value,
                   "verdict": verdict}  # fmt: skip


def _verdict(value: float | None, floor: float, goal: float) -> str:
    if value is None:
        return "not measured"
    return "goal" if value >= goal else "floor" if value >= floor else "short"


def lines(summary: dict[str, Any]) -> Iterator[str]:
    """Yield the main figures for a terminal."""
    for name, part in summary["parts"].items():
        plan = part["plan"]
        orbit = ", low orbit" if plan["orbit"] else ""
        yield (
            f"part {name}: {plan['mix']}{orbit}, {part['fields']} fields of {plan['size']}² "
            f"pixels, {part['frames'][0]} frames; seeds {plan['seed']}+"
        )
        yield from _quiet_lines(part["quiet"])
        if part["injected"] is not None:
            yield from _injected_lines(part["injected"])
        row = part["scatter"]
        yield (
            f"  scatter over the joint bound, all {_number(row['all_over_joint'])} (95 %: "
            f"{_number(row['all_over_joint_95'])}); over the isolated one, uncrowded half, "
            f"18.5–23: {_number(row['uncrowded_over_isolated'])}"
        )
    for row in summary["must_hold"]:
        limits = f" ({row['low']:.3f}–{row['high']:.3f})" if row.get("low") is not None else ""
        yield (
            f"{row['part']}: {row['title']:50s} floor {row['floor']:<6} goal {row['goal']:<5} "
            f"{_number(row['value'])}{limits}  {row['verdict']}"
        )


def _quiet_lines(stars: dict[str, Any]) -> Iterator[str]:
    yield f"  {stars['stars']} quiet objects; alerted at any look {_share(stars['alerted'])}"
    yield f"    of these found beside the list, alerted {_share(stars['beside'])}"
    yield (
        f"    within 5 pixels of a variable {_share(stars['alerted_near'])}, elsewhere "
        f"{_share(stars['alerted_far'])}; standing at the end {_share(stars['standing'])}"
    )
    cells = [f"≤ {row['fap']:g}: {row['seen']['value'] or 0:.1e}" for row in stars["fap_counts"]]
    yield f"    false-alarm probability at the closing look, stated: seen: {', '.join(cells)}"


def _injected_lines(stars: dict[str, Any]) -> Iterator[str]:
    yield (
        f"  {stars['injected']} variables, {stars['scorable']} with two whole events, "
        f"{stars['positives']} of these with S/N ≥ {LEAST_SNR:g}"
    )
    yield f"    recall {_share(stars['recall'])}, of the listed {_share(stars['recall_listed'])}"
    yield f"    shown beside the list alone, found {_share(stars['beside'])}"
    yield f"    period right {_share(stars['period_right'])}, class {_share(stars['class_right'])}"
    yield f"    one whole event alone, alerted {_share(stars['single_events'])}"
    for kind, row in stars["kinds"].items():
        yield f"    {kind:10s} recall {_share(row['recall'])}, {_share(row['period_right'])} right"
    cells = [
        f"{row['low']:g}–{row['high']:g}: {_number(row['all']['value'])} ({row['all']['n']})"
        for row in stars["recall_over_snr"]
    ]
    yield "    recall over S/N: " + ", ".join(cells)


def _share(row: dict[str, Any]) -> str:
    if not row["n"]:
        return "– (0)"
    value = row["value"]
    text = f"{value:.4f}" if value >= 0.01 else f"{value:.1e}"
    return f"{text} ({row['k']}/{row['n']}, {row['low']:.2g}–{row['high']:.3g})"


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"
