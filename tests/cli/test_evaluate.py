"""``csstream evaluate`` and ``csstream bound``."""

import json

import pytest
import typer
from astropy.table import Table
from typer.testing import CliRunner

from csstream.cli.bound import command
from csstream.cli.evaluate import app as evaluate

bound = typer.Typer()
bound.command()(command)


def run(app, *arguments):
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def test_detection_from_the_command_line(tmp_path):
    result = run(
        evaluate, "detection", "--mpx", 0.01, "--size", 100, "--arms", "classical", "--psf",
        "given", "--r80", "0.114,0.132", "--no-oracle", "-o", tmp_path,
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    content = json.loads((tmp_path / "detection.json").read_text())
    assert [kind["conditions"]["r80_arcsec"] for kind in content["kinds"]] == [0.114, 0.132]
    assert (tmp_path / "evaluation.html").is_file()
    assert "inseparable" in result.output


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--arms", "magic"), "magic"),
        (("--psf", "guessed"), "one of"),
        (("--r80", "wide"), "numbers"),
        (("--frame", "a.fits"), "together"),
        (("--instrument", "nowhere"), "nowhere"),
    ],
)
def test_detection_says_what_is_wrong(tmp_path, arguments, message):
    result = run(evaluate, "detection", *arguments, "-o", tmp_path)
    assert result.exit_code == 2
    assert message in result.output


def test_bound_prints_and_writes(tmp_path):
    stars, table = tmp_path / "stars.ecsv", tmp_path / "table.csv"
    result = run(bound, "--size", 120, "--r80", 0.114, "-o", stars, "--table", table)
    assert result.exit_code == 0, result.output
    assert "best recall" in result.output
    rows = Table.read(table)
    # An isolated star of i = 22: S/N 87 in the sky of 0.81.
    assert rows["isolated_mag"][rows["mag"] == 22.0][0] == pytest.approx(0.0125, rel=0.02)
    assert (rows["isolated_mag"][1:] > rows["isolated_mag"][:-1]).all()
    assert Table.read(stars)["sigma_x"].unit == "pix"


def test_bound_says_what_is_wrong(tmp_path):
    assert run(bound, "-o", tmp_path / "stars.txt").exit_code == 2
    result = run(bound, "--instrument", "nowhere")
    assert result.exit_code == 1
    assert "nowhere" in result.output
