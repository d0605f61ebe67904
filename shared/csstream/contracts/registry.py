"""The wire schemas that ship with the package, by their fixed ids.

Layout: ``csstream/schemas/<record>/<major>/<minor>/<record>.avsc`` and ``ids.json``. An id names
one schema for ever, so a reader needs no registry service.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Any

import fastavro

from csstream.contracts.errors import FatalError
from csstream.contracts.mapping import record_types


@dataclass(frozen=True, eq=False)
class WireSchema:
    """One version of one record's schema."""

    id: int
    record: str  # folder, such as exposure_report
    version: str  # major.minor
    content: dict[str, Any]  # as the .avsc file has it
    parsed: Any  # as fastavro wants it
    named: dict[str, dict[str, Any]]  # record types defined in it, by full name

    @property
    def name(self) -> str:
        """Name of the record, which is the name of its dataclass."""
        return str(self.content["name"])


@cache
def schemas_by_id() -> dict[int, WireSchema]:
    """Every schema that ever was, by id. Raises FatalError where the package is damaged."""
    try:
        ids = json.loads(schema_folder().joinpath("ids.json").read_text(encoding="utf-8"))["ids"]
        return {int(key): _load(int(key), entry) for key, entry in ids.items()}
    except (OSError, KeyError, ValueError) as error:
        raise FatalError(f"the schemas in the package cannot be read: {error!r}") from error


@cache
def latest_schema(name: str) -> WireSchema:
    """The schema that records called ``name`` (``Exposure`` …) are written with."""
    for schema in schemas_by_id().values():
        if schema.name == name and schema.version == _latest_version(schema.record):
            return schema
    raise FatalError(f"there is no wire schema for {name}")


def schema_folder() -> Traversable:
    """Where the schemas lie in the installed package or the checkout."""
    return files("csstream.schemas")


def _latest_version(record: str) -> str:
    return schema_folder().joinpath(record, "latest.txt").read_text(encoding="utf-8").strip()


def _load(schema_id: int, entry: dict[str, str]) -> WireSchema:
    record, version = entry["record"], entry["version"]
    path = schema_folder().joinpath(record, *version.split("."), f"{record}.avsc")
    content = json.loads(path.read_text(encoding="utf-8"))
    return WireSchema(
        schema_id, record, version, content, fastavro.parse_schema(content), record_types(content)
    )
