"""Every setting of a service is an option that teaches and is checked."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import pytest
import typer
from typer.testing import CliRunner

from csstream.cli import serve
from csstream.cli.main import load_command


def run(*arguments: str) -> tuple[int, str]:
    result = CliRunner().invoke(serve.app, list(arguments))
    return result.exit_code, result.output


def test_the_services_are_listed() -> None:
    code, text = run("--help")
    assert code == 0
    assert all(name in text for name in ("detection", "lightcurves", "classifier"))


@pytest.mark.parametrize("service", list(serve.SERVICES))
def test_every_setting_is_an_option(service: str) -> None:
    code, text = run(service, "--help")
    assert code == 0
    for name in serve.settings_class(service).model_fields:
        assert serve.flag_of(name) in text


def test_flags_reach_the_service(monkeypatch: pytest.MonkeyPatch) -> None:
    given: dict[str, object] = {}

    def note(service: str, options: dict[str, object]) -> int:
        given.update(options, service=service)
        return 75

    monkeypatch.setattr(serve, "serve", note)
    code, _ = run("detection", "--metrics-port", "8000", "--instruments", "a", "--instruments", "b")
    assert code == 75
    assert given == {"service": "detection", "metrics_port": 8000, "instruments": ["a", "b"]}


def test_a_bad_value_is_named_with_flag_and_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(typer.BadParameter, match=r"--max-fap \(or CSSTREAM_MAX_FAP\).*not 3"):
        serve.serve("classifier", {"max_fap": 3})
    monkeypatch.setenv("CSSTREAM_MAX_FAP", "none")
    with pytest.raises(typer.BadParameter, match="CSSTREAM_MAX_FAP"):
        serve.serve("classifier", {})


def test_an_unknown_service_is_refused() -> None:
    assert run("portal")[0] == 2


def test_types_of_settings_become_types_of_options() -> None:
    assert serve.option_type(int | None) is int
    assert serve.option_type(Literal["a", "b"]) is str
    assert serve.option_type(list[Path]) == list[Path]
    assert serve.option_type(dict[str, int]) is None


def test_serve_is_a_command_of_the_program() -> None:
    assert load_command("serve").name == "serve"
