"""The paper's Figures 6 to 9 in our arms, and what it says itself."""

from __future__ import annotations

from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from csstream.evaluate.figures import (
    GREY,
    INK,
    colour,
    column,
    finished,
    middles,
    shown,
    title,
)

Summary = dict[str, Any]

ARMS = ("network+fit", "network", "classical")
CLAIMS = {
    "PNet": {"recall": 0.899, "precision": 0.95, "f1": 0.924, "mean_abs_dm": 0.055},
    "SExtractor + PSF photometry": {
        "recall": 0.51,
        "precision": 0.83,
        "f1": 0.635,
        "mean_abs_dm": 0.399,
    },
}
"""Within 0.1 pixel, on the image of which 98.7 % of the stamps were trained on."""

BRIGHT_SCATTER = ((17.0, 20.0), (0.001, 0.003))  # [mag] their Figure 9
FAINT_SCATTER = (23.5, 0.43)  # [mag] as their text says


def applies(summary: Summary) -> bool:
    """Return whether a kind of scene is of the paper's kind: simulated, CSST, i < 25 scored."""
    facts = summary["conditions"]
    return facts["instrument"] == "csst-i" and facts["scored_to"] == 25.0 and "density" in facts


def draw_paper(summary: Summary) -> Figure:
    """Figures 6 to 9 of the paper, drawn from our measurements."""
    figure = Figure(figsize=(11.5, 8.6), layout="constrained")
    (counts, scores), (errors, scatter) = figure.subplots(2, 2)
    names = [name for name in shown(summary["arms"]) if name.split(":")[0] in ARMS]
    _figure_6(counts, summary, names)
    _figure_7(scores, summary, names)
    _figure_8(errors, summary, names)
    _figure_9(scatter, summary, names)
    return finished(figure)


def _figure_6(axes: Axes, summary: Summary, names: list[str]) -> None:
    rows = summary["arms"][names[0]]["by_magnitude_strictest"]
    axes.stairs(column(rows, "stars"), _edges(rows), color=INK, ls="--", label="simulated stars")
    for name in names:
        rows = summary["arms"][name]["by_magnitude_strictest"]
        found = column(rows, "stars") * column(rows, "recall")
        axes.stairs(found, _edges(rows), color=colour(name), label=title(name), lw=1.4)
    axes.set(yscale="log", xlabel="magnitude", ylabel="stars found within 0.1 px")
    axes.set_title("as Figure 6: number of stars found", loc="left", fontsize=10)
    axes.legend(fontsize=8, loc="upper left")


def _figure_7(axes: Axes, summary: Summary, names: list[str]) -> None:
    for name in names:
        rows = summary["arms"][name]["by_magnitude_strictest"]
        style: dict[str, Any] = {"color": colour(name), "marker": "o", "ms": 3.5}
        axes.plot(middles(rows), column(rows, "f1"), label=f"{title(name)}, 0.1 px", **style)
        rows = summary["arms"][name]["by_magnitude"]
        axes.plot(middles(rows), column(rows, "f1"), color=colour(name), ls=":", lw=1.2)
    for claim, dash in zip(CLAIMS, ("-", "--"), strict=True):
        axes.axhline(CLAIMS[claim]["f1"], color=GREY, ls=dash, lw=1.0, label=f"paper: {claim}, all")
    axes.set(xlabel="magnitude", ylabel="F1", ylim=(0.0, 1.02))
    axes.set_title("as Figure 7: F1 (dotted: within 0.5 px)", loc="left", fontsize=10)
    axes.legend(fontsize=7.5, loc="lower left")


def _figure_8(axes: Axes, summary: Summary, names: list[str]) -> None:
    for k, name in enumerate(names):
        rows = summary["arms"][name]["photometry_fine"]
        place = middles(rows) + 0.08 * (k - 1)
        axes.errorbar(
            place,
            column(rows, "bias"),
            yerr=column(rows, "scatter"),
            fmt="o",
            ms=3.5,
            capsize=2,
            color=colour(name),
            label=title(name),
        )
    axes.axhline(0.0, color=INK, lw=0.8)
    axes.set(
        xlabel="true magnitude", ylabel="Δm: median and robust scatter [mag]", ylim=(-0.3, 0.3)
    )
    axes.set_title("as Figure 8: errors of the magnitudes", loc="left", fontsize=10)
    axes.legend(fontsize=8, loc="upper left")


def _figure_9(axes: Axes, summary: Summary, names: list[str]) -> None:
    for name in names:
        rows = summary["arms"][name]["photometry_fine"]
        style: dict[str, Any] = {"color": colour(name), "marker": "o", "ms": 3.5}
        axes.plot(middles(rows), column(rows, "scatter"), label=title(name), **style)
    rows = summary["arms"][names[0]]["photometry_fine"]
    axes.plot(middles(rows), column(rows, "sigma"), color=INK, ls="--", label="Cramér–Rao bound")
    (low, high), (least, most) = BRIGHT_SCATTER
    axes.fill_between((low, high), least, most, color=GREY, alpha=0.5, label="paper: PNet, 17–20")
    axes.plot(*FAINT_SCATTER, "*", color=GREY, ms=11, label="paper: PNet at 23.5")
    axes.set(yscale="log", xlabel="true magnitude", ylabel="scatter of Δm [mag]", ylim=(3e-4, 0.6))
    axes.set_title("as Figure 9: scatter of the magnitudes", loc="left", fontsize=10)
    axes.legend(fontsize=7.5, loc="lower right")


def _edges(rows: list[dict[str, float]]) -> list[float]:
    return [row["low"] for row in rows] + [rows[-1]["high"]]


def verdict(summary: Summary) -> list[str]:
    """Return in sentences which of the paper's figures the photons of this scene allow."""
    arms = summary["arms"]
    sentences = [_on_recall(summary["bound"]["best_recall"])]
    if "oracle:given" in arms:
        sentences.append(_on_magnitudes(arms))
    if "classical:given" in arms:
        found = arms["classical:given"]["errors"]["mean_abs_dm"]
        sentences.append(
            f"The paper's classical mean error of 0.399 mag is not a limit of the method: with "
            f"windowed centroids and without smoothing it is {found:.3f} mag for the stars found."
        )
    sentences.append(_on_scatter(next(iter(arms.values()))["photometry_fine"]))
    return sentences


def _on_scatter(rows: list[dict[str, float]]) -> str:
    bound = {row["low"]: row["sigma"] for row in rows}
    faint = next(row["sigma"] for row in rows if row["low"] <= FAINT_SCATTER[0] < row["high"])
    bright = ", ".join(f"{1000.0 * bound[m]:.1f} at {m:g}–{m + 1:g}" for m in (17.0, 18.0, 19.0))
    return (
        f"The median bound is {bright} (in mmag): a scatter of 0.001 to 0.003 mag for magnitudes "
        f"of 17 to 20 is about what the photons allow. At {FAINT_SCATTER[0]} the bound is "
        f"{faint:.3f} mag; the paper's {FAINT_SCATTER[1]} mag is {FAINT_SCATTER[1] / faint:.0f} "
        f"times that, and does not go with its 2 % at 24."
    )


def _on_recall(best: list[float]) -> str:
    claimed = CLAIMS["PNet"]["recall"]
    reach = "is out of reach" if claimed > best[0] else "is allowed"
    return (
        f"The paper reports a recall of {claimed} within 0.1 px. The bound on positions allows "
        f"{best[0]:.3f} within 0.1 px here, {best[1]:.3f} within 0.25 px and {best[2]:.3f} within "
        f"0.5 px, so that figure {reach} for stars that were not seen in training."
    )


def _by_radius(arm: Summary) -> str:
    """Say what a smaller radius does: it keeps the stars that are easy to measure."""
    pairs = zip(arm["errors_by_radius"], arm["lenient"], strict=True)
    parts = [f"{e['mean_abs_dm']:.3f} within {e['radius']:g} px" for e, _ in pairs]
    share = ", ".join(f"{row['recall']:.2f}" for row in arm["lenient"])
    return (
        f"The radius matters: all pairs of that fit have {', '.join(parts)}, at recalls of "
        f"{share}; the paper's figure goes with a recall of {CLAIMS['PNet']['recall']}."
    )


def _on_magnitudes(arms: Summary) -> str:
    claimed = CLAIMS["PNet"]["mean_abs_dm"]
    every = arms["oracle-every:given"]["errors"]["mean_abs_dm"]
    listed = arms["oracle:given"]["errors"]["mean_abs_dm"]
    low = min(every, listed)
    place = "below both" if claimed < low else "between the two" if claimed < every else "above"
    return (
        f"A fit that starts at the truth has a mean |Δm| of {every:.3f} mag over all stars found, "
        f"{listed:.3f} mag without the stars that cannot be separated; the paper's {claimed} mag "
        f"lies {place}. {_by_radius(arms['oracle-every:given'])}"
    )
