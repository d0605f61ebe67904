"""Programs are started, brought back, given up and ended as promised."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from csstream.run.supervisor import Backoff, Program, Supervisor, csstream_command, last_words

QUICK = Backoff(first=0.01, longest=0.05, give_up_after=3)


def python(name: str, code: str, **options: object) -> Program:
    return Program(name=name, command=(sys.executable, "-c", code), **options)  # type: ignore[arg-type]


@pytest.fixture
def supervisor(tmp_path: Path) -> Iterator[Supervisor]:
    made = Supervisor(tmp_path, QUICK)
    yield made
    made.kill()


def until(supervisor: Supervisor, condition: Callable[[], bool], seconds: float = 10.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, supervisor.states()
        supervisor.tick()
        time.sleep(0.01)


def test_a_killed_service_comes_back_and_is_counted(supervisor: Supervisor) -> None:
    supervisor.start(python("sleeper", "import time; time.sleep(60)"))
    first = supervisor.state("sleeper").pid
    assert first is not None
    os.kill(first, signal.SIGKILL)
    until(supervisor, lambda: supervisor.state("sleeper").restarts == 1)
    state = supervisor.state("sleeper")
    assert state.status == "running"
    assert state.pid not in (None, first)
    assert state.exit_code == -signal.SIGKILL
    assert supervisor.restarts == 1


def test_a_service_that_always_dies_is_given_up(supervisor: Supervisor) -> None:
    supervisor.start(python("dying", "raise SystemExit('no such broker')"))
    until(supervisor, lambda: bool(supervisor.failed()))
    (state,) = supervisor.failed()
    assert state.restarts == QUICK.give_up_after - 1
    assert state.exit_code == 1
    assert last_words(state.log) == "no such broker"


def test_a_task_that_ends_well_is_not_started_again(supervisor: Supervisor) -> None:
    supervisor.start(python("task", "print('done')", task=True))
    until(supervisor, lambda: supervisor.state("task").status == "finished")
    supervisor.tick()
    assert supervisor.state("task").restarts == 0


def test_a_service_that_ends_with_code_0_is_started_again(supervisor: Supervisor) -> None:
    supervisor.start(python("service", "pass"))
    until(supervisor, lambda: supervisor.state("service").restarts >= 1)


GRACEFUL = """
import signal, sys, time
def leave(*_):
    print("{name} left", time.monotonic_ns(), flush=True)
    sys.exit(0)
signal.signal(signal.SIGTERM, leave)
print("ready", flush=True)
time.sleep(60)
"""


def test_services_end_one_after_the_other_in_order(supervisor: Supervisor, tmp_path: Path) -> None:
    for name in ("first", "second"):
        supervisor.start(python(name, GRACEFUL.format(name=name)))
    logs = [tmp_path / "first.log", tmp_path / "second.log"]
    until(supervisor, lambda: all("ready" in log.read_text() for log in logs))
    supervisor.stop()
    said = [log.read_text().split()[-3:] for log in logs]
    assert [words[:2] for words in said] == [["first", "left"], ["second", "left"]]
    assert int(said[0][2]) < int(said[1][2])  # one clock for all processes; a file's is coarse
    assert {s.status for s in supervisor.states()} == {"stopped"}


def test_a_stubborn_process_is_killed(supervisor: Supervisor, tmp_path: Path) -> None:
    code = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('ready',"
    supervisor.start(python("stubborn", code + " flush=True); time.sleep(60)", stop_timeout=0.2))
    until(supervisor, lambda: "ready" in (tmp_path / "stubborn.log").read_text())
    supervisor.stop()
    assert supervisor.state("stubborn").exit_code == -signal.SIGKILL


def test_programs_get_their_environment_and_one_thread(
    supervisor: Supervisor, tmp_path: Path
) -> None:
    code = "import os; print(os.environ['CSSTREAM_X'], os.environ['OMP_NUM_THREADS'])"
    supervisor.start(python("env", code, task=True, environment={"CSSTREAM_X": "7"}))
    until(supervisor, lambda: supervisor.state("env").status == "finished")
    assert (tmp_path / "env.log").read_text() == "7 1\n"


def test_a_name_is_used_once(supervisor: Supervisor) -> None:
    supervisor.start(python("one", "pass", task=True))
    with pytest.raises(ValueError, match="one was started before"):
        supervisor.start(python("one", "pass", task=True))


def test_the_pause_grows_to_its_limit() -> None:
    backoff = Backoff(first=0.5, factor=2.0, longest=3.0)
    assert [backoff.pause(n) for n in (1, 2, 3, 4, 9)] == [0.5, 1.0, 2.0, 3.0, 3.0]


def test_csstream_commands_run_in_this_environment() -> None:
    assert csstream_command("topics", "create")[0] == sys.executable


def test_the_last_error_of_a_json_log_is_found(tmp_path: Path) -> None:
    log = tmp_path / "service.log"
    assert last_words(log) == "it said nothing"
    log.write_text('{"event": "started"}\n{"event": "failed", "error": "no broker"}\nbye\n')
    assert last_words(log) == "no broker"
