"""The whole chain on the embedded broker: by itself, by Ctrl-C, and with a service killed."""

from __future__ import annotations

import json
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

from csstream.run.supervisor import csstream_command

pytestmark = [pytest.mark.integration, pytest.mark.timeout(600)]
SMALL = ("--frames", "45", "--shape", "128", "--span-days", "2", "--seed", "3", "--no-live")


def start(out: Path, *options: str) -> subprocess.Popen[str]:
    command = csstream_command("run", "--out", str(out), *SMALL, *options)
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def finish(process: subprocess.Popen[str], timeout: float = 400.0) -> str:
    try:
        said, _ = process.communicate(timeout=timeout)
    except subprocess.TimeoutExpired:
        process.kill()
        raise
    return said


def processes_of(out: Path) -> list[int]:
    """Return the processes whose command line or environment names the run's directory."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            text = (entry / "cmdline").read_bytes() + (entry / "environ").read_bytes()
        except OSError:
            continue
        if str(out).encode() in text:
            found.append(int(entry.name))
    return found


def status_of(pid: int) -> list[str]:
    """Return what follows the name in a process's line: state, parent …; nothing for none."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    except OSError:
        return []


def children_of(pid: int) -> list[int]:
    """Return the processes that a process has started."""
    numbers = [int(entry.name) for entry in Path("/proc").glob("[0-9]*")]
    return [number for number in numbers if status_of(number)[1:2] == [str(pid)]]


def is_running(pid: int) -> bool:
    """Say whether a process is there and not dead already."""
    return status_of(pid)[:1] not in ([], ["Z"])


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("run") / "plain"
    process = start(out)
    said = finish(process)
    assert process.returncode == 0, said
    return out


def test_a_run_ends_by_itself_and_everything_is_accounted_for(undisturbed: Path) -> None:
    summary: dict[str, Any] = json.loads((undisturbed / "summary.json").read_text())
    assert summary["frames"] == {"published": 45, "processed": 45}
    assert summary["sources"] > 45 * 200
    assert summary["objects"] > 200
    assert summary["examinations"] >= 2 * summary["objects"]
    assert summary["alerts"] > 0
    assert summary["dead_letters"] == 0
    assert summary["truth"]["injected"] == 12
    assert 0 < summary["latency_s"]["p50"] <= summary["latency_s"]["p99"]
    assert summary["stages"]["detection.fit"] > 0


def test_a_run_leaves_its_results_and_nothing_else(undisturbed: Path) -> None:
    left = {path.name for path in undisturbed.iterdir()}
    results = {"report.html", "summary.json", "alerts.jsonl", "truth.ecsv", "reference.parquet"}
    assert left == results | {"logs"}
    assert processes_of(undisturbed) == []
    assert "A frame and its stars" in (undisturbed / "report.html").read_text()


def test_ctrl_c_ends_cleanly_with_a_report(tmp_path: Path) -> None:
    out = tmp_path / "stopped"
    process = start(out)
    log = out / "logs" / "detection.log"
    while not log.is_file() or log.read_text().count('"measured"') < 3:
        assert process.poll() is None
        time.sleep(0.1)
    process.send_signal(signal.SIGINT)
    said = finish(process, 120.0)
    assert process.returncode == 1
    assert "the run was interrupted" in said
    summary = json.loads((out / "summary.json").read_text())
    assert 3 <= summary["frames"]["processed"] < 45
    assert "the run was interrupted" in (out / "report.html").read_text()
    assert processes_of(out) == []


def test_a_killed_run_leaves_no_process_behind(tmp_path: Path) -> None:
    process = start(tmp_path / "killed")
    deadline = time.monotonic() + 60.0
    while len(children := children_of(process.pid)) < 5:  # broker, services and simulator
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.1)
    process.kill()
    process.communicate()
    deadline = time.monotonic() + 10.0
    while left := [pid for pid in children if is_running(pid)]:
        assert time.monotonic() < deadline, f"processes {left} have survived the run"
        time.sleep(0.1)


def test_a_run_that_cannot_start_says_why(tmp_path: Path) -> None:
    process = start(tmp_path / "out", "--instrument", "no-such-telescope")
    said = finish(process, 60.0)
    assert process.returncode == 1
    assert "csstream: no instrument file no-such-telescope" in said
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "thesis.txt").touch()
    process = start(tmp_path / "full")
    assert "is not empty" in finish(process, 60.0)
