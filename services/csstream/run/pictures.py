"""The report's pictures: matplotlib figures in, PNG data URIs out."""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from csstream.run.evaluate import Evaluation
from csstream.run.tally import Tally

Array = npt.NDArray[Any]
FloatArray = npt.NDArray[np.float64]

INK, GREY, BLUE, ORANGE, GREEN = "#1a202c", "#a0aec0", "#2b6cb0", "#c05621", "#2f855a"
MARKERS = {"transit": "v", "eclipsing": "s", "pulsating": "o"}
ZOOM = 120  # [pixel] side of the enlarged part of the frame
LARGEST = 1400  # [pixel] side from which the whole frame is drawn binned


@dataclass(frozen=True, kw_only=True, eq=False)
class FramePicture:
    """A frame, the stars measured in it and the places to mark. Arrays of pixels are 0-based."""

    image: Array  # (ny, nx) [electron]
    x: FloatArray  # (n,) [pixel] stars measured
    y: FloatArray  # (n,) [pixel]
    marked: Mapping[str, tuple[float, float]]  # label -> (x, y) [pixel] of alerts


def data_uri(figure: Figure, dpi: int = 110) -> str:
    """Return a figure as a PNG inside a ``data:`` URI."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=dpi)
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode("ascii")


def draw_frame(picture: FramePicture) -> Figure:
    """Return the whole frame with the alerted stars, and a part of it with every star measured."""
    figure = Figure(figsize=(13, 6.6), layout="constrained")
    whole, part = figure.subplots(1, 2)
    corner = _zoom_corner(picture)
    _show_image(whole, picture.image, *_limits(picture.image))
    for label, (x, y) in picture.marked.items():
        whole.plot(x, y, "o", ms=11, mfc="none", mec="#f6e05e", mew=1.4)
        whole.annotate(label, (x, y), (7, 7), textcoords="offset points", color="#f6e05e", size=9)
    side = min(ZOOM, *picture.image.shape)
    box_x, box_y = np.array([0, 1, 1, 0, 0]) * side, np.array([0, 0, 1, 1, 0]) * side
    whole.plot(corner[0] + box_x, corner[1] + box_y, color="#63b3ed", lw=1.2)
    whole.set_title("the whole frame, stars with an alert circled", loc="left", fontsize=10)
    _draw_part(part, picture, corner, side)
    return figure


def _draw_part(axes: Axes, picture: FramePicture, corner: tuple[int, int], side: int) -> None:
    x0, y0 = corner
    cut = picture.image[y0 : y0 + side, x0 : x0 + side]
    _show_image(axes, cut, *_limits(cut), origin=corner)
    inside = (np.abs(picture.x - x0 - side / 2) < side / 2) & (
        np.abs(picture.y - y0 - side / 2) < side / 2
    )
    axes.plot(picture.x[inside], picture.y[inside], "+", ms=6, mew=1.0, color="#ff3b30")
    title = f"the part in the blue box: {int(inside.sum())} stars measured (crosses)"
    axes.set_title(title, loc="left", fontsize=10)
    axes.set_xlim(x0 - 0.5, x0 + side - 0.5)
    axes.set_ylim(y0 - 0.5, y0 + side - 0.5)


def _show_image(
    axes: Axes, image: Array, low: float, high: float, origin: tuple[int, int] = (0, 0)
) -> None:
    step = max(1, int(np.ceil(max(image.shape) / LARGEST)))
    ny, nx = image.shape
    edges = (origin[0] - 0.5, origin[0] + nx - 0.5, origin[1] - 0.5, origin[1] + ny - 0.5)
    stretched = np.arcsinh(8 * np.clip((image[::step, ::step] - low) / (high - low), 0, None))
    axes.imshow(stretched, cmap="gray", origin="lower", extent=edges, vmax=np.arcsinh(8.0))
    axes.set_xlabel("x [pixel]")
    axes.set_ylabel("y [pixel]")


def _limits(image: Array) -> tuple[float, float]:
    low, high = np.nanpercentile(image, [5, 99.3])
    return float(low), float(max(high, low + 1.0))


def _zoom_corner(picture: FramePicture) -> tuple[int, int]:
    """Put the enlarged part around the first marked star, else in the middle of the frame."""
    ny, nx = picture.image.shape
    centre = next(iter(picture.marked.values()), (nx / 2, ny / 2))
    side = min(ZOOM, nx, ny)
    x0 = int(np.clip(centre[0] - side / 2, 0, nx - side))
    y0 = int(np.clip(centre[1] - side / 2, 0, ny - side))
    return x0, y0


def draw_evaluation(evaluation: Evaluation) -> Figure:
    """Return two plots: what was found by magnitude and signal, and the periods found."""
    figure = Figure(figsize=(12, 4.6), layout="constrained")
    left, right = figure.subplots(1, 2)
    for kind, marker in MARKERS.items():
        mine = [o for o in evaluation.outcomes if o.variable.kind == kind]
        for found, colour in ((True, GREEN), (False, ORANGE)):
            shown = [o for o in mine if (o.alert is not None) == found]
            label = f"{kind}, {'found' if found else 'not found'}" if shown else None
            mag = [o.variable.mag for o in shown]
            snr = [o.chance.snr for o in shown]
            left.scatter(mag, snr, marker=marker, color=colour, label=label, s=42)
    _finish(left, "mean magnitude [mag]", "ideal signal-to-noise", "what was injected")
    if any(o.chance.snr > 0 for o in evaluation.outcomes):
        left.set_yscale("log")
    found_period = [o for o in evaluation.outcomes if o.alert and np.isfinite(o.period_ratio)]
    _draw_periods(right, found_period)
    return figure


def _draw_periods(axes: Axes, outcomes: Sequence[Any]) -> None:
    true = np.array([o.variable.period for o in outcomes])
    if len(true):
        span = np.array([true.min() * 0.6, true.max() * 1.7])
        for multiple, style in ((1.0, "-"), (0.5, ":"), (2.0, ":")):
            axes.plot(span, multiple * span, style, color=GREY, lw=1)
        axes.set_xscale("log")
        axes.set_yscale("log")
    for right, colour in ((True, GREEN), (False, ORANGE)):
        shown = [o for o in outcomes if o.period_right == right]
        for o in shown:
            marker = MARKERS.get(o.variable.kind, "x")
            axes.plot(o.variable.period, o.alert.period, marker, color=colour, ms=6.5)
    title = "periods (line: right; dotted: half and twice)"
    _finish(axes, "injected period [day]", "alerted period [day]", title)


def draw_flow(tally: Tally) -> Figure:
    """Return how frames and alerts came in time, and how long each frame took."""
    figure = Figure(figsize=(12, 4.2), layout="constrained")
    left, right = figure.subplots(1, 2)
    measured = tally.measured
    if not measured:
        return figure
    began = min(r.report.announced_ms for r in measured)
    counts = {
        "announced": (sorted(r.report.announced_ms for r in measured), GREY),
        "measured": (sorted(r.reported_ms for r in measured), BLUE),
        "alerts": (sorted(r.sent_ms for r in tally.alerts.values()), ORANGE),
    }
    for label, (times, colour) in counts.items():
        seconds = (np.array(times, dtype=float) - began) / 1000.0
        left.step(seconds, np.arange(1, len(times) + 1), where="post", color=colour, label=label)
    _finish(left, "time since the first announcement [s]", "frames, alerts", "the flow")
    visits = [r.report.visit for r in measured]
    right.plot(visits, [r.latency for r in measured], ".", color=BLUE)
    title = "from announcement to measurements"
    _finish(right, "frame (visit)", "latency [s]", title)
    return figure


def _finish(axes: Axes, x_label: str, y_label: str, title: str) -> None:
    axes.set_xlabel(x_label)
    axes.set_ylabel(y_label)
    axes.set_title(title, loc="left", fontsize=10, color=INK)
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(color="#edf2f7")
    axes.set_axisbelow(True)
    if axes.get_legend_handles_labels()[1]:
        axes.legend(fontsize=8, frameon=False)
