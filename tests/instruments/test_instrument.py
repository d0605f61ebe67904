"""Instrument files: the shipped ones load, and a wrong one is refused by the name of its fault."""

from __future__ import annotations

from importlib import resources
from pathlib import Path

import pytest

from csstream.instruments.instrument import (
    InstrumentError,
    load_instrument,
    shipped_instruments,
)

EXAMPLE = Path(__file__).parents[2] / "docs/examples/ground-r.toml"


def shipped_text(name: str) -> str:
    return resources.files("csstream.instruments").joinpath(f"{name}.toml").read_text()


@pytest.mark.parametrize("name", shipped_instruments())
def test_every_shipped_file_loads(name: str) -> None:
    assert load_instrument(name).name == name


def test_csst_has_the_scene_that_the_figures_are_pinned_to() -> None:
    csst = load_instrument("csst-i")
    assert csst.photometry.zero_point == 25.91
    assert csst.photometry.sky == 0.81
    assert csst.psf.r80_arcsec == 0.132
    assert csst.detector.pixel_scale_arcsec == 0.074


def test_a_file_of_the_users_own_loads(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(shipped_text("csst-i").replace('name = "csst-i"', 'name = "mine"'))
    assert load_instrument(path).name == "mine"


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("gain = 1.0 ", "gain = -1.0 ", "detector.gain must be a positive number"),
        ("gain = 1.0 ", 'gain = "one" ', "detector.gain must be a positive number"),
        ('bunit = "electron"', 'bunit = "jansky"', "detector.bunit"),
        ('model = "diffraction"', 'model = "none"', "psf.model"),
        ("[pointing]", "[pointings]", r"section \[pointing\] is missing"),
        ("gain = 1.0 ", "gainn = 1.0 ", "gainn"),
        ("[pointing]", "[pointing", "not valid TOML"),
        ("density = 0.0253", "density = -1", "field.density must be from"),
        ("log_slope = 0.28", 'log_slope = "steep"', "field.log_slope must be from"),
        ("[cadence]", "[psf.width_range]\n[cadence]", "psf.width_range must be two rising"),
    ],
)
def test_a_wrong_value_is_named(tmp_path: Path, old: str, new: str, said: str) -> None:
    text = shipped_text("csst-i")
    assert old in text
    path = tmp_path / "wrong.toml"
    path.write_text(text.replace(old, new))
    with pytest.raises(InstrumentError, match=said):
        load_instrument(path)


def test_how_the_psf_varies_may_be_said(tmp_path: Path) -> None:
    path = tmp_path / "varies.toml"
    text = shipped_text("ogle4-i")
    path.write_text(text.replace("beta = 3.0", "beta = 3.0\nwidth_range = [0.7, 1.5]"))
    assert load_instrument(path).psf.width_range == (0.7, 1.5)
    path.write_text(text.replace("beta = 3.0", "beta = 3.0\nwidth_range = [1.5, 0.7]"))
    with pytest.raises(InstrumentError, match="two rising factors"):
        load_instrument(path)


def test_weights_beside_the_file_are_found_from_anywhere(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    text = shipped_text("csst-i")
    path.write_text(text.replace('weights = "pnet-csst-i"', 'weights = "nets/mine.onnx"'))
    assert load_instrument(path).weights == str(tmp_path / "nets" / "mine.onnx")


def test_the_example_of_the_docs_loads() -> None:
    assert load_instrument(EXAMPLE).detector.pixel_scale_arcsec == 0.4


def test_an_unknown_name_lists_the_known_ones() -> None:
    with pytest.raises(InstrumentError, match="csst-i"):
        load_instrument("hubble")
