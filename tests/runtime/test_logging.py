"""Logs are one JSON object a line."""

from __future__ import annotations

import io
import json
import logging

import pytest
import structlog

from csstream.runtime.logging import configure_logging, get_logger


@pytest.fixture
def lines():
    root = logging.getLogger()
    before, level = root.handlers[:], root.level
    stream = io.StringIO()
    configure_logging("detection", "INFO", stream)
    yield lambda: [json.loads(line) for line in stream.getvalue().splitlines()]
    root.handlers[:] = before
    root.setLevel(level)
    structlog.reset_defaults()


def test_a_line_carries_service_level_time_and_what_is_bound(lines):
    with structlog.contextvars.bound_contextvars(exposure_id="night1.0.17"):
        get_logger("fit").info("measured", sources=3)
    get_logger("fit").info("idle")
    first, second = lines()
    assert first["event"] == "measured"
    assert first["sources"] == 3
    assert (first["service"], first["level"], first["logger"]) == ("detection", "info", "fit")
    assert first["exposure_id"] == "night1.0.17"
    assert first["timestamp"].endswith("Z")
    assert "exposure_id" not in second


def test_libraries_speak_json_too_but_quietly(lines):
    logging.getLogger("kafka.net").info("chatter")
    logging.getLogger("kafka.net").warning("broker %s is gone", 1)
    (line,) = lines()
    assert line["event"] == "broker 1 is gone"
    assert line["service"] == "detection"


def test_errors_bring_their_traceback_in_one_line(lines):
    try:
        _ = 1 / 0
    except ZeroDivisionError:
        get_logger().exception("failed")
    (line,) = lines()
    assert "ZeroDivisionError" in line["exception"]
