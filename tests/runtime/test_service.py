"""Services as processes: exit codes and signals."""

from __future__ import annotations

import logging
import os
import signal
import threading
import urllib.request

import pytest
import structlog

from csstream.contracts.errors import BadInputError, FatalError, TransientError
from csstream.runtime.service import EXIT_FAILED, EXIT_STOPPED, EXIT_TRY_AGAIN, run_service
from csstream.runtime.settings import ServiceSettings


@pytest.fixture(autouse=True)
def logs_as_before():
    root = logging.getLogger()
    before, level = root.handlers[:], root.level
    yield
    root.handlers[:] = before
    root.setLevel(level)
    structlog.reset_defaults()


def outcome(run, **settings) -> int:
    return run_service("test", ServiceSettings(**settings), lambda _, context: lambda: run(context))


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_signals_stop_the_service_in_good_order(number):
    before = signal.getsignal(number)

    def run(context) -> None:
        os.kill(os.getpid(), number)
        assert context.stop.wait(10)

    assert outcome(run) == EXIT_STOPPED
    assert signal.getsignal(number) is before


def test_a_second_interrupt_does_not_wait():
    def run(context) -> None:
        os.kill(os.getpid(), signal.SIGINT)
        os.kill(os.getpid(), signal.SIGINT)
        context.stop.wait(10)

    with pytest.raises(KeyboardInterrupt):
        outcome(run)


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (TransientError("no broker"), EXIT_TRY_AGAIN),
        (FatalError("no GPU"), EXIT_FAILED),
        (BadInputError("not_avro", "bytes"), EXIT_FAILED),
        (ZeroDivisionError("a bug"), EXIT_FAILED),
    ],
)
def test_exit_codes_say_whether_it_may_pass(error, code, capsys):
    def run(context) -> None:
        raise error

    assert outcome(run) == code
    assert str(error) in capsys.readouterr().err


def test_only_bugs_show_a_traceback(capsys):
    def fatal(context) -> None:
        raise FatalError("no GPU")

    def bug(context) -> None:
        raise ZeroDivisionError("a bug")

    outcome(fatal)
    assert "Traceback" not in capsys.readouterr().err
    outcome(bug)
    assert "Traceback" in capsys.readouterr().err


def test_without_crc32c_nothing_starts(monkeypatch, capsys):
    def missing(name: str):
        raise ImportError(name)

    monkeypatch.setattr("csstream.runtime.kafka.importlib.import_module", missing)
    assert outcome(lambda context: None) == EXIT_FAILED
    assert "pip install crc32c" in capsys.readouterr().err


def test_metrics_are_served_while_it_runs():
    import socket

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    seen: list[str] = []

    def run(context) -> None:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics") as answer:
            seen.append(answer.read().decode())

    assert outcome(run, metrics_port=port) == EXIT_STOPPED
    assert "csstream_build" in seen[0]


def test_a_service_can_run_beside_the_main_thread():
    codes: list[int] = []
    thread = threading.Thread(target=lambda: codes.append(outcome(lambda context: None)))
    thread.start()
    thread.join(20)
    assert codes == [EXIT_STOPPED]
