"""The reference catalogue is looked at before anything is announced with it."""

from __future__ import annotations

import hashlib
from types import SimpleNamespace

import pytest

from csstream.contracts.errors import FatalError
from csstream.instruments.instrument import load_instrument
from csstream.publisher import app
from csstream.publisher.settings import PublisherSettings


@pytest.fixture
def claim(tmp_path, monkeypatch):
    """Claim a file as a catalogue of an instrument; None: the file is read as it is."""

    def claimed(instrument=None):
        path = tmp_path / "field.parquet"
        path.write_bytes(b"a list of stars")
        if instrument is not None:
            found = SimpleNamespace(instrument=instrument, version="v", stars=[1, 2])
            monkeypatch.setattr(app, "read_reference", lambda _: found)
        settings = PublisherSettings(inputs=[tmp_path], reference_catalogue=path)
        return app._catalogue(settings, load_instrument("csst-i"))

    return claimed


def test_a_catalogue_of_the_instrument_is_claimed(claim):
    found = claim("csst-i")
    assert found.sha256 == hashlib.sha256(b"a list of stars").hexdigest()
    assert found.uri.endswith("/field.parquet")


def test_a_file_that_is_no_catalogue_stops_the_publisher(claim):
    with pytest.raises(FatalError, match=r"--reference: .*field\.parquet"):
        claim()


def test_a_catalogue_of_another_instrument_stops_the_publisher(claim):
    with pytest.raises(FatalError, match="'ogle4-i'"):
        claim("ogle4-i")


def test_without_one_nothing_is_claimed(tmp_path):
    settings = PublisherSettings(inputs=[tmp_path])
    assert app._catalogue(settings, load_instrument("csst-i")) is None
