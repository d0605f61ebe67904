"""``classification.html`` and ``classification.json``: what an evaluation leaves behind."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import resources
from pathlib import Path
from typing import Any

import jinja2
from matplotlib.figure import Figure

from csstream.evaluate.classification import summarise
from csstream.evaluate.classification_examples import examples
from csstream.evaluate.classification_figures import (
    draw_accuracy,
    draw_confusion,
    draw_examples,
    draw_reliability,
)
from csstream.evaluate.detection import versions, write_json
from csstream.evaluate.page import data_uri, number
from csstream.evaluation.classified import Classified
from csstream.inference.cards import ModelCard

JSON_NAME, PAGE_NAME = "classification.json", "classification.html"
FIGURES = ("figure-11", "figure-12", "figure-12-alerts", "figure-13", "reliability")
BEST, RIVAL = "reference", "classical"  # arms of Figure 13


def write_outputs(
    folder: Path,
    runs: Mapping[str, Path],
    found: Mapping[str, Classified],
    card: ModelCard,
    command: str,
    plan: Mapping[str, Any],
) -> dict[str, Any]:
    """Write page, figures as PNG and JSON file; return what the last holds."""
    folder.mkdir(parents=True, exist_ok=True)
    content: dict[str, Any] = {
        "command": command,
        "model": card.version,
        "noise": ", ".join(card.values.get("noise", ["unknown noise"])),
        "versions": versions(),
        "plan": dict(plan),
        **summarise(found),
    }
    write_json(folder / JSON_NAME, content)
    drawn = _figures(content, runs, found, card)
    for name, figure in drawn.items():
        figure.savefig(folder / f"{name}.png", dpi=110)
    _write_page(folder / PAGE_NAME, content, drawn)
    return content


def _figures(
    content: dict[str, Any],
    runs: Mapping[str, Path],
    found: Mapping[str, Classified],
    card: ModelCard,
) -> dict[str, Figure]:
    shown = None
    if BEST in found and RIVAL in found:
        both = {arm: runs[arm] for arm in (RIVAL, BEST)}
        shown = draw_examples(examples(both, found, BEST, RIVAL))
    drawn = (
        draw_confusion(content),
        draw_accuracy(content),
        draw_accuracy(content, "alerted_by_snr"),
        shown,
        draw_reliability(card.values) if "test" in card.values else None,
    )
    pairs = zip(FIGURES, drawn, strict=True)
    return {name: figure for name, figure in pairs if figure is not None}


def _write_page(path: Path, content: Mapping[str, Any], drawn: Mapping[str, Figure]) -> None:
    environment = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined)
    environment.filters["limits"] = _limits
    source = resources.files("csstream.evaluate").joinpath("templates/classification.html.j2")
    template = environment.from_string(source.read_text("utf-8"))
    plots = {name: data_uri(figure) for name, figure in drawn.items()}
    path.write_text(template.render(**content, plots=plots), encoding="utf-8")


def _limits(value: Mapping[str, Any], digits: int) -> str:
    low, high = number(value["low"], digits), number(value["high"], digits)
    return f"{number(value['value'], digits)} [{low}, {high}]"
