"""Small real FITS files, and a publisher whose broker is a list."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits

from csstream.contracts.errors import TransientError
from csstream.instruments.instrument import load_instrument
from csstream.publisher.announce import Announcer
from csstream.publisher.handler import Publisher
from csstream.publisher.ledger import Ledger


def make_fits(path: Path, seed: int = 0, **cards) -> Path:
    rng = np.random.default_rng(seed)
    data = rng.poisson(240, (32, 32)).astype(np.int32)
    header = fits.Header()
    defaults = {
        "INSTRUME": "CSST",
        "DETECTOR": 1,
        "FILTER": "i",
        "EXPTIME": 300.0,
        "MJD-OBS": 61000.0 + seed,
        "TIMESYS": "TAI",
        "BUNIT": "electron",
    }
    for key, value in (defaults | {k.replace("_", "-"): v for k, v in cards.items()}).items():
        if value is not None:
            header[key] = value
    fits.PrimaryHDU(data, header).writeto(path, overwrite=True)
    return path


class FakeBroker:
    """Keeps what it acknowledged; fails on demand before or after taking a message."""

    def __init__(self) -> None:
        self.messages = []
        self.letters = []
        self.fail = None  # "before" or "after" the message was taken

    def send(self, announcements) -> None:
        if self.fail == "before":
            raise TransientError("the broker is away")
        self.messages.extend((a.partition, a.key, a.payload) for a in announcements)
        if self.fail == "after":
            raise TransientError("the acknowledgement was lost")

    def report(self, refusal) -> None:
        if self.fail:
            raise TransientError("the broker is away")
        self.letters.append(refusal)


@pytest.fixture
def broker() -> FakeBroker:
    return FakeBroker()


@pytest.fixture
def fits_file():
    return make_fits


@pytest.fixture
def make_publisher(tmp_path, broker):
    ledgers = []

    def make(sequence: str = "night") -> Publisher:
        for ledger in ledgers:  # a restart: the earlier process is gone
            ledger.close()
        ledger = Ledger(tmp_path / "state" / "publisher.sqlite")
        ledgers.append(ledger)
        instrument = load_instrument("csst-i")
        announcer = Announcer(sequence=sequence, instrument=instrument.name, partitions=2)
        return Publisher(
            ledger=ledger,
            announcer=announcer,
            instrument=instrument,
            send=broker.send,
            report=broker.report,
        )

    yield make
    for ledger in ledgers:
        ledger.close()
