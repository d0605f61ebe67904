"""``report.html``: one self-contained page about a run."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

import jinja2

from csstream.contracts.records import Alert
from csstream.run.evaluate import Evaluation
from csstream.run.pictures import (
    FramePicture,
    data_uri,
    draw_evaluation,
    draw_flow,
    draw_frame,
)
from csstream.run.summary import detection_steps
from csstream.run.supervisor import ProcessState
from csstream.run.tally import ReceivedAlert, Tally
from csstream.run.truth import FLOOR, MIN_CYCLES, MIN_EVENTS, MIN_SNR
from csstream.subscriber.plots import draw_alert
from csstream.subscriber.text import fap_text, folded_snr, probabilities_text, with_error

GALLERY = 48  # alerts with a picture; the table lists all
ALERT_DPI = 84
ORDER = {"pulsating": 0, "eclipsing": 1, "transit": 2, "none": 3}


@dataclass(frozen=True, kw_only=True)
class Facts:
    """Everything that the report tells."""

    title: str
    summary: Mapping[str, Any]
    options: Mapping[str, str]  # what the run was asked for
    tally: Tally
    evaluation: Evaluation | None
    frame: FramePicture | None
    frame_name: str
    processes: Sequence[ProcessState]
    problems: Sequence[str]  # what went wrong, in sentences; empty: nothing


def write_report(path: Path, facts: Facts) -> None:
    """Write the page; every text in it is escaped."""
    environment = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined)
    environment.filters["number"] = number_text
    source = resources.files("csstream.run").joinpath("templates/report.html.j2").read_text("utf-8")
    path.write_text(environment.from_string(source).render(page(facts)), encoding="utf-8")


def page(facts: Facts) -> dict[str, Any]:
    """Return what the template shows."""
    tally = facts.tally
    standing = sorted(tally.latest_alerts(), key=gallery_order)
    return {
        "title": facts.title,
        "options": facts.options,
        "problems": list(facts.problems),
        "cards": cards(facts),
        "frame": data_uri(draw_frame(facts.frame)) if facts.frame else None,
        "frame_name": facts.frame_name,
        "alerts": [alert_row(received) for received in standing],
        "gallery": [gallery_item(received.alert) for received in standing[:GALLERY]],
        "truth": truth_section(facts.evaluation),
        "flow": data_uri(draw_flow(tally), 90) if tally.measured else None,
        "stages": stage_rows(facts.summary["stages"], tally),
        "steps": step_rows(tally),
        "latency": facts.summary["latency_s"],
        "processes": facts.processes,
        "dead_letters": list(tally.dead_letters.values()),
        "given_up": [r.report for r in tally.reports.values() if r.report.status == "given_up"],
    }


def cards(facts: Facts) -> list[tuple[str, str, str]]:
    """Return the headline numbers: label, value, remark."""
    summary, tally = facts.summary, facts.tally
    frames, latency, truth = summary["frames"], summary["latency_s"], summary["truth"]
    given_up = f"{tally.given_up} given up" if tally.given_up else "all accounted for"
    rows = [
        ("frames", f"{frames['processed']} of {frames['published']}", given_up),
        ("stars measured", number_text(summary["sources"]), _per_frame(tally)),
        ("light curves", number_text(summary["objects"]), "objects examined"),
        ("examinations", number_text(summary["examinations"]), f"{tally.panels_examined} panels"),
        ("variables alerted", str(len(tally.latest_alerts())), f"{summary['alerts']} alerts sent"),
    ]
    if (reference := summary["reference"]) is not None:
        remark = f"{reference['calibrators']} calibrators, from {reference['frames']} frames"
        rows.insert(1, ("reference catalogue", f"{reference['stars']:,} stars", remark))
    if truth is not None:
        found = f"{truth['period_right']} of {truth['injected']}"
        remark = f"{truth['detectable']} detectable; {truth['false']} false alerts"
        rows.append(("found, period right", found, remark))
    if latency["p50"] is not None:
        remark = f"p95 {latency['p95']:.2f} s, p99 {latency['p99']:.2f} s"
        rows.append(("latency, median", f"{latency['p50']:.2f} s", remark))
    rows.append(("dead letters", str(summary["dead_letters"]), "messages set aside"))
    rows.append(("elapsed", f"{summary['elapsed_s']:.0f} s", "start to last alert"))
    return rows


def _per_frame(tally: Tally) -> str:
    count = len(tally.measured)
    if not count:
        return "no frame was measured"
    listed = sum(received.report.listed for received in tally.measured)
    beside = f", {(tally.sources - listed) / count:,.1f} beside the list" if listed else ""
    return f"{tally.sources / count:,.0f} a frame{beside}"


def alert_row(received: ReceivedAlert) -> dict[str, Any]:
    """Return the table row of an alert."""
    alert = received.alert
    return {
        "kind": alert.kind,
        "object_id": alert.object_id,
        "ra": f"{alert.ra:.5f}",
        "dec": f"{alert.dec:+.5f}",
        "mag": f"{alert.mag:.3f}",
        "period": with_error(alert.period, alert.period_err),
        "depth": with_error(100 * alert.depth, 100 * alert.depth_err),
        "snr": f"{folded_snr(alert):.1f}",
        "fap": fap_text(alert),
        "probabilities": probabilities_text(alert),
        "events": alert.events,
        "visit": alert.visit,
        "reason": alert.reason.replace("_", " "),
    }


def gallery_item(alert: Alert) -> dict[str, str]:
    """Return the picture of an alert and what a screen reader says about it."""
    period = with_error(alert.period, alert.period_err, "d")
    text = f"{alert.kind} star {alert.object_id}, period {period}: raw and folded light curve"
    return {"image": data_uri(draw_alert(alert), ALERT_DPI), "text": text}


def truth_section(evaluation: Evaluation | None) -> dict[str, Any] | None:
    """Return the comparison with what was injected, or None without a truth table."""
    if evaluation is None:
        return None
    rows = []
    for outcome in sorted(evaluation.outcomes, key=lambda o: (o.variable.kind, -o.chance.snr)):
        rows.append({"o": outcome, "verdict": _verdict(outcome)})
    return {
        "numbers": evaluation.numbers(),
        "rows": rows,
        "false": evaluation.false,
        "neighbours": evaluation.neighbours,
        "missed": evaluation.missed,
        "plot": data_uri(draw_evaluation(evaluation), 90) if evaluation.outcomes else None,
        "rule": {
            "snr": MIN_SNR,
            "events": MIN_EVENTS,
            "cycles": MIN_CYCLES,
            "floor": f"{1000 * FLOOR:.0f} mmag",
        },
    }


def _verdict(outcome: Any) -> str:
    if outcome.alert is None:
        return "missed" if outcome.chance.detectable else "not detectable"
    if outcome.period_right:
        return "right" if outcome.harmonic == 1.0 else f"right, {outcome.harmonic:g} × period"
    return "found, no period" if math.isnan(outcome.period_ratio) else "wrong period"


def stage_rows(stages: Mapping[str, float], tally: Tally) -> list[dict[str, str]]:
    """Return what each stage did and how fast."""
    did = {
        "publisher": (tally.published, "frames announced"),
        "detection": (tally.sources, "stars measured"),
        "lightcurves": (tally.panels, "panels cut"),
        "classifier": (tally.examinations, "curves examined"),
    }
    rows = []
    for stage, (count, unit) in did.items():
        seconds = stages.get(stage, 0.0)
        rate = f"{count / seconds:,.1f} /s" if seconds > 0 else "–"
        text = f"{count:,} {unit}"
        rows.append({"stage": stage, "did": text, "seconds": f"{seconds:.1f}", "rate": rate})
    return rows


def step_rows(tally: Tally) -> list[dict[str, Any]]:
    """Return the mean time of each step of detection, the slowest first."""
    steps, count = detection_steps(tally), len(tally.measured)
    longest = max(steps.values(), default=0.0)
    return [
        {
            "step": step.replace("_", " "),
            "ms": f"{1000 * total / count:,.0f}",
            "percent": round(100 * total / longest) if longest > 0 else 0,
        }
        for step, total in sorted(steps.items(), key=lambda item: -item[1])
    ]


def gallery_order(received: ReceivedAlert) -> tuple[int, float]:
    """Sort key of the alert gallery: by class, the most significant first."""
    alert = received.alert
    snr = folded_snr(alert)
    return ORDER.get(alert.kind, 9), -snr if math.isfinite(snr) else 0.0


def number_text(value: float) -> str:
    """Return a number with thousands separators."""
    return f"{value:,}"
