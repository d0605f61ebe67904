"""Parts of a panel become one panel, whatever happens between them."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from csstream.classifier.gathering import MAX_OPEN, Gatherer
from csstream.contracts.errors import InvalidMessageError


@pytest.fixture
def parts(made):
    """Cut a panel into n parts of equal epochs."""

    def cut(n, examination=1, epochs=12):
        rng = np.random.default_rng(examination)
        whole = made.panel(examination, flux=rng.normal(5000, 25, (3, epochs)))
        step = epochs // n
        return whole, [piece(whole, k * step, (k + 1) * step, k, n) for k in range(n)]

    return cut


def piece(whole, start, end, part, n):
    columns = {
        c: getattr(whole, c)[start:end] for c in ("mjd_mid_tai", "epoch_visit", "epoch_detector")
    }
    columns |= {c: getattr(whole, c)[:, start:end] for c in ("flux", "flux_err", "flags")}
    return dataclasses.replace(whole, part=part, parts=n, **columns)


def same(left, right):
    return all(
        np.array_equal(getattr(left, f.name), getattr(right, f.name), equal_nan=False)
        for f in dataclasses.fields(left)
    )


def test_a_panel_in_one_part_passes_at_once(made):
    gatherer, panel = Gatherer(), made.panel()
    assert gatherer.add(0, panel) is panel
    assert not gatherer.incomplete(0)


def test_parts_are_joined_when_the_last_one_comes(parts):
    gatherer, (whole, cut) = Gatherer(), parts(3)
    assert [gatherer.add(0, each) for each in cut[:2]] == [None, None]
    assert gatherer.incomplete(0)
    assert same(gatherer.add(0, cut[2]), whole)
    assert not gatherer.incomplete(0)


def test_a_sender_that_starts_again_gives_the_same_panel(parts):
    gatherer, (whole, cut) = Gatherer(), parts(3)
    results = [gatherer.add(0, each) for each in [cut[0], cut[1], cut[0], cut[1], cut[2]]]
    assert results[:4] == [None] * 4
    assert same(results[4], whole)


def test_panels_whose_parts_are_mixed_are_kept_apart(parts):
    gatherer, (first, one), (second, two) = Gatherer(), parts(2, 1), parts(2, 2)
    results = [gatherer.add(0, each) for each in [one[0], two[0], one[1], two[1]]]
    assert same(results[2], first)
    assert same(results[3], second)


def test_partitions_do_not_mix(parts):
    gatherer, (_, cut) = Gatherer(), parts(2)
    gatherer.add(0, cut[0])
    assert gatherer.add(1, cut[1]) is None
    assert gatherer.incomplete(0)
    gatherer.drop(0)
    assert not gatherer.incomplete(0)


def test_parts_that_never_end_do_not_hold_the_partition_for_ever(parts):
    gatherer = Gatherer()
    for examination in range(1, 3 * MAX_OPEN):
        gatherer.add(0, parts(2, examination)[1][0])
    _, cut = parts(2, 1)
    assert gatherer.add(0, cut[1]) is None  # its first part was given up


def test_parts_that_do_not_fit_are_refused(parts):
    gatherer, (_, cut) = Gatherer(), parts(2)
    gatherer.add(0, cut[0])
    other = dataclasses.replace(cut[1], object_id=cut[1].object_id + 1)
    with pytest.raises(InvalidMessageError, match="part 1 does not fit part 0"):
        gatherer.add(0, other)
    assert not gatherer.incomplete(0)


def test_a_part_out_of_range_is_refused(made):
    with pytest.raises(InvalidMessageError):
        Gatherer().add(0, made.panel(part=2, parts=2))
