"""Alerts as rows of a table that grows: columns of fixed width, so that it can be followed."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Final, NamedTuple

from rich.text import Text

from csstream.contracts.records import Alert
from csstream.subscriber.text import fap_text, folded_snr, position_text, with_error

COLOURS: Final = {
    "transit": "blue",
    "eclipsing": "dark_orange3",
    "pulsating": "magenta",
    "none": "bright_black",
}
GAP: Final = "  "
DROPPED_FIRST: Final = ("events", "depth [%]", "mag", "RA Dec [deg]", "why")  # on narrow terminals


class Column(NamedTuple):
    """One column: heading, width, alignment, and the text of an alert's cell."""

    heading: str
    width: int
    right: bool
    cell: Callable[[Alert], str]


def _number(value: float, form: str) -> str:
    return format(value, form) if math.isfinite(value) else "–"


def _probability(alert: Alert) -> str:
    ranked = sorted(alert.probabilities.items(), key=lambda item: -item[1])
    return " ".join(f"{kind[0].upper()}{value:.2f}" for kind, value in ranked[:2])


COLUMNS: Final = (
    Column("visit", 6, True, lambda a: str(a.visit)),
    Column("object", 15, True, lambda a: str(a.object_id)),
    Column("why", 20, False, lambda a: a.reason.replace("_", " ")),
    Column("class", 9, False, lambda a: a.kind),
    Column("RA Dec [deg]", 20, False, position_text),
    Column("mag", 6, True, lambda a: _number(a.mag, ".3f")),
    Column("period [d]", 23, True, lambda a: with_error(a.period, a.period_err)),
    Column("depth [%]", 15, True, lambda a: with_error(100 * a.depth, 100 * a.depth_err)),
    Column("S/N", 6, True, lambda a: _number(folded_snr(a), ".1f")),
    Column("FAP", 7, True, fap_text),
    Column("probable", 11, False, _probability),
    Column("events", 6, True, lambda a: str(a.events)),
)


def fitting(width: int | None) -> tuple[Column, ...]:
    """Return the columns that fit into ``width`` characters; None: all of them."""
    columns = list(COLUMNS)
    for dropped in DROPPED_FIRST:
        if width is None or sum(c.width + len(GAP) for c in columns) - len(GAP) <= width:
            break
        columns = [c for c in columns if c.heading != dropped]
    return tuple(columns)


def heading(columns: tuple[Column, ...] = COLUMNS) -> Text:
    """Return the table's first line."""
    return Text(_line([column.heading for column in columns], columns), style="bold")


def row(alert: Alert, columns: tuple[Column, ...] = COLUMNS) -> Text:
    """Return one alert's line, coloured by its class."""
    return Text(_line([c.cell(alert) for c in columns], columns), style=COLOURS[alert.kind])


def _line(cells: list[str], columns: tuple[Column, ...]) -> str:
    sized = [
        text.rjust(column.width) if column.right else text.ljust(column.width)
        for text, column in zip(cells, columns, strict=True)
    ]
    return GAP.join(sized).rstrip()
