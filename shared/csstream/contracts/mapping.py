"""Domain records to Avro data and back, driven by the schema alone.

A field of the schema has the name of the dataclass's field. Arrays become columns
(:mod:`csstream.contracts.columns`), nested dataclasses nested records, tuples arrays, dicts maps
in sorted order. What a consumer must be able to rely on (lengths, ranges) is checked both ways,
so that nobody sends what nobody may read.
"""

from __future__ import annotations

import math
from dataclasses import fields as dataclass_fields
from typing import Any, Final

from csstream.contracts import columns, records
from csstream.contracts.columns import Dimensions, Field, check_number
from csstream.contracts.consistency import check_consistency
from csstream.contracts.errors import InvalidMessageError

Datum = dict[str, Any]

KINDS: Final[dict[str, type[Any]]] = {
    kind.__name__: kind
    for kind in (
        records.Exposure,
        records.Measurements,
        records.ClosedMarker,
        records.ExposureReport,
        records.Panel,
        records.Verdicts,
        records.Alert,
        records.ThinAlert,
        records.DeadLetter,
        records.ClaimCheck,
        records.Examination,
    )
}


def to_datum(record: Any, schema: Datum, named: dict[str, Datum] | None = None) -> Datum:
    """Avro data of a record under its schema. InvalidMessageError where it may not be sent.

    ``named`` are the schema's ``record_types``, where they are at hand.
    """
    check_consistency(record)
    return _record_to(record, schema, record_types(schema) if named is None else named)


def from_datum(datum: Datum, schema: Datum, named: dict[str, Datum] | None = None) -> Any:
    """The record of Avro data. InvalidMessageError where a reader could not rely on it."""
    record = _record_from(datum, schema, record_types(schema) if named is None else named)
    check_consistency(record)
    return record


def _record_to(record: Any, schema: Datum, named: dict[str, Datum]) -> Datum:
    dimensions = Dimensions(schema["name"])
    return {
        field["name"]: _to(getattr(record, field["name"]), field, field["type"], named, dimensions)
        for field in schema["fields"]
    }


def _record_from(datum: Datum, schema: Datum, named: dict[str, Datum]) -> Any:
    kind = KINDS[schema["name"]]
    dimensions = Dimensions(schema["name"])
    known = {field.name for field in dataclass_fields(kind)}
    values = {
        field["name"]: _from(datum[field["name"]], field, field["type"], named, dimensions)
        for field in schema["fields"]
        if field["name"] in known
    }
    return kind(**values)


def _to(value: Any, field: Field, kind: Any, named: dict[str, Datum], dims: Dimensions) -> Any:
    """Avro data of one field whose Avro type is ``kind``."""
    if isinstance(kind, list):
        return None if value is None else _to(value, field, kind[1], named, dims)
    if "csstream_dtype" in field:
        return columns.to_bytes(value, field, dims)
    if nested := _nested(kind, named):
        return _record_to(value, nested, named)
    if _is(kind, "map"):
        checked = {str(key): _number(each, field) for key, each in value.items()}
        return dict(sorted(checked.items()))
    if _is(kind, "array"):
        return _array_to(value, field, kind["items"], dims)
    return _scalar(value, field, kind)


def _from(value: Any, field: Field, kind: Any, named: dict[str, Datum], dims: Dimensions) -> Any:
    """Value of one field whose Avro type is ``kind``; fastavro has checked the type."""
    if isinstance(kind, list):
        return None if value is None else _from(value, field, kind[1], named, dims)
    if "csstream_dtype" in field:
        return columns.from_bytes(value, field, dims)
    if nested := _nested(kind, named):
        return _record_from(value, nested, named)
    if _is(kind, "map"):
        return {key: _number(value[key], field) for key in sorted(value)}
    if _is(kind, "array"):
        return _array_from(value, field, kind["items"], dims)
    return _scalar(value, field, kind)


def _array_to(value: Any, field: Field, items: Any, dims: Dimensions) -> list[Any]:
    """A tuple of strings, or of (name, bytes) pairs."""
    if "csstream_shape" in field:
        dims.shape_of(field, len(value))
    if items == "string":
        return [_scalar(each, field, "string") for each in value]
    return [{"key": key, "value": content} for key, content in value]


def _array_from(value: Any, field: Field, items: Any, dims: Dimensions) -> tuple[Any, ...]:
    if "csstream_shape" in field:
        dims.shape_of(field, len(value))
    if items == "string":
        return tuple(value)
    return tuple((each["key"], each["value"]) for each in value)


_PYTHON: Final[dict[str, type]] = {"string": str, "boolean": bool, "bytes": bytes}
_LIMITS: Final[dict[str, int]] = {"int": 2**31, "long": 2**63}


def _scalar(value: Any, field: Field, kind: str) -> Any:
    if kind == "double":
        return _number(value, field)
    if kind in _LIMITS:
        return _integer(value, field, _LIMITS[kind])
    if not isinstance(value, _PYTHON[kind]):
        raise InvalidMessageError("column_type", f"{field['name']} is {value!r}, not a {kind}")
    allowed = field.get("csstream_values")
    if allowed is not None and value not in allowed:
        raise InvalidMessageError(
            "value_range", f"{field['name']} is {value!r}, allowed is one of {', '.join(allowed)}"
        )
    return value


def _number(value: Any, field: Field) -> float:
    number = float(value)
    check_number(number, field)
    return math.nan if math.isnan(number) else number  # the same bytes on every processor


def _integer(value: Any, field: Field, limit: int) -> int:
    number = int(value)
    if number != value or not -limit <= number < limit:
        raise InvalidMessageError("value_range", f"{field['name']} is {value!r}, not an integer")
    check_number(number, field)
    return number


def _nested(kind: Any, named: dict[str, Datum]) -> Datum | None:
    if isinstance(kind, str):
        return named.get(kind)
    return kind if _is(kind, "record") else None


def _is(kind: Any, name: str) -> bool:
    return isinstance(kind, dict) and kind["type"] == name


def record_types(schema: Datum) -> dict[str, Datum]:
    """Record types defined anywhere in a schema, by full name."""
    found: dict[str, Datum] = {}

    def visit(kind: Any) -> None:
        for each in kind if isinstance(kind, list) else [kind]:
            if isinstance(each, dict) and each["type"] == "record":
                found[f"csstream.{each['name']}"] = each
                for field in each["fields"]:
                    visit(field["type"])

    visit(schema)
    return found
