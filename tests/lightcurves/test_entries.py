"""Entries: the batch as it came, in fewer bytes."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from csstream.contracts.codec import decode, encode
from csstream.contracts.records import ClosedMarker
from csstream.lightcurves.entries import read_batch, stored_value
from csstream.lightcurves.packing import pack, unpack

DTYPES = ["<f8", "<f4", "<i8", "<i4", "<u4", "|u1", "<u2"]


@settings(max_examples=50, deadline=None)
@given(
    st.binary(max_size=20),
    st.lists(st.sampled_from(DTYPES).flatmap(lambda d: hnp.arrays(d, st.integers(0, 50)))),
)
def test_arrays_come_back_bit_for_bit(header, columns):
    got_header, got = unpack(pack(header, columns))
    assert got_header == header
    for column, restored in zip(columns, got, strict=True):
        assert restored.dtype == column.dtype
        assert restored.tobytes() == column.tobytes()


@pytest.mark.parametrize("n", [0, 1, 1000])
def test_a_batch_comes_back_byte_for_byte(batch, n):
    rng = np.random.default_rng(n)
    ra, dec = 50 + rng.uniform(-0.01, 0.01, (2, n))
    record = batch(5, 3, ra, dec, rng.lognormal(size=n), x=rng.uniform(0, 9e3, n))
    assert encode(read_batch(stored_value(record))) == encode(record)
    assert stored_value(record) == stored_value(read_batch(stored_value(record)))


def test_a_batch_of_measured_sources_takes_two_thirds(batch):
    rng = np.random.default_rng(0)
    n = 8000
    err = rng.uniform(0.01, 0.2, (3, n)).astype(np.float32)
    record = batch(
        5, 3, *(50 + rng.uniform(-0.007, 0.007, (2, n))), rng.lognormal(size=n),
        x=rng.uniform(0, 9e3, n), y=rng.uniform(0, 9e3, n), x_err=err[0], y_err=err[1],
        flux_err=err[2], probability=rng.uniform(0.5, 1, n).astype(np.float32),
    )  # fmt: skip
    assert len(encode(record)) / n > 64
    assert len(stored_value(record)) / n < 44


def test_a_marker_is_kept_as_it_came():
    marker = ClosedMarker(
        exposure_id="a.0.1", visit=1, detector=0, detectors_in_visit=1, partition=0,
        batches=1, sources=2,
    )  # fmt: skip
    assert decode(stored_value(marker), ClosedMarker) == marker
