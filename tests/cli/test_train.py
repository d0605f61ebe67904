"""``csstream train pnet``: what is said before any training."""

from __future__ import annotations

import pytest
from typer.testing import CliRunner

from csstream.cli import train

run = CliRunner().invoke


def test_an_unknown_instrument_is_named(tmp_path):
    result = run(train.app, ["pnet", "--instrument", "hubble", "--out", str(tmp_path)])
    assert result.exit_code == 2
    assert "hubble" in result.output


@pytest.mark.parametrize("flag", ["--resume", "--export-only"])
def test_nothing_to_go_on_from_is_said(tmp_path, flag):
    result = run(train.app, ["pnet", "--instrument", "csst-i", "--out", str(tmp_path), flag])
    assert result.exit_code == 2
    assert "checkpoint.pt" in result.output


def test_a_missing_train_extra_is_said(tmp_path, monkeypatch):
    monkeypatch.setattr(train, "find_spec", lambda name: None)
    result = run(train.app, ["pnet", "--instrument", "csst-i", "--out", str(tmp_path)])
    assert result.exit_code == 2
    assert "train extra" in result.output
