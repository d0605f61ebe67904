"""``csstream simulate``: options become frames."""

from __future__ import annotations

import pytest
from typer.testing import CliRunner

from csstream.cli.scenes import parse_range, parse_shape, scene_settings
from csstream.cli.simulate import app
from csstream.instruments.instrument import load_instrument


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


def test_frames_are_written(tmp_path):
    flags = ["--frames", "2", "--shape", "64x48", "--pin", "--density", "0.001:0.002", "-q"]
    result = CliRunner().invoke(
        app, ["frames", "-o", str(tmp_path), "--noise-realisations", "2", *flags]
    )
    assert result.exit_code == 0, result.output
    names = sorted(path.name for path in tmp_path.iterdir())
    assert names == [
        "csst-i-00001-r001.fits.fz",
        "csst-i-00001-r002.fits.fz",
        "csst-i-00001.truth.ecsv",
        "csst-i-00002-r001.fits.fz",
        "csst-i-00002-r002.fits.fz",
        "csst-i-00002.truth.ecsv",
        "frames.ecsv",
    ]


def test_options_pin_single_quantities():
    instrument = load_instrument("csst-i")
    wanted = {"width_arcsec": "0.114", "sky": "0.3:0.5", "density": None}
    settings = scene_settings(instrument, "128", True, wanted, None, 0.02, True)
    assert settings.width_arcsec == (0.114, 0.114)
    assert settings.sky == (0.3, 0.5)
    assert settings.density == (0.0253, 0.0253)
    assert (settings.shape, settings.jitter) == ((128, 128), 0.02)
    assert settings.effects.bleeding


@pytest.mark.parametrize("text", ["", "a", "1:2:3", "1:", "nan", "inf:2"])
def test_other_ranges_are_refused(text):
    with pytest.raises(ValueError, match="sky"):
        parse_range("sky", text)


def test_a_falling_range_is_named(tmp_path):
    result = CliRunner().invoke(app, ["frames", "-o", str(tmp_path), "--pin", "--sky", "0.9:0.3"])
    assert result.exit_code == 2
    assert "sky" in result.output


def test_the_paper_s_mix_is_written(tmp_path):
    flags = ["--frames", "1", "--shape", "64", "--span-days", "3.5", "--mix", "paper", "-q"]
    flags += ["--periods", "searchable"]
    result = CliRunner().invoke(app, ["survey", "-o", str(tmp_path), *flags])
    assert result.exit_code == 0, result.output
    text = (tmp_path / "truth.ecsv").read_text()
    assert "transit" in text
    assert "spectral_type" in text
