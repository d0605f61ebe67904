"""Health and metrics over HTTP."""

from __future__ import annotations

import socket
import struct
import urllib.error
import urllib.request

import pytest

from csstream.contracts.errors import FatalError
from csstream.runtime.health import Health, start_http
from csstream.runtime.metrics import make_metrics


@pytest.fixture
def clock():
    return [0.0]


@pytest.fixture
def served(clock):
    health, metrics = Health(max_silence_s=10, clock=lambda: clock[0]), make_metrics()
    server = start_http("127.0.0.1", 0, metrics, health)
    yield health, metrics, server
    server.close()


def get(server, path: str) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{server.port}{path}") as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()


def test_ready_only_when_said_so(served):
    health, _, server = served
    assert get(server, "/healthz") == (200, "ok")
    assert get(server, "/readyz")[0] == 503
    health.set_ready()
    assert get(server, "/readyz") == (200, "ready")
    health.set_ready(False)
    assert get(server, "/readyz")[0] == 503


def test_a_failure_is_neither_healthy_nor_ready(served):
    health, _, server = served
    health.set_ready()
    health.set_failed("no GPU")
    assert get(server, "/healthz") == (503, "no GPU")
    assert get(server, "/readyz")[0] == 503


def test_a_loop_that_stands_still_is_not_healthy(served, clock):
    health, _, server = served
    clock[0] = 100.0
    assert get(server, "/healthz")[0] == 200  # it has not begun to beat
    health.beat()
    clock[0] = 109.0
    assert get(server, "/healthz")[0] == 200
    clock[0] = 111.0
    assert get(server, "/healthz") == (503, "the main loop has not moved for 11 s")


def test_metrics_and_unknown_paths(served):
    _, metrics, server = served
    metrics.messages_in.labels("detection").inc(3)
    status, text = get(server, "/metrics")
    assert status == 200
    assert 'csstream_messages_in_total{stage="detection"} 3.0' in text
    assert get(server, "/nowhere")[0] == 404


def hang_up(server, sent: bytes) -> None:
    """Send and go away at once, so that the server finds the connection reset."""
    with socket.create_connection(("127.0.0.1", server.port)) as client:
        client.sendall(sent)
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


@pytest.mark.parametrize("sent", [b"GET /metrics HTTP/1.0\r\n\r\n", b"GET /met"])
def test_a_client_that_hangs_up_is_not_worth_a_word(served, capfd, sent):
    _, metrics, server = served
    metrics.messages_in.labels("detection").inc()
    for _ in range(20):
        hang_up(server, sent)
    assert get(server, "/healthz")[0] == 200
    server.close()
    assert capfd.readouterr() == ("", "")


def test_a_taken_port_is_fatal(served):
    _, metrics, server = served
    with pytest.raises(FatalError, match="cannot serve metrics"):
        start_http("127.0.0.1", server.port, metrics, Health())
