"""Writes ``docs/configuration.md`` from the settings classes; a test says when it is stale.

Run ``python docs/make_configuration.py`` after a setting has changed.
"""

from __future__ import annotations

import inspect
import re
import typing
from pathlib import Path

from pydantic.fields import FieldInfo

from csstream.cli.serve import default_text, flag_of, settings_class, variable_of
from csstream.publisher.settings import PublisherSettings
from csstream.runtime.settings import ServiceSettings
from csstream.subscriber.settings import SubscriberSettings

TARGET = Path(__file__).with_name("configuration.md")
HEAD = """# Configuration

Every setting is an environment variable; those of `csstream serve` are options too
(`CSSTREAM_METRICS_PORT` is `--metrics-port`). An option wins over a variable, a variable over the
default. Lists are JSON in a variable (`CSSTREAM_INSTRUMENTS='["csst-i","ogle4-i"]'`) and a repeated
option on the command line. A value that is out of range is refused at the start, with the name of
the option and of the variable.

Topics, their partitions, retention and sizes are declared in `deploy/kafka/topics.yaml`; telescopes
in instrument files (`shared/csstream/instruments`).

This page is made by `docs/make_configuration.py`.
"""
PLAIN = {  # settings whose class says nothing about them
    "log_level": "what is logged",
    "inputs": "directories or FITS files to announce",
    "state": "SQLite file that remembers what was announced",
    "sequence": "name of the run of exposures",
    "watch": "stay, and announce files as they become complete",
}
SECTIONS = {
    "Every service": (ServiceSettings, ""),
    "Publisher": (PublisherSettings, "`csstream publish`"),
    "Detection": (settings_class("detection"), "`csstream serve detection`"),
    "Lightcurves": (settings_class("lightcurves"), "`csstream serve lightcurves`"),
    "Classifier": (settings_class("classifier"), "`csstream serve classifier`"),
    "Subscriber": (SubscriberSettings, "`csstream alerts` and the Python iterator"),
}


def page() -> str:
    """Return the whole page."""
    return HEAD + "".join(
        section(title, kind, command) for title, (kind, command) in SECTIONS.items()
    )


def section(title: str, kind: type[ServiceSettings], command: str) -> str:
    """Return the table of the settings that a class adds to those of every service."""
    common = {} if kind is ServiceSettings else ServiceSettings.model_fields
    rows = [row(n, f, comments(kind)) for n, f in kind.model_fields.items() if n not in common]
    intro = f"{command}\n\n" if command else ""
    return f"\n## {title}\n\n{intro}| variable | meaning | default |\n|---|---|---|\n" + "".join(
        rows
    )


def row(name: str, field: FieldInfo, notes: dict[str, str]) -> str:
    """Return one line of a table."""
    meaning = field.description or notes.get(name) or PLAIN.get(name, "")
    if typing.get_origin(field.annotation) is typing.Literal:
        choices = ", ".join(f"`{choice}`" for choice in typing.get_args(field.annotation))
        meaning = f"{meaning} ({choices})".strip()
    default = default_text(field.get_default(call_default_factory=True, validated_data={}))
    assert meaning, f"{flag_of(name)} has no description"
    return f"| `{variable_of(name)}` | {meaning} | `{default}` |\n"


def comments(kind: type[ServiceSettings]) -> dict[str, str]:
    """Return the comments beside the fields of a class, for those without a description."""
    source = inspect.getsource(kind)
    return dict(re.findall(r"^    (\w+): .*?  # (.+)$", source, re.MULTILINE))


if __name__ == "__main__":
    TARGET.write_text(page(), encoding="utf-8")
