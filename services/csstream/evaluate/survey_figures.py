"""The pictures of a survey's page: numbers in, matplotlib figures out."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from csstream.evaluate.survey_looks import ObjectVerdicts
from csstream.evaluate.survey_report import Part
from csstream.evaluate.survey_scores import VARIABLE, right_period
from csstream.evaluation.curve_store import FieldCurves
from csstream.imaging.frames.flags import UNRELIABLE

Float = npt.NDArray[np.float64]
COLOURS: Final = {
    "transit": "#2b6cb0",
    "eclipsing": "#c05621",
    "pulsating": "#2f855a",
    "all": "#1a202c",
}
GREY: Final = "#a0aec0"
GALLERY: Final = 12  # curves shown
FLOOR, GOAL = 0.93, 0.97


def draw_recall(summary: dict[str, Any]) -> Figure:
    """Draw recall over equation 5 with its limits, each kind of variable and all."""
    figure, axes = _axes(7.0, 4.0)
    rows = summary["recall_over_snr"]
    middle = np.array([0.5 * (row["low"] + row["high"]) for row in rows])
    for shift, name in enumerate((*VARIABLE, "all")):
        cells = [row[name] for row in rows]
        seen = np.array([cell["n"] > 0 for cell in cells])
        value = np.array([cell["value"] or 0.0 for cell in cells])
        low = value - np.array([cell["low"] for cell in cells])
        high = np.array([cell["high"] for cell in cells]) - value
        axes.errorbar(
            (middle + 0.03 * (shift - 1.5))[seen],
            value[seen],
            np.maximum(np.stack([low, high])[:, seen], 0.0),
            color=COLOURS[name],
            marker="o",
            ms=4 if name != "all" else 6,
            lw=1 if name != "all" else 2,
            label=name,
        )
    axes.axvline(2.0, color=GREY, lw=1, ls=":")
    axes.set(xlabel="A/σ₁ (equation 5)", ylabel="recall, two whole events", ylim=(-0.02, 1.02))
    axes.legend(frameon=False, fontsize=9)
    return figure


def draw_periods(part: Part) -> Figure:
    """Draw alerted over true periods of the variables found."""
    figure, axes = _axes(7.0, 4.0)
    stars = part.stars
    for name in VARIABLE:
        of = stars.found & stars.scorable & (stars.kind == name)
        axes.plot(stars.period[of], stars.ratio[of], ".", color=COLOURS[name], label=name, ms=5)
    axes.set(xscale="log", yscale="log", xlabel="true period [day]", ylabel="alerted over true",
             ylim=(0.2, 5.0))  # fmt: skip
    _plain_ticks(axes.xaxis, (0.2, 0.5, 1.0, 2.0, 5.0, 10.0))
    _plain_ticks(axes.yaxis, (0.25, 0.5, 1.0, 2.0, 4.0))
    for ratio in (0.5, 1.0, 2.0):
        axes.axhline(ratio, color=GREY, lw=0.8, ls=":", zorder=0)
    axes.legend(frameon=False, fontsize=9)
    return figure


def draw_false(summary: dict[str, Any]) -> Figure:
    """Draw the share of quiet stars that were alerted, over magnitude, with its limits."""
    figure, axes = _axes(7.0, 3.4)
    rows = [row for row in summary["over_magnitude"] if row["alerted"]["n"]]
    middle = [0.5 * (row["low"] + row["high"]) for row in rows]
    value = np.array([row["alerted"]["value"] for row in rows])
    low = np.array([row["alerted"]["low"] for row in rows])
    high = np.array([row["alerted"]["high"] for row in rows])
    axes.vlines(middle, np.maximum(low, 1e-6), high, color=GREY, lw=4)
    axes.plot(np.array(middle)[value > 0.0], value[value > 0.0], "o", color=COLOURS["all"])
    axes.axhline(2e-4, color=COLOURS["eclipsing"], lw=1, ls="--")
    for place, row in zip(middle, rows, strict=True):
        axes.annotate(
            f"{row['alerted']['k']} of {row['alerted']['n']}",
            (place, 1.3 * row["alerted"]["high"]), ha="center", fontsize=8,
        )  # fmt: skip
    axes.set(yscale="log", ylim=(1e-6, 1.0), xlabel="magnitude", ylabel="quiet stars alerted")
    return figure


def draw_scatter(part: Part, rng: np.random.Generator) -> Figure:
    """Draw the scatter of constant stars over the joint bound, a random choice of them."""
    figure, axes = _axes(7.0, 3.4)
    stars = part.scatter
    rows = rng.permutation(stars.mag.size)[:4000]
    axes.plot(stars.mag[rows], stars.over_joint[rows], ".", ms=2, alpha=0.4, color=COLOURS["all"])
    axes.axhline(1.0, color=GREY, lw=1)
    axes.axhline(1.05, color=COLOURS["pulsating"], lw=1, ls="--")
    axes.set(ylim=(0.6, 1.8), xlabel="magnitude", ylabel="scatter over the joint bound")
    return figure


def draw_gallery(part: Part) -> Figure | None:
    """Draw folded curves of the first field: missed and false ones first, then found ones."""
    if not part.gallery:
        return None
    curves, verdicts = part.gallery[0]
    chosen = list(_chosen(part, curves, verdicts))[:GALLERY]
    if not chosen:
        return None
    rows = -(-len(chosen) // 3)
    figure = Figure(figsize=(10.5, 2.1 * rows), layout="constrained")
    for number, (row, period, text, colour) in enumerate(chosen, start=1):
        axes = figure.add_subplot(rows, 3, number)
        _folded(axes, curves, row, period, colour)
        axes.set_title(text, fontsize=8)
        axes.tick_params(labelsize=7)
    return figure


def _chosen(
    part: Part, curves: FieldCurves, verdicts: ObjectVerdicts
) -> Iterator[tuple[int, float, str, str]]:
    """Yield (row, period to fold by, title, colour)."""
    truth, kind, star = curves.truth, curves.kind, curves.objects.star
    wanted = (kind != "none") & (truth.events[np.maximum(star, 0)] >= 2)
    strong = wanted & (truth.snr[np.maximum(star, 0)] >= 2.0)
    for row in np.flatnonzero(strong & ~verdicts.standing)[:4]:
        s = star[row]
        text = f"missed {kind[row]}, i = {truth.mag[s]:.1f}, S/N {truth.snr[s]:.1f}"
        yield int(row), float(truth.period[s]), text, "#c53030"
    for row in np.flatnonzero(curves.quiet & verdicts.alerted)[:4]:
        period = float(verdicts.look_period[row])
        text = f"false alert, i = {curves.objects.mag[row]:.1f}, {period:.3f} d"
        yield int(row), period, text, "#97266d"
    for row in np.flatnonzero(strong & verdicts.standing)[:: max(1, int(strong.sum()) // 8)]:
        s = star[row]
        right = right_period(str(kind[row]), float(verdicts.period[row] / truth.period[s]))
        mark = "" if right else ", other period"
        text = f"{kind[row]}, i = {truth.mag[s]:.1f}, S/N {truth.snr[s]:.1f}{mark}"
        yield int(row), float(truth.period[s]), text, COLOURS[str(kind[row])]


def _folded(axes: Axes, curves: FieldCurves, row: int, period: float, colour: str) -> None:
    good = (curves.flags[row] & int(UNRELIABLE)) == 0
    flux = np.where(good, curves.flux[row], np.nan) / np.nanmedian(curves.flux[row])
    if not np.isfinite(period) or period <= 0.0:
        axes.plot(curves.time - curves.time[0], flux, ".", ms=1.5, color=colour)
        return
    star = curves.objects.star[row]
    zero = curves.truth.t0[star] if star >= 0 else curves.time[0]
    zero = zero if np.isfinite(zero) else curves.time[0]
    phase = np.mod((curves.time - zero) / period + 0.5, 1.0) - 0.5
    axes.plot(phase, flux, ".", ms=1.5, color=GREY)
    low, high = np.nanpercentile(flux, (0.3, 99.7))  # accidents may lie outside
    axes.set_ylim(low - 0.1 * (high - low), high + 0.1 * (high - low))
    bins = np.floor((phase + 0.5) * 50).astype(int)
    mean = [np.nanmedian(flux[bins == b]) if np.any(bins == b) else np.nan for b in range(50)]
    axes.plot((np.arange(50) + 0.5) / 50 - 0.5, mean, "-", lw=1.2, color=colour)


def _plain_ticks(axis: Axis, places: tuple[float, ...]) -> None:
    """Label a logarithmic axis at these places, as numbers without powers, and nowhere else."""
    axis.set_major_locator(FixedLocator(places))
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axis.set_minor_locator(NullLocator())


def _axes(width: float, height: float) -> tuple[Figure, Axes]:
    figure = Figure(figsize=(width, height), layout="constrained")
    return figure, figure.add_subplot()
