"""The page's plots of one kind of scene: numbers in, matplotlib figures out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from csstream.evaluation.photometry import Pairs, magnitude_edges

Summary = dict[str, Any]
Float = npt.NDArray[np.float64]

INK, GREY = "#1a202c", "#a0aec0"
COLOURS = {
    "network+fit": "#2b6cb0",
    "network": "#c05621",
    "classical": "#2f855a",
    "classical+fit": "#97266d",
    "oracle": "#4a5568",
    "oracle-list": "#b7791f",
}
TITLES = {
    "network+fit": "network and joint fit",
    "network": "network alone",
    "classical": "classical",
    "classical+fit": "classical finder, joint fit",
    "oracle": "oracle",
    "oracle-list": "oracle of the separable stars",
}
DASHES = {"given": "-", "estimated": "--"}


def colour(name: str) -> str:
    """Return an arm's colour; ``name`` may have the PSF behind it."""
    return COLOURS.get(name.split(":")[0], GREY)


def title(name: str) -> str:
    """Return an arm's name for people, with the PSF where it is estimated."""
    arm, _, psf = name.partition(":")
    faintest = arm.removeprefix("oracle")
    known = f"oracle, stars to {faintest}" if arm != faintest else arm
    return TITLES.get(arm, known) + (", PSF estimated" if psf == "estimated" else "")


def shown(arms: Mapping[str, Any], *, estimated: bool = False) -> list[str]:
    """Return the arms to draw, in the order of their colours."""
    psfs = ("given", "estimated") if estimated else ("given",)
    wanted = (f"{arm}:{psf}" for arm in COLOURS for psf in psfs)
    return [name for name in wanted if name in arms]


def middles(rows: list[dict[str, float]]) -> Float:
    """Return the middles of the bins, (n,)."""
    return np.array([0.5 * (row["low"] + row["high"]) for row in rows])


def column(rows: list[dict[str, float]], name: str) -> Float:
    """Return a column of a table of rows, (n,)."""
    return np.array([row[name] for row in rows], np.float64)


def draw_scores(summary: Summary) -> Figure:
    """Completeness and precision over magnitude within half a pixel."""
    figure = Figure(figsize=(11.5, 4.2), layout="constrained")
    left, right = figure.subplots(1, 2, sharey=True)
    for name in shown(summary["arms"]):
        rows = summary["arms"][name]["by_magnitude"]
        style: dict[str, Any] = {
            "color": colour(name),
            "marker": "o",
            "ms": 3.5,
            "label": title(name),
        }
        left.plot(middles(rows), column(rows, "recall"), **style)
        found = column(rows, "finds") > 0
        right.plot(middles(rows)[found], column(rows, "precision")[found], **style)
    left.set(title="completeness", xlabel="true magnitude", ylabel="share within 0.5 px")
    right.set(title="precision", xlabel="measured magnitude")
    left.set_ylim(0.3, 1.01)
    right.legend(fontsize=8)
    return finished(figure)


def draw_differences(pairs: Pairs, name: str, limit: float) -> Figure:
    """Δm over magnitude, with the bound's envelope."""
    figure = Figure(figsize=(11.5, 4.6), layout="constrained")
    axes = figure.subplots()
    steps = np.arange(np.floor(pairs.mag.min(initial=limit - 6.0)), limit + 0.01, 0.25)
    half = 0.45
    known = np.isfinite(pairs.miss)
    axes.hist2d(
        pairs.mag[known],
        pairs.miss[known],
        bins=(220, 160),
        range=((steps[0], limit), (-half, half)),
        cmap="Blues",
        norm="log",
    )
    centre = 0.5 * (steps[1:] + steps[:-1])
    low, middle, high, bound = np.array([_spread(pairs, a, a + 0.25) for a in steps[:-1]]).T
    axes.plot(centre, middle, color="#c05621", lw=1.4, label="median of Δm")
    axes.fill_between(centre, low, high, color="#c05621", alpha=0.18, label="68 % of Δm")
    axes.plot(centre, bound, color=INK, lw=1.2, ls="--", label="median bound, ±σ")
    axes.plot(centre, -bound, color=INK, lw=1.2, ls="--")
    axes.set(xlabel="true magnitude", ylabel="Δm = measured − true [mag]", ylim=(-half, half))
    axes.set_title(title(name), loc="left", fontsize=10)
    axes.legend(fontsize=8, loc="upper left")
    return finished(figure)


def draw_over_bound(summary: Summary) -> Figure:
    """Scatter over the bound, and bias over the bound, by magnitude."""
    figure = Figure(figsize=(11.5, 4.2), layout="constrained")
    left, right = figure.subplots(1, 2)
    for name in shown(summary["arms"], estimated=True):
        rows = summary["arms"][name]["photometry"]
        psf = name.partition(":")[2]
        style: dict[str, Any] = {"color": colour(name), "ls": DASHES[psf], "marker": "o", "ms": 3.5}
        left.plot(middles(rows), column(rows, "width_over_bound"), label=title(name), **style)
        right.plot(middles(rows), column(rows, "bias_over_sigma"), **style)
    left.axhline(1.0, color=INK, lw=0.8)
    for axes, floor, goal in (
        (left, (0.5, 1.15), (0.5, 1.05)),
        (right, (-0.15, 0.15), (-0.03, 0.03)),
    ):
        axes.axhspan(*floor, color="#d69e2e", alpha=0.10, lw=0)
        axes.axhspan(*goal, color="#2f855a", alpha=0.14, lw=0)
    left.set(ylim=(0.5, 8.0), xlabel="true magnitude", ylabel="robust width of Δm/σ per star")
    left.set_yscale("log")
    left.set_yticks([0.5, 1, 2, 4, 8], ["0.5", "1", "2", "4", "8"])
    left.set_yticks([], minor=True)
    right.set(xlabel="true magnitude", ylabel="median of Δm/σ per star", ylim=(-1.5, 1.5))
    left.legend(fontsize=7.5)
    return finished(figure)


def draw_positions(summary: Summary) -> Figure:
    """Scatter of the positions beside their bound."""
    figure = Figure(figsize=(11.5, 4.2), layout="constrained")
    left, right = figure.subplots(1, 2)
    for name in shown(summary["arms"]):
        rows = summary["arms"][name]["photometry_fine"]
        style: dict[str, Any] = {
            "color": colour(name),
            "marker": "o",
            "ms": 3.5,
            "label": title(name),
        }
        left.plot(middles(rows), column(rows, "position_scatter"), **style)
        bins = summary["arms"][name]["photometry"]
        right.plot(middles(bins), column(bins, "position_over_bound"), **style)
    first = summary["arms"][shown(summary["arms"])[0]]["photometry_fine"]
    left.plot(middles(first), column(first, "position_sigma"), color=INK, ls="--", label="bound")
    left.set(yscale="log", xlabel="true magnitude", ylabel="scatter of x and y [pixel]")
    right.set(xlabel="true magnitude", ylabel="robust width of Δx/σ", ylim=(0.5, 4.0))
    right.axhline(1.0, color=INK, lw=0.8)
    left.legend(fontsize=8)
    return finished(figure)


def draw_pulls(pairs: Mapping[str, Pairs], limit: float) -> Figure:
    """Errors over the quoted errors, beside a normal distribution."""
    figure = Figure(figsize=(11.5, 3.8), layout="constrained")
    left, right = figure.subplots(1, 2)
    edges = np.linspace(-5.0, 5.0, 81)
    for name, sample in pairs.items():
        usable = sample.mag >= magnitude_edges(limit)[0]
        positions = np.concatenate([sample.x_pull[usable], sample.y_pull[usable]])
        _histogram(left, sample.flux_pull[usable], edges, name)
        _histogram(right, positions, edges, name)
    normal = np.exp(-0.5 * edges**2) / np.sqrt(2.0 * np.pi)
    for axes, what in ((left, "flux"), (right, "position")):
        axes.plot(edges, normal, color=INK, ls="--", lw=1.0, label="normal")
        axes.set(xlabel=f"({what} − truth) / quoted error", yscale="log", ylim=(1e-4, 0.8))
    left.legend(fontsize=8)
    return finished(figure)


def draw_crowding(summary: Summary) -> Figure:
    """Recall and scatter over the bound by the distance to the nearest comparable neighbour."""
    figure = Figure(figsize=(11.5, 4.0), layout="constrained")
    left, right = figure.subplots(1, 2)
    arms = summary["arms"]
    for name in shown(arms):
        rows = arms[name]["crowding"]
        place = np.arange(len(rows))
        style: dict[str, Any] = {
            "color": colour(name),
            "marker": "o",
            "ms": 4,
            "label": title(name),
        }
        left.plot(place, column(rows, "recall"), **style)
        right.plot(place, column(rows, "width_over_bound"), **style)
    labels = [_distance_text(row) for row in rows]
    for axes in (left, right):
        axes.set_xticks(place, labels)
        axes.set_xlabel("distance to the nearest comparable neighbour [pixel]")
    left.set(ylabel="recall within 0.5 px", ylim=(0.0, 1.02))
    right.set(ylabel="robust width of Δm/σ", ylim=(0.0, 4.0))
    right.axhline(1.0, color=INK, lw=0.8)
    left.legend(fontsize=8)
    return finished(figure)


def draw_repeatability(repeated: Summary) -> Figure:
    """Scatter from exposure to exposure, beside its bound, by magnitude."""
    figure = Figure(figsize=(11.5, 4.0), layout="constrained")
    left, right = figure.subplots(1, 2)
    for name, rows in repeated["arms"].items():
        style: dict[str, Any] = {
            "color": colour(name),
            "marker": "o",
            "ms": 4,
            "label": title(name),
        }
        left.plot(middles(rows), 1000.0 * column(rows, "scatter"), **style)
        right.plot(middles(rows), column(rows, "over_bound"), **style)
    left.set(yscale="log", xlabel="true magnitude", ylabel="scatter of a star [mmag]")
    right.set(xlabel="true magnitude", ylabel="scatter over the star's bound", ylim=(0.5, 4.0))
    right.axhline(1.0, color=INK, lw=0.8)
    left.legend(fontsize=8)
    return finished(figure)


def _distance_text(row: dict[str, float]) -> str:
    return f"{row['low']:g}–{row['high']:g}" if np.isfinite(row["high"]) else f"> {row['low']:g}"


def _spread(pairs: Pairs, low: float, high: float) -> tuple[float, float, float, float]:
    inside = (pairs.mag >= low) & (pairs.mag < high) & np.isfinite(pairs.miss)
    if inside.sum() < 5:
        return (float("nan"),) * 4
    a, b, c = np.percentile(pairs.miss[inside], (16, 50, 84))
    return float(a), float(b), float(c), float(np.median(pairs.sigma_mag[inside]))


def _histogram(axes: Axes, values: Float, edges: Float, name: str) -> None:
    known = values[np.isfinite(values)]
    if known.size:
        density, _ = np.histogram(known, edges)
        middle = 0.5 * (edges[1:] + edges[:-1])
        step = density / known.size / (edges[1] - edges[0])
        style: dict[str, Any] = {"color": colour(name), "ls": DASHES[name.partition(":")[2]]}
        axes.step(middle, step, where="mid", label=title(name), **style)


def finished(figure: Figure) -> Figure:
    for axes in figure.axes:
        axes.grid(color="#e2e8f0", lw=0.6)
        axes.set_axisbelow(True)
        for side in ("top", "right"):
            axes.spines[side].set_visible(False)
    return figure
