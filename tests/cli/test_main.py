"""The ``csstream`` program: commands are imported when they are called."""

from __future__ import annotations

import subprocess
import sys

import pytest
from typer.testing import CliRunner

from csstream.cli.main import COMMANDS, app, load_command


def test_help_lists_every_command_and_imports_none():
    code = (
        "import sys; from csstream.cli.main import app\n"
        "try: app(['--help'])\n"
        "except SystemExit: pass\n"
        "print([n for n in sys.modules if n.startswith(('kafka', 'numpy', 'csstream.cli.'))])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    for name in COMMANDS:
        assert name in done.stdout
    assert done.stdout.splitlines()[-1] == "['csstream.cli.main']"


def test_an_unknown_command_is_refused():
    done = CliRunner().invoke(app, ["no-such-command"])
    assert done.exit_code == 2
    assert "No such command" in done.output


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_is_there_and_explains_itself(name):
    command = load_command(name)
    assert command.name == name
    assert command.help
    done = CliRunner().invoke(app, [name, "--help"])
    assert done.exit_code == 0, done.output
    assert "Usage" in done.output


def test_errors_made_for_people_come_without_traceback():
    done = subprocess.run(
        [sys.executable, "-m", "csstream.cli.main", "dead-letters", "list", "--stage", "x"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert done.stderr.startswith("csstream: there is no stage 'x'")
    assert "Traceback" not in done.stderr
