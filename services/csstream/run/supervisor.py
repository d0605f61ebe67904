"""Run programs as processes of their own, bring back those that die, end them in order."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from csstream.run.bound import bound_command

Status = Literal["waiting", "running", "finished", "failed", "stopped"]

# One thread for every array library: results repeat, and services do not fight for two cores.
ONE_THREAD = dict.fromkeys(
    (
        "OMP_NUM_THREADS",
        "OPENBLAS_NUM_THREADS",
        "MKL_NUM_THREADS",
        "NUMBA_NUM_THREADS",
        "VECLIB_MAXIMUM_THREADS",
    ),
    "1",
)


@dataclass(frozen=True, kw_only=True)
class Program:
    """One process to run.

    A *service* runs until it is told to end, and is started again when it ends by itself. A *task*
    ends by itself: with code 0 it is finished, else it is started again like a service.
    """

    name: str
    command: tuple[str, ...]
    environment: Mapping[str, str] = field(default_factory=dict)
    task: bool = False
    once: bool = False  # a task that is given up when it fails: it would fail again
    stop_timeout: float = 20.0  # [s] from SIGTERM to SIGKILL


@dataclass(frozen=True, kw_only=True)
class Backoff:
    """How long to wait before a program is started again, and when to give up."""

    first: float = 0.5  # [s]
    factor: float = 2.0
    longest: float = 15.0  # [s]
    healthy_after: float = 60.0  # [s] of running after which old deaths are forgotten
    give_up_after: int = 6  # deaths in a row

    def pause(self, deaths: int) -> float:
        """Return the seconds to wait after this many deaths in a row (from 1)."""
        return min(self.first * self.factor ** (deaths - 1), self.longest)


@dataclass(frozen=True, kw_only=True)
class ProcessState:
    """What the supervisor knows of one program."""

    name: str
    status: Status
    pid: int | None
    restarts: int
    exit_code: int | None  # of the last process that ended; negative: the signal's number
    log: Path


class Supervised:
    """One program, its process and its history. Use it through :class:`Supervisor`."""

    def __init__(
        self, program: Program, log: Path, backoff: Backoff, clock: Callable[[], float]
    ) -> None:
        self.program = program
        self.log = log
        self.status: Status = "waiting"
        self.restarts = 0
        self.exit_code: int | None = None
        self._backoff = backoff
        self._clock = clock
        self._deaths = 0
        self._started = 0.0
        self._start_at = 0.0
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process and self.status == "running" else None

    def start(self) -> None:
        environment = {**os.environ, **ONE_THREAD, "PYTHONUNBUFFERED": "1"}
        environment.update(self.program.environment)
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                bound_command(self.program.command),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=environment,
                start_new_session=True,  # Ctrl-C reaches the supervisor alone
            )
        self.status = "running"
        self._started = self._clock()

    def tick(self) -> None:
        """Notice that the process has ended; start it again when its pause is over."""
        if self.status == "running" and self._process and self._process.poll() is not None:
            self._ended(self._process.returncode)
        if self.status == "waiting" and self._clock() >= self._start_at:
            self.restarts += self._process is not None
            self.start()

    def _ended(self, code: int) -> None:
        self.exit_code = code
        if self.program.task and code == 0:
            self.status = "finished"
            return
        if self._clock() - self._started > self._backoff.healthy_after:
            self._deaths = 0
        self._deaths += 1
        if self.program.once or self._deaths >= self._backoff.give_up_after:
            self.status = "failed"
            return
        self.status = "waiting"
        self._start_at = self._clock() + self._backoff.pause(self._deaths)

    def ask_to_stop(self) -> None:
        if self.status == "running" and self._process:
            self._process.send_signal(signal.SIGTERM)
        elif self.status == "waiting":
            self.status = "stopped"

    def await_stop(self) -> None:
        """Wait for the end of a process that was asked to stop; kill it when it does not end."""
        if self.status != "running" or self._process is None:
            return
        try:
            self.exit_code = self._process.wait(self.program.stop_timeout)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self.exit_code = self._process.wait()
        self.status = "stopped"

    def state(self) -> ProcessState:
        return ProcessState(
            name=self.program.name,
            status=self.status,
            pid=self.pid,
            restarts=self.restarts,
            exit_code=self.exit_code,
            log=self.log,
        )


class Supervisor:
    """Keeps a set of programs running. Not thread-safe: call it from one thread.

    The programs end when that thread does, even where it is killed: see ``csstream.run.bound``.

    Parameters
    ----------
    log_directory : each program writes its output to ``<name>.log`` there.
    backoff : when to start a dead program again.
    """

    def __init__(
        self,
        log_directory: Path,
        backoff: Backoff | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._directory = log_directory
        self._backoff = backoff or Backoff()
        self._clock = clock
        self._programs: dict[str, Supervised] = {}

    def start(self, program: Program) -> None:
        """Start a program. Its name must be new."""
        if program.name in self._programs:
            raise ValueError(f"a program called {program.name} was started before")
        self._directory.mkdir(parents=True, exist_ok=True)
        log = self._directory / f"{program.name}.log"
        supervised = Supervised(program, log, self._backoff, self._clock)
        supervised.start()
        self._programs[program.name] = supervised

    def tick(self) -> None:
        """Look at every process once; call this a few times a second."""
        for supervised in self._programs.values():
            supervised.tick()

    def states(self) -> list[ProcessState]:
        """Return the state of every program, in the order of their start."""
        return [supervised.state() for supervised in self._programs.values()]

    def state(self, name: str) -> ProcessState:
        """Return the state of one program."""
        return self._programs[name].state()

    @property
    def restarts(self) -> int:
        """How often a program was started again, all together."""
        return sum(s.restarts for s in self._programs.values())

    def failed(self) -> list[ProcessState]:
        """Return the programs that died too often and were given up."""
        return [state for state in self.states() if state.status == "failed"]

    def stop(self, names: Sequence[str] | None = None) -> None:
        """End programs one after the other, in the given order (default: order of their start).

        Each is asked with SIGTERM, finishes the message in hand, and is killed when it has not
        ended after its ``stop_timeout``.
        """
        for name in list(self._programs) if names is None else names:
            self._programs[name].ask_to_stop()
            self._programs[name].await_stop()

    def kill(self) -> None:
        """End every process at once."""
        for supervised in self._programs.values():
            if supervised.pid is not None:
                os.kill(supervised.pid, signal.SIGKILL)
                supervised.await_stop()


def csstream_command(*arguments: str) -> tuple[str, ...]:
    """Return the command line of ``csstream`` with these arguments, in this environment."""
    return (sys.executable, "-m", "csstream.cli.main", *arguments)


def last_words(log: Path) -> str:
    """Return what a process said last: the error of its last JSON line, else its last line."""
    if not log.is_file():
        return "it said nothing"
    lines = log.read_text(errors="replace").strip().splitlines()
    for line in reversed(lines[-20:]):
        try:
            said = json.loads(line)
        except ValueError:
            continue
        if isinstance(said, dict) and said.get("error"):
            return str(said["error"])
    return lines[-1] if lines else "it said nothing"
