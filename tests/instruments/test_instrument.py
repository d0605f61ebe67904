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
    ],
)
def test_a_wrong_value_is_named(tmp_path: Path, old: str, new: str, said: str) -> None:
    text = shipped_text("csst-i")
    assert old in text
    path = tmp_path / "wrong.toml"
    path.write_text(text.replace(old, new))
    with pytest.raises(InstrumentError, match=said):
        load_instrument(path)


def test_an_unknown_name_lists_the_known_ones() -> None:
    with pytest.raises(InstrumentError, match="csst-i"):
        load_instrument("hubble")
