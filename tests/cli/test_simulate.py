"""``csstream simulate survey``: options become frames."""

from __future__ import annotations

import pytest
from typer.testing import CliRunner

from csstream.cli.simulate import app, parse_shape


@pytest.mark.parametrize(("text", "shape"), [("64", (64, 64)), ("128x96", (96, 128))])
def test_shape_is_side_or_width_by_height(text, shape):
    assert parse_shape(text) == shape


@pytest.mark.parametrize("text", ["", "16", "64x", "64x64x64", "-64", "a"])
def test_other_shapes_are_refused(text):
    with pytest.raises(ValueError, match="shape"):
        parse_shape(text)


def test_survey_is_written(tmp_path):
    flags = ["--frames", "2", "--shape", "64x48", "--span-days", "1", "--density", "0.001", "-q"]
    result = CliRunner().invoke(app, ["survey", "-o", str(tmp_path), *flags])
    assert result.exit_code == 0, result.output
    names = sorted(path.name for path in tmp_path.iterdir())
    assert names[-2:] == ["frames.ecsv", "truth.ecsv"]
    assert len(names) == 4


def test_bad_values_are_named(tmp_path):
    result = CliRunner().invoke(app, ["survey", "-o", str(tmp_path), "--instrument", "hubble"])
    assert result.exit_code == 2
    assert "hubble" in result.output
