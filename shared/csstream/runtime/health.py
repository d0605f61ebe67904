"""``/metrics``, ``/healthz`` and ``/readyz`` over HTTP."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from csstream.contracts.errors import FatalError
from csstream.runtime.metrics import Metrics


class Health:
    """What the service says about itself; all methods may be called from any thread.

    Healthy: nothing has failed, and the main loop, once it has beaten, beats at least every
    ``max_silence_s`` [s]. Ready: healthy, warmed up and with its partitions.
    """

    def __init__(
        self, max_silence_s: float = 60.0, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._max_silence_s = max_silence_s
        self._clock = clock
        self._ready = False
        self._failed = ""
        self._last_beat: float | None = None

    def set_ready(self, ready: bool = True) -> None:
        self._ready = ready

    def set_failed(self, reason: str) -> None:
        self._failed = reason

    def beat(self) -> None:
        """The main loop is alive."""
        self._last_beat = self._clock()

    def problem(self) -> str:
        """What is wrong; empty: healthy."""
        if self._failed:
            return self._failed
        if self._last_beat is not None:
            silence = self._clock() - self._last_beat
            if silence > self._max_silence_s:
                return f"the main loop has not moved for {silence:.0f} s"
        return ""

    def is_ready(self) -> bool:
        return self._ready and not self.problem()


class HealthServer:
    """The running HTTP server; ``port`` is where it listens."""

    def __init__(self, server: ThreadingHTTPServer) -> None:
        self._server = server
        self.port: int = server.server_address[1]
        self._thread = threading.Thread(target=server.serve_forever, name="http", daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def start_http(host: str, port: int, metrics: Metrics, health: Health) -> HealthServer:
    """Serve metrics and health on ``host``:``port`` (0: any free port) in a thread.

    Raises FatalError where the address cannot be had.
    """

    class Handler(BaseHTTPRequestHandler):
        def handle_one_request(self) -> None:
            """A client that hangs up before its answer is no fault of ours: not a word."""
            try:
                super().handle_one_request()
            except ConnectionError:
                self.close_connection = True

        def do_GET(self) -> None:
            status, kind, body = _answer(self.path.split("?")[0], metrics, health)
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:
            """Probes come every few seconds: not worth a line each."""

    try:
        return HealthServer(ThreadingHTTPServer((host, port), Handler))
    except OSError as error:
        raise FatalError(f"cannot serve metrics on {host}:{port}: {error}") from error


def _answer(path: str, metrics: Metrics, health: Health) -> tuple[int, str, bytes]:
    text = "text/plain; charset=utf-8"
    if path == "/metrics":
        return 200, CONTENT_TYPE_LATEST, generate_latest(metrics.registry)
    if path == "/healthz":
        problem = health.problem()
        return (503, text, problem.encode()) if problem else (200, text, b"ok")
    if path == "/readyz":
        return (200, text, b"ready") if health.is_ready() else (503, text, b"not ready")
    return 404, text, b"there are /metrics, /healthz and /readyz"
