"""Programs that are bound to their parent end with it, however it ends."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from csstream.run import bound
from csstream.run.bound import bound_command

SLEEPER = [sys.executable, "-I", "-S", "-c", "import time; print('on', flush=True); time.sleep(60)"]
PARENT = """
import os, subprocess, sys
sys.path.insert(0, os.path.dirname(sys.argv[1]))
import bound
if sys.argv[2] == "watched":  # as where there is no prctl
    command = [sys.executable, "-I", "-S", "-c", f'''
import sys
sys.path.insert(0, {os.path.dirname(sys.argv[1])!r})
import bound
bound.LOOK_INTERVAL = 0.1
bound.bind = bound.start_watching
sys.argv = ["bound", "{os.getpid()}", *{sys.argv[3:]!r}]
bound.main()
''']
else:
    command = bound.bound_command(sys.argv[3:])
child = subprocess.Popen(command, stdout=subprocess.PIPE)
child.stdout.readline()
print(child.pid, flush=True)
child.wait()
"""


def is_running(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"  # in a container nobody may take a dead orphan's exit code


def wait_for_end(pid: int, seconds: float = 10.0) -> None:
    deadline = time.monotonic() + seconds
    while is_running(pid):
        assert time.monotonic() < deadline, f"process {pid} has survived its parent"
        time.sleep(0.02)


needs_proc = pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")


@needs_proc
@pytest.mark.parametrize("means", ["kernel", "watched"])
@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGTERM])
def test_a_killed_parent_takes_its_program_along(means: str, end: signal.Signals) -> None:
    command = [sys.executable, "-c", PARENT, str(Path(bound.__file__)), means, *SLEEPER]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        child = int(parent.stdout.readline())
        assert is_running(child)
        parent.send_signal(end)
    wait_for_end(child)


def test_the_program_keeps_number_output_and_exit_code() -> None:
    code = "import os, sys; print(os.getpid()); sys.exit(7)"
    command = bound_command([sys.executable, "-c", code])
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        said, _ = process.communicate(timeout=20)
    assert int(said) == process.pid
    assert process.returncode == 7


def test_a_program_whose_parent_is_gone_does_not_begin() -> None:
    command = bound_command([sys.executable, "-c", "print('begun')"])
    command[4] = str(os.getppid())  # somebody else's child
    done = subprocess.run(command, capture_output=True, text=True, timeout=20, check=False)
    assert (done.returncode, done.stdout) == (1, "")


def test_a_program_that_is_not_there_is_named() -> None:
    command = bound_command(["no-such-program"])
    done = subprocess.run(command, capture_output=True, text=True, timeout=20, check=False)
    assert done.returncode == 1
    assert done.stderr.startswith("no-such-program cannot be started")
