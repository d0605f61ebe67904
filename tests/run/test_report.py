"""Summary and report: fixed keys, everything escaped, everything inside one file."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from csstream.instruments.instrument import load_instrument
from csstream.run.evaluate import evaluate
from csstream.run.frame_sources import choose_frame, distinct, mark_alerts
from csstream.run.pictures import FramePicture
from csstream.run.report import Facts, write_report
from csstream.run.summary import build_summary, stage_seconds, write_summary
from csstream.run.supervisor import ProcessState
from csstream.run.tally import Tally
from csstream.run.truth import Variable

KEYS = [
    "frames",
    "reference",
    "sources",
    "objects",
    "examinations",
    "alerts",
    "dead_letters",
    "truth",
]


def evaluation_of(tally: Tally) -> Any:
    injected = Variable(
        star_id=3,
        ra=269.2,
        dec=-29.5,
        mag=20.0,
        kind="pulsating",
        period=0.7,
        t0=61000.0,
        duration=np.nan,
        depth=0.3,
    )
    alerts = [received.alert for received in tally.alerts.values()]
    return evaluate([injected], alerts, 61000.0 + np.arange(30.0), load_instrument("csst-i"))


def test_the_summary_has_exactly_the_promised_keys(made: Any, tmp_path: Path) -> None:
    tally = made.tally()
    summary = build_summary(tally, evaluation_of(tally), stage_seconds(tally), 12.3456)
    write_summary(tmp_path / "summary.json", summary)
    read = json.loads((tmp_path / "summary.json").read_text())
    assert read["reference"] is None
    assert list(read) == [*KEYS, "latency_s", "stages", "elapsed_s"]
    assert read["frames"] == {"published": 3, "processed": 3}
    assert read["truth"] == {
        "injected": 1,
        "detectable": 1,
        "recovered": 1,
        "period_right": 1,
        "false": 0,
    }
    assert read["latency_s"] == {"p50": 0.5, "p95": 0.5, "p99": 0.5}
    assert read["stages"]["detection"] == 2.5  # from 1.0 s to 3.5 s
    assert read["stages"]["detection.fit"] == 1.0
    assert read["elapsed_s"] == 12.346


def test_the_summary_of_nothing_is_valid_json(tmp_path: Path) -> None:
    summary = build_summary(Tally(), None, stage_seconds(Tally()), 1.0)
    write_summary(tmp_path / "s.json", summary)
    read = json.loads((tmp_path / "s.json").read_text())
    assert read["truth"] is None
    assert read["latency_s"] == {"p50": None, "p95": None, "p99": None}


def report_of(tally: Tally, path: Path, **changes: Any) -> str:
    evaluation = evaluation_of(tally) if tally.alerts else None
    picture = FramePicture(
        image=np.random.default_rng(1).normal(100, 10, (64, 80)).astype(np.float32),
        x=np.array([10.0, 40.0]),
        y=np.array([20.0, 30.0]),
        marked={"1 pulsating": (10.0, 20.0)},
    )
    log = path.with_name("detection.log")
    state = ProcessState(
        name="detection", status="running", pid=1, restarts=2, exit_code=-9, log=log
    )
    values: dict[str, Any] = {
        "title": "a run",
        "summary": build_summary(tally, evaluation, stage_seconds(tally), 60.0),
        "options": {"instrument": "csst-i"},
        "tally": tally,
        "evaluation": evaluation,
        "frame": picture if tally.alerts else None,
        "frame_name": "frame 1",
        "processes": [state],
        "problems": [],
    }
    write_report(path, Facts(**(values | changes)))
    return path.read_text()


def test_the_report_is_one_file_with_its_pictures_inside(made: Any, tmp_path: Path) -> None:
    page = report_of(made.tally(), tmp_path / "report.html")
    sources = re.findall(r'<img src="([^"]{0,40})', page)
    assert len(sources) == 4  # frame, alert, evaluation, flow
    assert all(source.startswith("data:image/png;base64,") for source in sources)
    assert not re.search(r"(src|href)=[\"']?(https?:)?//", page)
    assert "0.70000 ± 0.00010" in page
    assert "3 of 3" in page


def test_texts_from_outside_are_escaped(made: Any, tmp_path: Path) -> None:
    page = report_of(made.tally(), tmp_path / "report.html", problems=["<script>alert(1)</script>"])
    assert "<script>" not in page
    assert "&lt;b&gt;no&lt;/b&gt; such file" in page


def test_a_run_that_did_nothing_still_has_a_report(tmp_path: Path) -> None:
    page = report_of(Tally(), tmp_path / "report.html", problems=["no broker"])
    assert "No alert was sent." in page
    assert "no broker" in page


def test_the_deepest_frame_is_shown(made: Any) -> None:
    chosen = choose_frame(made.tally())
    assert chosen is not None
    assert chosen.report.visit == 2  # the third was given up
    assert choose_frame(Tally()) is None


def test_stars_in_two_batches_are_shown_once(made: Any) -> None:
    batches = [made.measurements(1, [1.0, 2.0], [1.0, 5.0]), made.measurements(2, [2.0], [5.0])]
    stars = distinct(batches)
    assert sorted(zip(stars.x, stars.y, strict=True)) == [(1.0, 1.0), (2.0, 5.0)]
    assert len(distinct([]).x) == 0


def test_alerts_are_marked_at_the_star_that_was_measured(made: Any) -> None:
    stars = distinct([made.measurements(1, [10.0, 20.0], [10.0, 20.0])])
    near = made.alert(ra=269.2 + 20e-5, dec=-29.5 + 20e-5 + 1e-6)
    far = made.alert(ra=269.3, dec=-29.4)
    assert mark_alerts(stars, [far, near], 0.074) == {"2 pulsating": (20.0, 20.0)}


@pytest.mark.parametrize("problem", [float("nan"), float("inf")])
def test_no_json_that_others_cannot_read_is_written(tmp_path: Path, problem: float) -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_summary(tmp_path / "s.json", {"elapsed_s": problem})
