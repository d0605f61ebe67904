"""``csstream topics`` on a real broker."""

from __future__ import annotations

import itertools

import pytest
from typer.testing import CliRunner

from csstream.cli.topics import app

pytestmark = pytest.mark.integration
_numbers = itertools.count(1)


@pytest.fixture
def run(broker):
    prefix = f"topics{next(_numbers)}-"

    def invoke(command: str, *options: str):
        where = ["-b", broker.bootstrap_servers, "--topic-prefix", prefix]
        return CliRunner().invoke(app, [command, *where, *options])

    return invoke


def test_create_makes_what_is_missing_and_check_agrees(run):
    before = run("check")
    assert before.exit_code == 1
    assert before.output.count("absent") == 12
    made = run("create")
    assert made.exit_code == 0, made.output
    assert made.output.count("created") == 12
    again = run("create")
    assert again.output.count("exists") == 12
    after = run("check")
    assert after.exit_code == 0, after.output
    assert "12 topics are as declared" in after.output


def test_check_names_what_differs(run):
    run("create", "--partitions", "3")
    found = run("check")
    assert found.exit_code == 1
    rows = [line.split() for line in found.output.splitlines() if "measurements" in line]
    assert rows[0][3:] == ["partitions", "│", "4", "│", "3", "│"]
    assert "verdicts" in found.output
    assert "exposures" not in found.output


def test_check_compares_settings(run, broker, monkeypatch):
    from csstream.contracts.topics import Topic

    run("create")
    monkeypatch.setattr(
        Topic, "configs", property(lambda self: {"max.message.bytes": "1", "no.such": "x"})
    )
    found = run("check")
    assert found.exit_code == 1
    assert "max.message.bytes" in found.output
    assert "no.such" not in found.output  # what a broker does not report is not compared
