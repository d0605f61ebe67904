"""``evaluation.html``: one self-contained page about an evaluation."""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping, Sequence
from importlib import resources
from math import isfinite
from pathlib import Path
from typing import Any

import jinja2
from matplotlib.figure import Figure

from csstream.evaluate import figures, paper
from csstream.evaluate.store import SceneResult
from csstream.evaluate.summary import judged_arm
from csstream.evaluation.photometry import Pairs, pairs_of

Summary = dict[str, Any]
PULLS_OF = ("network+fit:given", "network+fit:estimated", "oracle-list:given", "oracle:given")
HIDDEN = "-every:"  # oracles over stars that nobody can list: in the JSON file only


def write_page(path: Path, content: Summary, results: Sequence[Sequence[SceneResult]]) -> None:
    """Write the page of an evaluation's content and the scenes of each of its kinds."""
    environment = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined)
    environment.filters |= {"number": number, "signed": signed}
    source = resources.files("csstream.evaluate").joinpath("templates/evaluation.html.j2")
    template = environment.from_string(source.read_text("utf-8"))
    kinds = [
        kind_section(summary, scenes, in_full=k == 0)
        for k, (summary, scenes) in enumerate(zip(content["kinds"], results, strict=True))
    ]
    page = template.render(
        title="Detection, astrometry and photometry against the truth",
        command=content["command"],
        versions=content["versions"],
        model=content.get("model"),
        outcomes=content.get("must_hold"),
        kinds=kinds,
        repeated=repeated_section(content.get("repeatability")),
    )
    path.write_text(page, encoding="utf-8")


def kind_section(
    summary: Summary, scenes: Sequence[SceneResult], *, in_full: bool
) -> dict[str, Any]:
    """Return what the page shows of one kind of scene: everything, or the main figures."""
    with_paper = in_full and paper.applies(summary)
    arms = {name: arm for name, arm in summary["arms"].items() if HIDDEN not in name}
    first = next(iter(arms.values()))["photometry"]
    section: dict[str, Any] = {
        "heading": _heading(summary["conditions"]),
        "facts": _facts(summary),
        "rows": [
            {"title": figures.title(name), "cells": _cells(arm)} for name, arm in arms.items()
        ],
        "best": summary["bound"]["best_recall"],
        "bins": [f"{row['low']:g}–{row['high']:g}" for row in first],
        "widths": [
            {"title": figures.title(name), "cells": _widths(arm)} for name, arm in arms.items()
        ],
        "sigmas": [1000.0 * row["sigma"] for row in first],
        "plots": list(_plots(summary, scenes, all_of_them=in_full)),
        "verdict": paper.verdict(summary) if with_paper else None,
        "claims": _claims(arms),
        "paper_plot": data_uri(paper.draw_paper(summary)) if with_paper else None,
    }
    return section


def _plots(
    summary: Summary, scenes: Sequence[SceneResult], *, all_of_them: bool
) -> list[tuple[str, str]]:
    limit = summary["conditions"]["scored_to"]
    names = [name for name in PULLS_OF if name in summary["arms"]]
    main = next(iter(figures.shown(summary["arms"])))
    drawn = [
        (
            "Scatter and bias over the bound; yellow: the floor, green: the goal.",
            figures.draw_over_bound(summary),
        )
    ]
    if all_of_them:
        pairs = {name: pairs_of(judged_arm(scenes, name, limit)) for name in names}
        lead: Pairs = (
            pairs_of(judged_arm(scenes, main, limit)) if main not in pairs else pairs[main]
        )
        drawn = [
            ("Completeness and precision.", figures.draw_scores(summary)),
            ("Differences of the magnitudes.", figures.draw_differences(lead, main, limit)),
            *drawn,
            ("Positions.", figures.draw_positions(summary)),
            ("Errors over the quoted errors.", figures.draw_pulls(pairs, limit)),
            ("Crowding.", figures.draw_crowding(summary)),
        ]
    return [(text, data_uri(figure)) for text, figure in drawn]


def _heading(facts: Mapping[str, Any]) -> str:
    if "r80_arcsec" in facts:
        width = f"R80 {facts['r80_arcsec']:g}″"
    elif "fwhm_arcsec" in facts:
        width = f"FWHM {facts['fwhm_arcsec']:g}″"
    else:
        return str(facts["label"])
    return f"{facts['instrument']}: {width}, sky {facts['sky']:g} e⁻/s/px"


def _facts(summary: Summary) -> str:
    sky, facts = summary["sky"], summary["conditions"]
    text = (
        f"{sky['scenes']} scenes, {sky['mpx']:g} Mpx, {sky['stars']:,} stars, {sky['scored']:,} of "
        f"them scored ({facts['scored_to']:g} mag and brighter), "
        f"{100 * sky['inseparable']:.1f} % of these inseparable"
    )
    for key in ("zero_point", "exposure_time", "density", "psf_jitter", "optics", "detector"):
        if key in facts:
            text += f" · {key.replace('_', ' ')} {facts[key]}"
    return text


def _cells(arm: Summary) -> list[str]:
    over, errors = arm["over"], arm["errors"]
    oracle = over.get("f1_lenient_over_oracle", [None])[-1]
    values = [row["recall"] for row in arm["lenient"]] + [row["f1"] for row in arm["lenient"]]
    values += [oracle, over["recall_over_bound"][0], arm["strict"][-1]["f1"]]
    values += [errors["mean_abs_dm"], errors["median_abs_dm"]]
    cells = [number(value, 3) for value in values]
    cells += [number(errors[f"{name}_pull"], 2) for name in ("flux", "position")]
    cells.append(number(arm["false_bright"]["per_1000_scored"], 2))
    return [*cells, number(arm["seconds_per_mpx"], 1)]


def _widths(arm: Summary) -> list[tuple[float, float]]:
    return [(row["width_over_bound"], row["bias_over_sigma"]) for row in arm["photometry"]]


def _claims(arms: Summary) -> list[dict[str, Any]]:
    keys = ("recall", "precision", "f1", "mean_abs_dm")
    claimed = [(name, [claim[key] for key in keys]) for name, claim in paper.CLAIMS.items()]
    rows: list[dict[str, Any]] = [
        {"title": f"the paper's {name}", "cells": [*cells, None]} for name, cells in claimed
    ]
    for name in figures.shown(arms):
        arm = arms[name]
        cells = [arm["lenient"][0][key] for key in keys[:3]]
        cells += [arm["errors_by_radius"][0]["mean_abs_dm"], arm["errors"]["mean_abs_dm"]]
        rows.append({"title": figures.title(name), "cells": cells})
    return rows


def repeated_section(repeated: Summary | None) -> dict[str, Any] | None:
    """Return what the page shows of repeated exposures."""
    if not repeated:
        return None
    rows = []
    for name, bins in repeated["arms"].items():
        title = figures.title(name)
        for what, key, digits in (
            ("scatter over bound", "over_bound", 2),
            ("scatter [mmag]", "scatter", 1),
            ("found in 80 % of the exposures", "found", 3),
        ):
            factor = 1000.0 if key == "scatter" else 1.0
            cells = [number(factor * row[key], digits) for row in bins]
            rows.append({"title": title, "what": what, "cells": cells})
            title = ""
    first = next(iter(repeated["arms"].values()))
    return {
        "text": (
            f"{repeated['realisations']} exposures of one scene of {repeated['mpx']:g} Mpx with "
            "the same stars, each found and measured anew; medians over the stars of a bin."
        ),
        "plot": data_uri(figures.draw_repeatability(repeated)),
        "bins": [f"{row['low']:g}–{row['high']:g}" for row in first],
        "rows": rows,
    }


def data_uri(figure: Figure, dpi: int = 100) -> str:
    """Return a figure as a PNG inside a ``data:`` URI."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=dpi)
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode("ascii")


def number(value: float | None, digits: int) -> str:
    """Return a number with so many digits behind the point, a dash where there is none."""
    return f"{value:.{digits}f}" if value is not None and isfinite(value) else "–"


def signed(value: float | None, digits: int) -> str:
    """Return a number with its sign."""
    return f"{value:+.{digits}f}" if value is not None and isfinite(value) else "–"
