"""Records to bytes and back, and what comes of bytes that are no records."""

from __future__ import annotations

import dataclasses
import struct
import tracemalloc
from contextlib import suppress
from typing import Any

import fastavro
import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from csstream.contracts import mapping
from csstream.contracts.codec import decode, decode_any, encode, max_bytes
from csstream.contracts.errors import BadInputError, InvalidMessageError
from csstream.contracts.records import (
    ClosedMarker,
    DeadLetter,
    Examination,
    Exposure,
    Measurements,
    Panel,
    Verdicts,
)
from csstream.contracts.registry import latest_schema, schemas_by_id

NAN = float("nan")


def assert_same(found: Any, expected: Any) -> None:
    """Equal in every field: arrays with dtype and shape, nan equal to nan."""
    assert type(found) is type(expected)
    for field in dataclasses.fields(expected):
        a, b = getattr(found, field.name), getattr(expected, field.name)
        if dataclasses.is_dataclass(b):
            assert_same(a, b)
        elif isinstance(b, np.ndarray):
            assert (a.dtype, a.shape) == (b.dtype, b.shape), field.name
            np.testing.assert_array_equal(a, b, field.name)
        elif isinstance(b, dict):
            assert repr(a) == repr(dict(sorted(b.items()))), field.name
        else:
            assert repr(a) == repr(b), field.name


def test_round_trip(record):
    payload = encode(record)
    found = decode(payload, type(record))
    assert_same(found, record)
    assert encode(found) == payload


def test_wire_format_is_confluents(record):
    payload = encode(record)
    assert payload[0] == 0
    schema = schemas_by_id()[struct.unpack(">I", payload[1:5])[0]]
    assert schema.name == type(record).__name__


# --- drawn records -------------------------------------------------------------------------


def numbers(field: dict, width: int = 64):
    low, high = field.get("csstream_min"), field.get("csstream_max")
    finite = field.get("csstream_finite", False)
    bounded = low is not None or high is not None
    inner = st.floats(
        low, high, width=width, allow_nan=False, allow_infinity=not (finite or bounded)
    )
    return inner if finite else st.one_of(inner, st.just(NAN))


def column(field: dict, dims: dict[str, int]):
    dtype = np.dtype(field["csstream_dtype"]).newbyteorder("=")
    names = field["csstream_shape"].split(",")
    shape = tuple(int(name) if name.isdigit() else dims[name] for name in names)
    if dtype.kind == "f":
        return hnp.arrays(dtype, shape, elements=numbers(field, dtype.itemsize * 8))
    limits = np.iinfo(dtype)
    low = max(field.get("csstream_min", limits.min), limits.min)
    high = min(field.get("csstream_max", limits.max), limits.max)
    return hnp.arrays(dtype, shape, elements=st.integers(low, high))


TEXT = st.text(st.characters(codec="utf-8"), max_size=12)
SIMPLE = {"string": TEXT, "boolean": st.booleans(), "bytes": st.binary(max_size=20)}


def values(field: dict, kind: Any, named: dict, dims: dict[str, int]):
    if isinstance(kind, list):
        return st.one_of(st.none(), values(field, kind[1], named, dims))
    if "csstream_dtype" in field:
        return column(field, dims)
    if "csstream_values" in field:
        return st.sampled_from(field["csstream_values"])
    nested = mapping._nested(kind, named)
    if nested:
        return drawn(nested, named)
    if isinstance(kind, dict) and kind["type"] == "map":
        return st.dictionaries(TEXT, numbers(field), max_size=4)
    if isinstance(kind, dict):
        if kind["items"] == "string":
            size = dims["n"]
            return st.lists(TEXT, min_size=size, max_size=size).map(tuple)
        return st.lists(st.tuples(TEXT, SIMPLE["bytes"]), max_size=3).map(tuple)
    if kind in ("int", "long"):
        limit = 2 ** (31 if kind == "int" else 63)
        low, high = field.get("csstream_min", -limit), field.get("csstream_max", limit - 1)
        return st.integers(low, min(high, limit - 1))
    return numbers(field) if kind == "double" else SIMPLE[kind]


@st.composite
def drawn(draw, schema: dict, named: dict | None = None):
    """Any record of a schema that its ranges allow."""
    named = mapping.record_types(schema) if named is None else named
    dims = {letter: draw(st.integers(0, 4)) for letter in "nmkl"}
    dims["b"] = draw(st.sampled_from([0, dims["m"]]))
    chosen = {
        field["name"]: draw(values(field, field["type"], named, dims)) for field in schema["fields"]
    }
    return mapping.KINDS[schema["name"]](**chosen)


def make_consistent(record: Any) -> Any:
    match record:
        case Exposure():
            assume(record.kind == "sequence_end" or record.image is not None)
            assume(record.kind == "sequence_end" or np.isfinite(record.mjd_mid_tai))
        case Panel():
            return dataclasses.replace(record, part=record.part % record.parts)
        case Verdicts():
            assume(record.latest.examination > 1)
            looks = {"latest": with_rows(record.latest)}
            if record.previous is not None:
                looks["previous"] = with_rows(dataclasses.replace(record.previous, examination=1))
            return dataclasses.replace(record, **looks)
    return record


def with_rows(look: Any) -> Any:
    """The look with rows of sources that are there."""
    assume(len(look.object_id) > 0 or len(look.source_row) == 0)
    return dataclasses.replace(look, source_row=look.source_row % max(len(look.object_id), 1))


RECORD_NAMES = [name for name in mapping.KINDS if name not in ("ClaimCheck", "Examination")]


@pytest.mark.parametrize("name", RECORD_NAMES)
@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_any_record_comes_back_as_it_was(name, data):
    record = make_consistent(data.draw(drawn(latest_schema(name).content)))
    payload = encode(record)
    found = decode(payload, type(record))
    assert encode(found) == payload
    assert_same(found, record)


# --- bytes that are no records -------------------------------------------------------------


@settings(
    max_examples=100,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(data=st.data())
def test_changed_bytes_give_a_record_or_an_invalid_message_error(record, data):
    payload = bytearray(encode(record))
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(payload) - 1))
        change = data.draw(st.sampled_from(["set", "cut", "insert", "delete"]))
        if change == "set":
            payload[at] = data.draw(st.integers(0, 255))
        elif change == "cut" and at:
            del payload[at:]
        elif change == "insert":
            payload[at:at] = data.draw(st.binary(max_size=12))
        elif len(payload) > 1:
            del payload[at]
    with suppress(InvalidMessageError):
        found = decode(bytes(payload), type(record))
        payload = encode(found)  # whatever was accepted can be relied on
        assert encode(decode(payload, type(record))) == payload


@settings(max_examples=200, deadline=None)
@given(body=st.binary(max_size=300), schema_id=st.sampled_from([*schemas_by_id(), 0, 7]))
def test_arbitrary_bytes_give_nothing_but_an_invalid_message_error(body, schema_id):
    kinds = [mapping.KINDS[name] for name in RECORD_NAMES]
    for payload in (body, struct.pack(">bI", 0, schema_id) + body):
        with suppress(InvalidMessageError):
            decode_any(payload, kinds)


@pytest.mark.parametrize("length", [2**31, 2**62, -(2**62)])
def test_a_length_that_lies_takes_no_memory(length):
    """A string said to be 2**62 bytes long, as the first field of an exposure."""
    body = bytearray()
    value = (length << 1) ^ (length >> 63)
    while value > 0x7F:
        body.append(value & 0x7F | 0x80)
        value >>= 7
    body.append(value)
    payload = struct.pack(">bI", 0, 101) + bytes(body) + b"xx"
    tracemalloc.start()
    with pytest.raises(InvalidMessageError) as caught:
        decode(payload, Exposure)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert caught.value.reason == "not_avro"
    assert peak < 1_000_000


@pytest.mark.parametrize(
    ("payload", "reason"),
    [
        (None, "empty"),
        (b"", "empty"),
        (b"\x00\x00", "not_avro"),
        (b"SIMPLE  =                    T", "not_avro"),
        (b"\x01\x00\x00\x00\x65", "not_avro"),
        (b"\x00\x00\x00\x00\x65", "not_avro"),
        (b"\x00\x00\x00\x27\x10abc", "unknown_schema"),
        (b"\x00\xff\xff\xff\xffabc", "unknown_schema"),
        (b"\x00\x65\x00\x00\x00abc", "unknown_schema"),  # little-endian
    ],
)
def test_what_is_no_message_is_refused_by_name(payload, reason):
    with pytest.raises(InvalidMessageError) as caught:
        decode(payload, Exposure)
    assert caught.value.reason == reason
    assert isinstance(caught.value, BadInputError)


def test_another_kind_of_record_is_refused(make):
    with pytest.raises(InvalidMessageError, match="ClosedMarker, not Exposure or Panel") as caught:
        decode_any(encode(make("closed_marker")), (Exposure, Panel))
    assert caught.value.reason == "wrong_record"


def test_decode_any_tells_the_kinds_apart(make):
    for name in ("measurements", "closed_marker"):
        expected = make(name)
        found = decode_any(encode(expected), (Measurements, ClosedMarker))
        assert_same(found, expected)


def test_bytes_after_the_record_are_refused(record):
    with pytest.raises(InvalidMessageError) as caught:
        decode(encode(record) + b"\x00", type(record))
    assert caught.value.reason == "trailing_bytes"


def test_payloads_above_the_limit_are_refused(make):
    value = b"\0" * max_bytes("Exposure")
    letter = make("dead_letter", value=value)
    assert decode(encode(letter), DeadLetter).value == value
    with pytest.raises(InvalidMessageError) as caught:
        encode(make("dead_letter", value=value + b"\0" * 70_000))
    assert caught.value.reason == "too_large"
    with pytest.raises(InvalidMessageError) as caught:
        decode(encode(make("exposure")) + value, Exposure)
    assert caught.value.reason == "too_large"
    assert max_bytes("Exposure") == len(value)


# --- columns -------------------------------------------------------------------------------


def altered(record: Any, **changes: Any) -> bytes:
    """Bytes of a record with fields of its Avro datum replaced, past all checks."""
    from io import BytesIO

    schema = latest_schema(type(record).__name__)
    datum = {**mapping.to_datum(record, schema.content), **changes}
    out = BytesIO()
    out.write(struct.pack(">bI", 0, schema.id))
    fastavro.schemaless_writer(out, schema.parsed, datum)
    return out.getvalue()


@pytest.mark.parametrize(
    ("name", "changes", "reason"),
    [
        ("measurements", {"ra": b"\0" * 23}, "column_length"),  # no whole number
        ("measurements", {"flux": b"\0" * 8}, "column_length"),  # one row too few
        ("measurements", {"object_id": b""}, "column_length"),
        ("measurements", {"flags": b"\0" * 16}, "column_length"),
        ("measurements", {"ra": struct.pack("<3d", 1, 2, NAN)}, "value_range"),
        ("measurements", {"dec": struct.pack("<3d", 1, 2, 90.1)}, "value_range"),
        ("measurements", {"cell": 12 * 4096**2}, "value_range"),
        ("measurements", {"cell": -1}, "value_range"),
        ("measurements", {"visit": 0}, "value_range"),
        ("measurements", {"detectors_in_visit": 0}, "value_range"),
        ("measurements", {"mjd_mid_tai": NAN}, "value_range"),
        ("measurements", {"zero_point": float("inf")}, "value_range"),
        ("measurements", {"margin_arcsec": -1.0}, "value_range"),
        ("panel", {"flux": b"\0" * 20}, "column_length"),  # 5 of 2 x 3
        ("panel", {"mjd_mid_tai": struct.pack("<3d", 1, 2, NAN)}, "value_range"),
        ("panel", {"part": 1}, "inconsistent"),
        ("panel", {"object_id": struct.pack("<2q", 0, 1)}, "value_range"),
        ("closed_marker", {"partition": -1}, "value_range"),
        ("closed_marker", {"batches": -1}, "value_range"),
        ("exposure", {"kind": "flat"}, "value_range"),
        ("exposure", {"image": None}, "inconsistent"),
        ("exposure", {"mjd_mid_tai": NAN}, "inconsistent"),
        ("alert", {"global_view": b"\0" * 200 * 4}, "column_length"),
        ("alert", {"probabilities": {"none": 1.5}}, "value_range"),
        ("dead_letter", {"attempt": 0}, "value_range"),
    ],
)  # fmt: skip
def test_records_that_nobody_may_rely_on_are_refused(make, name, changes, reason):
    record = make(name)
    assert_same(decode(altered(record), type(record)), record)
    with pytest.raises(InvalidMessageError) as caught:
        decode(altered(record, **changes), type(record))
    assert caught.value.reason == reason
    assert next(iter(changes)) in str(caught.value) or reason != "value_range"


@pytest.mark.parametrize(
    ("name", "changes", "reason"),
    [
        ("measurements", {"x": np.zeros(2)}, "column_length"),
        ("measurements", {"x": np.zeros((1, 3))}, "column_length"),
        ("measurements", {"flags": np.zeros(3)}, "column_type"),  # floats are no flags
        ("measurements", {"flags": np.array([0, 0, 2**31])}, "column_type"),
        ("measurements", {"object_id": np.array([0, 0, 2**64 - 1], np.uint64)}, "column_type"),
        ("measurements", {"visit": 1.5}, "value_range"),
        ("measurements", {"visit": 2**63}, "value_range"),
        ("measurements", {"band": None}, "column_type"),
        ("panel", {"flux": np.zeros((3, 2))}, "column_length"),
        ("exposure", {"exposure_time": "long"}, "column_type"),
        ("exposure", {"image": "f.fits"}, "column_type"),
    ],
)  # fmt: skip
def test_nobody_can_send_what_nobody_may_read(make, name, changes, reason):
    with pytest.raises(InvalidMessageError) as caught:
        encode(make(name, **changes))
    assert caught.value.reason == reason


def test_columns_take_any_array_that_holds_the_same_values(make):
    """Lists, other byte orders, strides and integer types: the same bytes."""
    plain = make("measurements")
    other = make(
        "measurements",
        ra=plain.ra.astype(">f8"),
        x=np.repeat(plain.x, 2)[::2],
        flags=plain.flags.astype(np.uint16),
        y=[10, 20, 30],
    )
    assert encode(other) == encode(plain)


def test_every_nan_is_written_alike(make):
    negative = np.array([-NAN, NAN, 0.0], np.float32)
    payload = np.array([0x7FC00001, 0xFFC00000, 0], np.uint32).view(np.float32)
    assert encode(make("measurements", probability=negative)) == encode(
        make("measurements", probability=payload)
    )
    assert encode(make("exposure_report", depth=NAN)) == encode(
        make("exposure_report", depth=float(np.float64(-NAN)))
    )


def test_maps_are_written_in_order_of_their_names(make):
    one = make("exposure_report", timings={"a": 1.0, "b": 2.0})
    two = make("exposure_report", timings={"b": 2.0, "a": 1.0})
    assert encode(one) == encode(two)


def test_decoded_columns_are_native_and_writable(make):
    found = decode(encode(make("panel")), Panel)
    assert found.flux.flags.writeable
    assert found.flux.dtype.isnative
    assert found.flux.flags.c_contiguous


def test_a_batch_without_sources_is_a_batch(make):
    empty = {
        field.name: np.zeros(0)
        for field in dataclasses.fields(Measurements)
        if isinstance(getattr(make("measurements"), field.name), np.ndarray)
    }
    empty["object_id"] = empty["flags"] = np.zeros(0, np.int64)
    found = decode(encode(make("measurements", **empty)), Measurements)
    assert found.ra.shape == (0,)


def test_the_examinations_alert_ids_have_the_length_of_its_columns(make):
    verdicts = make("verdicts")
    wrong = dataclasses.replace(verdicts.latest, alert_id=("one",))
    assert isinstance(wrong, Examination)
    with pytest.raises(InvalidMessageError) as caught:
        encode(dataclasses.replace(verdicts, latest=wrong))
    assert caught.value.reason == "column_length"
