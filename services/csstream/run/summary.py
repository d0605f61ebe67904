"""``summary.json``: the numbers of a run, in a fixed shape that scripts may rely on."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from csstream.imaging.reference.files import read_reference
from csstream.run.evaluate import Evaluation
from csstream.run.tally import Tally

PERCENTILES = {"p50": 50.0, "p95": 95.0, "p99": 99.0}


def build_summary(
    tally: Tally,
    evaluation: Evaluation | None,
    stages: Mapping[str, float],
    elapsed: float,
    reference: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Return the summary of a run.

    ``reference`` says what catalogue was measured, see :func:`reference_numbers`; None: none.

    ``sources`` are stars measured, added up over all frames. ``examinations`` counts each look at
    one light curve. ``alerts`` counts distinct alert ids, follow-ups and withdrawals too.
    ``latency_s`` is the time from the broker's time stamp of an exposure's announcement to that
    of its report, over the frames that were measured; null without one.
    """
    return {
        "frames": {"published": tally.published, "processed": tally.processed},
        "reference": None if reference is None else dict(reference),
        "sources": tally.sources,
        "objects": tally.objects,
        "examinations": tally.examinations,
        "alerts": len(tally.alerts),
        "dead_letters": len(tally.dead_letters),
        "truth": None if evaluation is None else evaluation.numbers(),
        "latency_s": latency_percentiles(tally.latencies()),
        "stages": {name: round(seconds, 3) for name, seconds in stages.items()},
        "elapsed_s": round(elapsed, 3),
    }


def reference_numbers(path: Path, tally: Tally) -> dict[str, Any]:
    """Return what a reference catalogue holds, and what was measured of it and beside it.

    ``listed`` and ``extras`` are means per measured frame.
    """
    catalogue = read_reference(path)
    reports = [each.report for each in tally.measured]
    frames = max(len(reports), 1)
    listed = sum(report.listed for report in reports)
    return {
        "version": catalogue.version,
        "stars": len(catalogue.stars),
        "calibrators": int(np.count_nonzero(catalogue.stars.calibrator)),
        "frames": catalogue.frames,
        "listed": round(listed / frames, 1),
        "extras": round((tally.sources - listed) / frames, 1),
    }


def latency_percentiles(latencies: Sequence[float]) -> dict[str, float | None]:
    """Return p50, p95 and p99 [s]; None without latencies."""
    if not latencies:
        return dict.fromkeys(PERCENTILES)
    return {
        name: round(float(np.percentile(latencies, percent)), 3)
        for name, percent in PERCENTILES.items()
    }


def stage_seconds(tally: Tally) -> dict[str, float]:
    """Return the seconds of each stage, and of each step of detection.

    A stage's time runs from the first announcement to its last record, so the stages overlap; a
    step's time is its sum over the frames (``detection.fit`` and so on).
    """
    began = tally.span("exposures").first_ms
    outputs = {
        "publisher": "exposures",
        "detection": "exposure-reports",
        "lightcurves": "lightcurves",
        "classifier": "verdicts",
    }
    seconds = {}
    for stage, topic in outputs.items():
        last = tally.span(topic).last_ms
        seconds[stage] = (last - began) / 1000.0 if last is not None and began is not None else 0.0
    for step, total in detection_steps(tally).items():
        seconds[f"detection.{step}"] = total
    return seconds


def detection_steps(tally: Tally) -> dict[str, float]:
    """Return the seconds of each step of detection, added up over the frames."""
    steps: dict[str, float] = {}
    for reported in tally.measured:
        for step, seconds in reported.report.timings.items():
            steps[step] = steps.get(step, 0.0) + seconds
    return steps


def write_summary(path: Path, summary: Mapping[str, Any]) -> None:
    """Write the summary as JSON; NaN is no JSON and is refused with ValueError."""
    path.write_text(json.dumps(summary, indent=2, allow_nan=False) + "\n", encoding="utf-8")
