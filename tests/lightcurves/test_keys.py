"""Keys sort as numbers, and come back as they were."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from csstream.lightcurves import keys

cells = st.integers(0, 2**64 - 1)
visits = st.integers(0, 2**64 - 1)
detectors = st.integers(0, 2**32 - 1)
entries = st.tuples(cells, visits, detectors)


@given(entries, entries)
def test_entries_sort_by_cell_visit_and_detector(one, other):
    assert (keys.entry_key(*one) < keys.entry_key(*other)) == (one < other)


@given(entries)
def test_an_entry_key_is_read_back_and_begins_with_its_cell(parts):
    key = keys.entry_key(*parts)
    assert keys.parse_entry_key(key) == parts
    assert key.startswith(keys.cell_prefix(parts[0]))


@given(visits, detectors)
def test_a_marker_key_is_read_back(visit, detector):
    assert keys.parse_marker_key(keys.marker_key(visit, detector)) == (visit, detector)


def test_keys_of_another_kind_are_refused():
    with pytest.raises(ValueError, match="not the key of an entry"):
        keys.parse_entry_key(keys.marker_key(1, 2))
    with pytest.raises(ValueError, match="not the key of a closed marker"):
        keys.parse_marker_key(keys.entry_key(1, 2, 3))


def test_the_sent_frontier_is_read_back_and_starts_at_zero():
    assert keys.parse_sent_value(keys.sent_value(77)) == 77
    assert keys.parse_sent_value(None) == 0


def test_a_panel_key_is_cell_and_panel_big_endian():
    assert keys.panel_key(1, 2) == bytes.fromhex("000000000000000100000002")
