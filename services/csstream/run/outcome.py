"""The end of a run: compare with the truth, write report and summary."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from csstream.instruments.instrument import Instrument, load_instrument
from csstream.run.evaluate import Evaluation, evaluate
from csstream.run.frame_sources import choose_frame, frame_picture, local_path
from csstream.run.options import Places, RunOptions
from csstream.run.pictures import FramePicture
from csstream.run.reference import ReferenceStep
from csstream.run.report import Facts, gallery_order, write_report
from csstream.run.summary import build_summary, reference_numbers, stage_seconds, write_summary
from csstream.run.supervisor import ProcessState
from csstream.run.tally import Tally
from csstream.run.truth import read_variables
from csstream.runtime.settings import ServiceSettings
from csstream.subscriber.as_json import to_json


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """How a run ended."""

    complete: bool  # everything announced was processed and examined
    problems: Sequence[str]
    summary: Mapping[str, Any]

    def lines(self) -> list[str]:
        """Return the last words of the run on the terminal."""
        frames, truth = self.summary["frames"], self.summary["truth"]
        lines = [f"PROBLEM  {problem}" for problem in self.problems]
        lines.append(
            f"{frames['processed']} of {frames['published']} frames, {self.summary['sources']:,} "
            f"stars measured, {self.summary['objects']:,} curves, {self.summary['alerts']} alerts "
            f"in {self.summary['elapsed_s']:.0f} s"
        )
        if (reference := self.summary["reference"]) is not None:
            lines.append(
                f"reference catalogue of {reference['stars']:,} stars from {reference['frames']} "
                f"frames; {reference['extras']:g} more found in a frame"
            )
        if truth is not None:
            lines.append(
                f"{truth['detectable']} of {truth['injected']} injected variables detectable, "
                f"{truth['recovered']} found, {truth['period_right']} with the right period, "
                f"{truth['false']} false alerts"
            )
        return lines


def conclude(
    *,
    options: RunOptions,
    places: Places,
    settings: ServiceSettings,
    tally: Tally,
    processes: Sequence[ProcessState],
    problems: Sequence[str],
    complete: bool,
    startup: float,
    reference: ReferenceStep,
    decided: float,
    elapsed: float,
) -> Outcome:
    """Write ``report.html`` and ``summary.json``; the broker must still be there."""
    began = time.monotonic()
    instrument = load_instrument(options.instrument)
    evaluation = compare(truth_table(options, places), tally, instrument)
    frame, frame_name = show_frame(settings, tally, instrument)
    stages = {"startup": startup, "reference": decided, **stage_seconds(tally)}
    catalogue = reference.catalogue
    listed = None if catalogue is None else reference_numbers(catalogue, tally)
    problems = [*problems, *filter(None, [reference.problem()])]
    summary = build_summary(tally, evaluation, stages, elapsed, listed)
    facts = Facts(
        title=f"csstream run {places.root.name}",
        summary=summary,
        options=options.shown(),
        tally=tally,
        evaluation=evaluation,
        frame=frame,
        frame_name=frame_name,
        processes=processes,
        problems=problems,
    )
    write_alerts(places.alerts, tally)
    write_report(places.report, facts)
    stages["report"] = time.monotonic() - began
    summary = build_summary(tally, evaluation, stages, elapsed, listed)
    write_summary(places.summary, summary)
    return Outcome(complete=complete, problems=problems, summary=summary)


def write_alerts(path: Path, tally: Tally) -> None:
    """Write every alert as a JSON line, in an order that does not depend on when it came.

    The same frames and seed give the same file, whatever broker carried them.
    """
    alerts = [received.alert for received in tally.alerts.values()]
    alerts.sort(key=lambda a: (a.visit, a.object_id, a.examination, a.alert_id))
    path.write_text("".join(to_json(alert) + "\n" for alert in alerts), encoding="utf-8")


def truth_table(options: RunOptions, places: Places) -> Path | None:
    """Return the truth table: named, of the simulation, or lying beside the frames."""
    candidates = [options.truth, places.truth]
    candidates += [path / "truth.ecsv" for path in options.exposures if path.is_dir()]
    return next((path for path in candidates if path is not None and path.is_file()), None)


def compare(table: Path | None, tally: Tally, instrument: Instrument) -> Evaluation | None:
    """Compare the alerts with a truth table, where there is one."""
    if table is None:
        return None
    times = np.array([r.report.mjd_mid_tai for r in tally.measured], dtype=np.float64)
    alerts = [received.alert for received in tally.alerts.values()]
    return evaluate(read_variables(table), alerts, times, instrument)


def show_frame(
    settings: ServiceSettings, tally: Tally, instrument: Instrument
) -> tuple[FramePicture | None, str]:
    """Return the frame for the report and what it is."""
    reported = choose_frame(tally)
    if reported is None:
        return None, ""
    alerts = [r.alert for r in sorted(tally.latest_alerts(), key=gallery_order)]
    picture = frame_picture(settings, tally, reported, alerts, instrument)
    report = reported.report
    exposure = tally.exposures.get(report.exposure_id)
    name = local_path(exposure).name if exposure is not None else report.exposure_id
    text = (
        f"{name}: {report.sources:,} stars by {report.method}, FWHM {report.fwhm:.2f} px, "
        f"depth {report.depth:.2f} mag at 5 sigma. Numbers are those of the alerts below."
    )
    return picture, text
