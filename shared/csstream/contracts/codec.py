"""Records to bytes and back: Confluent wire format around Avro.

Byte 0 is zero, bytes 1 to 4 the schema's id, big-endian, and the rest the Avro body. The same
record gives the same bytes, always. Payloads come from outside: whatever they hold, reading ends
with a record or an InvalidMessageError, and takes memory in proportion to the payload.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from functools import cache
from io import BytesIO
from typing import Any, Final, TypeVar

import fastavro

from csstream.contracts.errors import InvalidMessageError
from csstream.contracts.mapping import KINDS, from_datum, to_datum
from csstream.contracts.records import DeadLetter, Record
from csstream.contracts.registry import WireSchema, latest_schema, schemas_by_id
from csstream.contracts.topics import load_topics

R = TypeVar("R")

_PREFIX: Final = struct.Struct(">bI")


def encode(record: Record) -> bytes:
    """Bytes of a record, under the latest schema of its kind.

    Raises InvalidMessageError for a record that breaks its schema's limits or is too large.
    """
    name = type(record).__name__
    schema = latest_schema(name)
    out = BytesIO()
    out.write(_PREFIX.pack(0, schema.id))
    try:
        datum = to_datum(record, schema.content, schema.named)
        fastavro.schemaless_writer(out, schema.parsed, datum)
    except (TypeError, ValueError, AttributeError, OverflowError) as error:
        raise InvalidMessageError("column_type", f"{name} cannot be written: {error}") from error
    payload = out.getvalue()
    _check_size(len(payload), name)
    return payload


def decode(payload: bytes | None, kind: type[R]) -> R:
    """The record of kind ``kind`` in ``payload``; InvalidMessageError where there is none."""
    return decode_any(payload, (kind,))


def decode_any(payload: bytes | None, kinds: Sequence[type[R]]) -> R:
    """The record in ``payload``, which must be of one of ``kinds``.

    Raises InvalidMessageError with the reason ``empty``, ``too_large``, ``not_avro``,
    ``unknown_schema``, ``wrong_record``, ``trailing_bytes``, ``column_length``, ``value_range``
    or ``inconsistent``.
    """
    schema = schema_of(payload)
    if schema.name not in [kind.__name__ for kind in kinds]:
        wanted = " or ".join(kind.__name__ for kind in kinds)
        raise InvalidMessageError("wrong_record", f"the message is {schema.name}, not {wanted}")
    assert payload is not None  # schema_of refuses it
    _check_size(len(payload), schema.name)
    reader = latest_schema(schema.name)
    record: R = from_datum(_read(payload, schema, reader), reader.content, reader.named)
    return record


def schema_of(payload: bytes | None) -> WireSchema:
    """The schema that ``payload`` says it is written with; InvalidMessageError for none."""
    if not payload:
        raise InvalidMessageError("empty", "the message has no value")
    if len(payload) < _PREFIX.size or payload[0] != 0:
        raise InvalidMessageError(
            "not_avro", f"{len(payload)} bytes that start with {payload[:5].hex()} are no record"
        )
    schema_id = _PREFIX.unpack_from(payload)[1]
    try:
        return schemas_by_id()[schema_id]
    except KeyError:
        raise InvalidMessageError(
            "unknown_schema", f"schema id {schema_id} is not known to this version"
        ) from None


@cache
def max_bytes(name: str) -> int:
    """[byte] how large a record may be; more only for dead letters, which hold another."""
    topics = load_topics()
    is_letter = KINDS[name] is DeadLetter
    return topics.max_dead_letter_bytes if is_letter else topics.max_record_bytes


def _check_size(size: int, name: str) -> None:
    if size > max_bytes(name):
        raise InvalidMessageError(
            "too_large", f"{name} of {size} bytes is larger than {max_bytes(name)}"
        )


def _read(payload: bytes, schema: WireSchema, reader: WireSchema) -> dict[str, Any]:
    body = BytesIO(payload)
    body.seek(_PREFIX.size)
    resolve = None if reader is schema else reader.parsed
    try:
        datum: Any = fastavro.schemaless_reader(body, schema.parsed, resolve)
    except Exception as error:  # whatever the bytes did to the reader, they are not the record
        raise InvalidMessageError(
            "not_avro", f"the body is no {schema.name}: {type(error).__name__}: {error}"
        ) from error
    if body.tell() != len(payload):
        raise InvalidMessageError(
            "trailing_bytes", f"{len(payload) - body.tell()} bytes follow the {schema.name}"
        )
    return dict(datum)
