"""What a survey against the truth leaves behind: a JSON file and one self-contained page."""

from __future__ import annotations

from importlib import resources
from pathlib import Path
from typing import Any, Final

import jinja2
import numpy as np

from csstream.evaluate import survey_figures as figures
from csstream.evaluate.detection import versions, write_json
from csstream.evaluate.page import data_uri, number
from csstream.evaluate.survey_report import JSON_NAME, Part, summarise
from csstream.evaluate.survey_tables import described, overview, recalls

PAGE_NAME: Final = "survey-report.html"


def write_report(folder: Path, parts: dict[str, Part], command: str) -> dict[str, Any]:
    """Write ``survey-report.json`` and ``survey-report.html``; return what the first holds."""
    content = {"command": command, "versions": versions(), **summarise(parts)}
    folder.mkdir(parents=True, exist_ok=True)
    write_json(folder / JSON_NAME, content)
    environment = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined)
    environment.filters["number"] = number
    source = resources.files("csstream.evaluate").joinpath("templates/survey.html.j2")
    page = environment.from_string(source.read_text("utf-8")).render(
        content=content,
        overview=overview(content["parts"]),
        sections=[_section(name, part, content) for name, part in parts.items()],
    )
    (folder / PAGE_NAME).write_text(page, encoding="utf-8")
    return content


def _section(name: str, part: Part, content: dict[str, Any]) -> dict[str, Any]:
    summary = content["parts"][name]
    drawn: list[tuple[str, Any]] = []
    if summary["injected"] is not None:
        drawn += [
            ("Recall against equation 5, of variables with two whole events; bars: 95 %",
             figures.draw_recall(summary["injected"])),
            ("Alerted over true period; a binary may have half or twice its orbit",
             figures.draw_periods(part)),
        ]  # fmt: skip
    drawn += [
        ("Quiet listed stars alerted at any look; dashed: as many as precision 0.99 allows",
         figures.draw_false(summary["quiet"])),
        ("Scatter of constant stars over the joint bound; dashed: the goal",
         figures.draw_scatter(part, np.random.default_rng(0))),
    ]  # fmt: skip
    plots = [(text, data_uri(figure, dpi=90), False) for text, figure in drawn]
    gallery = figures.draw_gallery(part)
    if gallery is not None:
        text = "Folded curves of the first field, missed and false ones first: flux over phase"
        plots.append((text, data_uri(gallery, dpi=90), True))
    text = described(name, summary)
    return {
        "name": name,
        "title": text.split(".")[0],
        "described": text,
        "recalls": list(recalls(summary["injected"])) if summary["injected"] else [],
        "plots": plots,
    }
