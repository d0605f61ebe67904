"""The paper's Figures 11 to 13 and the reliability of the probabilities, drawn."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from csstream.evaluate.classification_examples import Example

Summary = dict[str, Any]

INK, GREY = "#1a202c", "#a0aec0"
COLOURS = {
    "reference": "#2b6cb0",
    "fit": "#6b46c1",
    "network": "#c05621",
    "classical": "#2f855a",
}
PAPER_ONSET = 1.7  # of equation 5, below which the paper finds no transits
POINTS = 1.6


def draw_confusion(content: Summary) -> Figure:
    """Figure 11: counts by true class and by the class that a star is called."""
    arms, kinds = content["arms"], content["kinds"]
    figure = Figure(figsize=(3.9 * len(arms), 3.7), layout="constrained")
    for axes, arm in zip(np.ravel(figure.subplots(1, len(arms))), arms.values(), strict=True):
        table = np.array(arm["confusion"], float)
        total = np.maximum(table.sum(axis=1, keepdims=True), 1.0)
        axes.imshow(table / total, cmap="Blues", vmin=0.0, vmax=1.0)
        for (i, j), count in np.ndenumerate(table):
            dark = count / total[i, 0] > 0.5
            colour = "white" if dark else INK
            axes.text(j, i, f"{int(count)}", ha="center", va="center", color=colour, fontsize=9)
        axes.set_xticks(range(len(kinds)), kinds, fontsize=8)
        axes.set_yticks(range(len(kinds)), kinds, fontsize=8)
        axes.set_xlabel("called", fontsize=9)
        axes.set_ylabel("true", fontsize=9)
        axes.set_title(arm["title"], fontsize=9)
    return figure


def draw_accuracy(content: Summary, key: str = "by_snr") -> Figure:
    """Figure 12: share called periodic over equation 5, for each kind and arm, 95 % limits."""
    kinds = [kind for kind in content["kinds"] if kind != "none"]
    figure = Figure(figsize=(4.0 * len(kinds), 3.6), layout="constrained")
    for axes, kind in zip(np.ravel(figure.subplots(1, len(kinds))), kinds, strict=True):
        for number, (name, arm) in enumerate(content["arms"].items()):
            _draw_rates(axes, arm[key][kind], name, arm["title"], 0.04 * (number - 1))
        axes.axvline(PAPER_ONSET, color=GREY, lw=0.8, ls=":")
        axes.set(title=kind, ylim=(-0.03, 1.03), xlabel="amplitude / σ₁ (equation 5)")
    figure.axes[0].set_ylabel("share called periodic")
    figure.axes[0].legend(fontsize=7, loc="lower right")
    return figure


def _draw_rates(
    axes: Axes, rows: Sequence[Mapping[str, float]], name: str, title: str, shift: float
) -> None:
    known = [row for row in rows if row["total"] > 0]
    if not known:
        return
    value = np.array([row["value"] for row in known])
    middle = np.array([0.5 * (row["from"] + row["to"]) for row in known]) + shift
    low = value - np.array([row["low"] for row in known])
    high = np.array([row["high"] for row in known]) - value
    axes.errorbar(
        middle, value, [low, high], marker="o", ms=3.5, lw=1.0, capsize=2,
        color=COLOURS.get(name, GREY), label=title,
    )  # fmt: skip


def draw_examples(shown: Sequence[Example]) -> Figure | None:
    """Figure 13: true curves and what two arms measured; nothing where there are no examples."""
    if not shown:
        return None
    columns = 2
    rows = -(-len(shown) // columns)
    figure = Figure(figsize=(11.5, 2.5 * rows), layout="constrained")
    places = np.ravel(figure.subplots(rows, columns))
    for axes, example in zip(places, shown, strict=False):
        _draw_example(axes, example)
    for axes in places[len(shown) :]:
        axes.set_visible(False)
    places[0].legend(fontsize=7, markerscale=3, loc="lower left")
    return figure


def _draw_example(axes: Axes, example: Example) -> None:
    for name, flux in example.measured.items():
        colour = COLOURS.get(name, GREY)
        axes.plot(example.time, flux, ".", ms=POINTS, color=colour, alpha=0.6, label=name)
    order = np.argsort(example.time)
    axes.plot(example.time[order], example.truth[order], color=INK, lw=1.0, label="true")
    every = np.concatenate([np.ravel(f) for f in example.measured.values()])
    every = every[np.isfinite(every)]
    if every.size:
        low, high = np.percentile(every, [2, 98])
        margin = 0.25 * (high - low) + 1e-4
        axes.set_ylim(low - margin, high + margin)
    axes.set_title(example.title, fontsize=9)
    axes.set_xlabel("phase" if example.folded else "time [d]", fontsize=8)
    axes.set_ylabel("relative flux", fontsize=8)


def draw_reliability(card: Mapping[str, Any]) -> Figure:
    """Stated against true share of variables on the test stars of the training run."""
    figure = Figure(figsize=(4.4, 4.0), layout="constrained")
    axes = figure.subplots()
    axes.plot([0, 1], [0, 1], color=GREY, lw=0.8)
    parts = (("test", card.get("kind", "ships"), "#2b6cb0"), ("test_other", "the other", "#c05621"))
    for key, label, colour in parts:
        if key in card:
            bins = card[key]["reliability"]["bins"]
            stated, found = ([row[n] for row in bins] for n in ("stated", "found"))
            error = [np.sqrt(max(f * (1 - f), 0.01) / row["n"])
                     for f, row in zip(found, bins, strict=True)]  # fmt: skip
            axes.errorbar(stated, found, error, marker="o", ms=4, color=colour, label=label)
    axes.set(xlabel="stated probability of a variable", ylabel="share of variables")
    axes.legend(fontsize=8)
    return figure
