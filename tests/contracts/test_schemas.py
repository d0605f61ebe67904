"""The schemas that ship: documented, numbered for ever, with samples that every version reads."""

from __future__ import annotations

import dataclasses
import json
import re
from itertools import product

import fastavro
import pytest

from csstream.contracts import mapping
from csstream.contracts.codec import decode, encode
from csstream.contracts.readable import to_plain
from csstream.contracts.registry import latest_schema, schema_folder, schemas_by_id

UNITS = {
    "none", "day", "s", "ms", "deg", "arcsec", "pixel", "mag", "byte",
    "nJy", "electron/s", "electron/s/pixel",
}  # fmt: skip
SCHEMAS = list(schemas_by_id().values())


def all_fields(schema: dict) -> list[tuple[str, dict]]:
    found = []
    for field in schema["fields"]:
        found.append((f"{schema['name']}.{field['name']}", field))
        kinds = field["type"] if isinstance(field["type"], list) else [field["type"]]
        kinds = [k["items"] if isinstance(k, dict) and k["type"] == "array" else k for k in kinds]
        for kind in kinds:
            if isinstance(kind, dict) and kind["type"] == "record":
                found += all_fields(kind)
    return found


def sample(schema, suffix: str) -> bytes:
    folder = schema_folder().joinpath(schema.record, *schema.version.split("."))
    return folder.joinpath(f"{schema.record}.{suffix}").read_bytes()


FIELDS = [pair for schema in SCHEMAS for pair in all_fields(schema.content)]


@pytest.mark.parametrize(("name", "field"), FIELDS, ids=[name for name, _ in FIELDS])
def test_every_field_says_what_it_is_and_in_which_unit(name, field):
    units = re.findall(r"\[([^\]]*)\]", field["doc"])
    assert len(units) == 1, name
    assert units[0] in UNITS
    assert len(field["doc"]) > len(units[0]) + 8


@pytest.mark.parametrize(("name", "field"), FIELDS, ids=[name for name, _ in FIELDS])
def test_columns_state_dtype_and_shape_for_machines_and_people(name, field):
    if field["type"] != "bytes" or name == "Header.value":
        assert "csstream_dtype" not in field
        return
    assert re.fullmatch(r"<[fi][48]|\|u1", field["csstream_dtype"])
    assert f"shape ({field['csstream_shape'].replace(',', ', ')}" in field["doc"]
    assert ("little-endian" in field["doc"]) == field["csstream_dtype"].startswith("<")


@pytest.mark.parametrize(("name", "field"), FIELDS, ids=[name for name, _ in FIELDS])
def test_nullable_fields_are_null_first_with_null_as_default(name, field):
    if isinstance(field["type"], list):
        assert field["type"][0] == "null"
        assert field["default"] is None


def test_every_schema_in_the_folder_has_an_id_and_the_ids_never_change():
    in_folder = {
        f"{record.name}/{major.name}.{minor.name}"
        for record in schema_folder().iterdir()
        if record.is_dir() and not record.name.startswith("_")
        for major in record.iterdir()
        if major.is_dir()
        for minor in major.iterdir()
    }
    numbered = {schema.id: f"{schema.record}/{schema.version}" for schema in SCHEMAS}
    assert in_folder == set(numbered.values())
    assert len(in_folder) == len(numbered)
    first = {
        101: "exposure", 201: "measurements", 301: "closed_marker", 401: "exposure_report",
        501: "panel", 601: "verdicts", 701: "alert", 801: "thin_alert", 901: "dead_letter",
    }  # fmt: skip
    assert {number: numbered[number] for number in first} == {
        number: f"{record}/1.0" for number, record in first.items()
    }


@pytest.mark.parametrize("name", mapping.KINDS)
def test_the_latest_schema_and_the_dataclass_have_the_same_fields(name):
    if name in ("ClaimCheck", "Examination"):
        parent = latest_schema("Exposure" if name == "ClaimCheck" else "Verdicts")
        fields = mapping.record_types(parent.content)[f"csstream.{name}"]["fields"]
    else:
        fields = latest_schema(name).content["fields"]
    expected = [field.name for field in dataclasses.fields(mapping.KINDS[name])]
    assert [field["name"] for field in fields] == expected


@pytest.mark.parametrize("schema", SCHEMAS, ids=lambda s: f"{s.record}-{s.version}")
def test_every_sample_can_be_read_and_says_the_same_in_json(schema):
    record = decode(sample(schema, "bin"), mapping.KINDS[schema.name])
    readable = json.loads(sample(schema, "json"))
    assert named_in(readable, to_plain(record)) == readable


def named_in(readable, plain):
    """Of a record as JSON, what an older version of it names too."""
    if isinstance(readable, dict):
        return {name: named_in(readable[name], plain[name]) for name in readable}
    return plain


def test_the_samples_are_what_is_written_today(record_name, record):
    """Byte for byte: a change of the wire format needs a new version, with its own sample."""
    schema = latest_schema(type(record).__name__)
    assert schema.record == record_name
    assert encode(record) == sample(schema, "bin")


PAIRS = [(a, b) for a, b in product(SCHEMAS, SCHEMAS) if a.record == b.record and a.id != b.id]


def test_all_versions_of_a_record_read_each_other():
    """FULL_TRANSITIVE: old readers read new records and new readers old ones."""
    from io import BytesIO

    for writer, reader in PAIRS:
        body = BytesIO(sample(writer, "bin")[5:])
        assert fastavro.schemaless_reader(body, writer.parsed, reader.parsed)


def test_an_alert_that_does_not_tell_reads_as_not_extrapolated():
    told = {
        schema.version: decode(sample(schema, "bin"), mapping.KINDS["Alert"]).fap_extrapolated
        for schema in SCHEMAS
        if schema.record == "alert"
    }
    assert told == {"1.0": False, "1.1": True}


def test_a_sample_is_readable_with_avro_alone():
    """What docs/messages.md tells those who have no csstream."""
    import struct
    from io import BytesIO

    import numpy as np

    schema = latest_schema("Alert")
    payload = sample(schema, "bin")
    assert struct.unpack(">bI", payload[:5]) == (0, schema.id)
    datum = fastavro.schemaless_reader(BytesIO(payload[5:]), schema.content)
    times = np.frombuffer(datum["mjd_mid_tai"], "<f8")
    assert datum["kind"] == "eclipsing"
    assert times.tolist() == [60310.1, 60310.2, 60310.3, 60310.4]
