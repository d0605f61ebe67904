"""Damaged records of the state: read, or refused in a way that says what to do."""

from __future__ import annotations

import numpy as np
import pytest

from csstream.contracts.errors import FatalError
from csstream.lightcurves.packing import pack, unpack

WHOLE = pack(b"{}", [np.arange(100.0), np.arange(5, dtype=np.int32)])
TRIALS = 1500


def test_damaged_bytes_are_read_or_refused_by_name():
    rng = np.random.default_rng(900)
    refused = 0
    for trial in range(TRIALS):
        damaged = bytearray(WHOLE)
        for place in rng.integers(len(WHOLE) if trial % 2 else 40, size=1 + trial % 3):
            damaged[place] = int(rng.integers(256))
        try:
            unpack(bytes(damaged))
        except FatalError:
            refused += 1
    assert refused > TRIALS // 2


def test_a_record_cut_short_is_refused():
    for end in range(len(WHOLE)):
        with pytest.raises(FatalError, match="rebuild"):
            unpack(WHOLE[:end])


@pytest.mark.parametrize(
    ("place", "code"), [(11, b"O8"), (11, b"f9"), (11, b"(("), (13, b"\xff" * 4)]
)
def test_a_column_that_nobody_wrote_is_refused(place, code):
    """Types that are none, and a length that would take 34 GB."""
    damaged = WHOLE[:place] + code + WHOLE[place + len(code) :]
    with pytest.raises(FatalError, match="rebuild"):
        unpack(damaged)
