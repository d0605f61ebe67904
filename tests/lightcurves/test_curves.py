"""Points in blocks: whatever goes in comes out, in few bytes."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from csstream.lightcurves.blocks import PANEL_OBJECTS, Points
from csstream.lightcurves.curves import Curves

NOTHING = (np.nan, np.nan, 0)


def points(rng: np.random.Generator, n: int, most: int = 200) -> Points:
    return Points(
        rng.normal(100, 10, n).astype(np.float32),
        rng.uniform(1, 2, n).astype(np.float32),
        rng.integers(0, most, n).astype(np.int32),
    )


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32 - 1), st.lists(st.sampled_from("alsd"), max_size=30))
def test_what_goes_in_comes_out(seed, steps):
    """Epochs, late points, seals and drops in any order, against a plain dictionary."""
    rng = np.random.default_rng(seed)
    curves, known, lengths = Curves(), {}, []
    universe = rng.choice([1, 5, 127, 128, 129, 300, 2**19 + 1, 2**19 + 200, 2**20 - 1], 6, False)
    for step in steps:
        epoch = curves.epochs
        if step == "a" or not epoch:
            number = rng.permutation(universe)[: rng.integers(0, 7)]
            new = points(rng, len(number), 70_000)
            curves.append(epoch + 1, 0, 61000.0 + epoch, number, new)
            known |= {(int(n), epoch): [c[i] for c in new] for i, n in enumerate(number)}
        elif step == "l":
            number, at = int(rng.choice(universe)), int(rng.integers(0, epoch))
            if (number, at) not in known:
                new = points(rng, 1)
                curves.append_late(np.array([number]), np.array([at], np.int32), new)
                known[number, at] = [column[0] for column in new]
        elif step == "s":
            curves.seal()
            lengths = [block.epochs for block in curves.blocks]
        elif curves.blocks:
            curves.drop_first()
            assert curves.dropped >= lengths[0]
    held = np.arange(curves.dropped, curves.epochs)
    assert curves.held("visit").tolist() == (held + 1).tolist()
    for panel in curves.panels:
        got = curves.rows(panel, held[::-1])
        assert got.flux.shape == (PANEL_OBJECTS, len(held))
        expected = Points(*(np.full_like(g, fill) for g, fill in zip(got, NOTHING, strict=True)))
        for (number, epoch), values in known.items():
            if (number - 1) // PANEL_OBJECTS == panel and epoch >= curves.dropped:
                for column, value in zip(expected, values, strict=True):
                    column[(number - 1) % PANEL_OBJECTS, curves.epochs - 1 - epoch] = value
        for column, wanted in zip(got, expected, strict=True):
            np.testing.assert_array_equal(column, wanted)


def test_blocks_take_nine_bytes_a_point():
    rng = np.random.default_rng(1)
    curves = Curves()
    for epoch in range(40):
        seen = np.flatnonzero(rng.random(6000) < 0.9) + 1
        curves.append(epoch + 1, 0, float(epoch), seen, points(rng, len(seen), 128))
    before = curves.rows(7, np.arange(40))
    block = curves.seal()
    assert block.nbytes / block.points < 9.3
    for then, now in zip(before, curves.rows(7, np.arange(40)), strict=True):
        np.testing.assert_array_equal(then, now)


def test_some_epochs_alone():
    rng = np.random.default_rng(2)
    curves = Curves()
    for epoch in range(10):
        curves.append(epoch + 1, 0, float(epoch), np.arange(1, 41), points(rng, 40))
        if epoch == 5:
            curves.seal()
    whole = curves.rows(0, np.arange(10))
    some = curves.rows(0, np.array([7, 2, 5]))
    np.testing.assert_array_equal(some.flux, whole.flux[:, [7, 2, 5]])


@pytest.mark.parametrize(("largest", "itemsize"), [(255, 1), (65535, 2), (65536, 4), (-1, 4)])
def test_flags_take_as_few_bytes_as_they_fit(largest, itemsize):
    curves = Curves()
    one = np.ones(2, np.float32)
    flags = np.array([0, largest], np.int32)
    curves.append(1, 0, 1.0, np.array([1, 2]), Points(one, one, flags))
    assert curves.seal().flags.dtype.itemsize == itemsize
    np.testing.assert_array_equal(curves.rows(0, np.array([0])).flags[:2, 0], flags)
