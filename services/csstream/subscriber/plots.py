"""One picture per alert: the curve as measured, folded, and as the network saw it."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from csstream.contracts.records import Alert
from csstream.subscriber.text import (
    NAMES,
    fap_text,
    folded_snr,
    position_text,
    probabilities_text,
    scale_text,
    times_of,
    with_error,
)

Array = npt.NDArray[Any]
COLOURS: Final = {
    "transit": "#2b6cb0",
    "eclipsing": "#c05621",
    "pulsating": "#6b46c1",
    "none": "#4a5568",
}
GREY: Final = "#a0aec0"
DARK: Final = "#1a202c"
FOLD_BINS: Final = 50
MIN_IN_BIN: Final = 3
FOLD_RANGE: Final = (-0.25, 1.25)  # [periods] one cycle and a half
LOCAL_DURATIONS: Final = 2.0  # the local view spans this many durations to either side


def plot_alert(alert: Alert, directory: Path) -> Path:
    """Write ``<object id>-<visit>-<reason>.png`` into a directory and return its path."""
    directory.mkdir(parents=True, exist_ok=True)
    path = directory / f"{alert.object_id}-{alert.visit:06d}-{alert.reason}.png"
    draw_alert(alert).savefig(path, dpi=130)
    return path


def draw_alert(alert: Alert) -> Figure:
    """Return the figure of an alert: raw curve, folded curve, global and local view."""
    figure = Figure(figsize=(11, 7.6), layout="constrained", facecolor="white")
    axes = figure.subplot_mosaic(
        [["raw", "raw", "raw"], ["fold", "fold", "global"], ["fold", "fold", "local"]],
        height_ratios=[1.1, 1, 1],
    )
    figure.suptitle(_title(alert), fontsize=11, x=0.015, ha="left", color=DARK)
    _draw_raw(axes["raw"], alert)
    _draw_fold(axes["fold"], alert)
    _draw_view(
        axes["global"], alert.global_view, "global view", "phase from the dip [periods]", 0.5, alert
    )
    _draw_view(axes["local"], alert.local_view, "local view", *_local_axis(alert), alert)
    for each in axes.values():
        _tidy(each)
    return figure


def _title(alert: Alert) -> str:
    kind = NAMES[alert.kind] + (" (one event)" if _single(alert) else "")
    reason = alert.reason.replace("_", " ")
    hours = with_error(24 * alert.duration, 24 * alert.duration_err, "h")
    percent = with_error(100 * alert.depth, 100 * alert.depth_err, "%")
    size = "peak to peak" if alert.kind == "pulsating" else "depth"
    events = f"{alert.events} event{'' if alert.events == 1 else 's'}"
    lines = [
        f"{kind[0].upper()}{kind[1:]}  ·  object {alert.object_id}  ·  {reason}",
        f"RA, Dec {position_text(alert)}°  ·  {alert.instrument} {alert.band} = {alert.mag:.3f} mag"
        f"  ·  {alert.epochs} epochs, {events}  ·  {probabilities_text(alert)}",
        f"P = {with_error(alert.period, alert.period_err, 'd')}  ·  {size} {percent}  ·  "
        f"duration {hours}  ·  S/N {folded_snr(alert):.1f}  ·  FAP {fap_text(alert)}",
    ]
    return "\n".join(lines)


def _draw_raw(axes: Axes, alert: Alert) -> None:
    times = times_of(alert)
    day = math.floor(times.min()) if alert.epochs else 0
    time = times - day
    _points(axes, time, alert.flux, alert.flux_err, alert)
    for middle in _event_times(alert):
        axes.axvline(middle - day, color=COLOURS[alert.kind], lw=0.8, alpha=0.35, zorder=0)
    axes.set_xlabel(f"{scale_text(alert)} − {day} [day]")
    axes.set_ylabel("flux [nJy]")
    axes.set_title("as measured", loc="left", fontsize=9, color=DARK)
    if math.isfinite(alert.mean_flux) and alert.mean_flux > 0:
        scale: Any = alert.mean_flux
        right = axes.secondary_yaxis(
            "right", functions=(lambda f: np.divide(f, scale), lambda r: np.multiply(r, scale))
        )
        right.set_ylabel("relative flux", fontsize=9)
        right.spines["right"].set_color(GREY)
        right.tick_params(labelsize=8, colors=DARK)


def _draw_fold(axes: Axes, alert: Alert) -> None:
    if _single(alert):
        _draw_event(axes, alert)
        return
    phase = _phase(times_of(alert), alert.t0, alert.period)
    value, error = _relative(alert)
    phases = np.concatenate([phase, phase + 1, phase + 2])  # no edge of the plot hides an event
    values, errors = np.tile(value, 3), np.tile(error, 3)
    shown = (phases >= FOLD_RANGE[0]) & (phases < FOLD_RANGE[1])
    _points(axes, phases[shown], values[shown], errors[shown], alert)
    centre, median = _binned(phase, value)
    centres, medians = np.concatenate([centre, centre + 1, centre + 2]), np.tile(median, 3)
    axes.plot(centres, medians, "o", ms=4, mec="white", color=DARK, zorder=4, label="median")
    axes.set_xlim(*FOLD_RANGE)
    axes.set_xlabel(f"phase [periods], t0 = {alert.t0:.5f} {scale_text(alert)}")
    axes.set_ylabel("relative flux")
    axes.set_title("folded on the period", loc="left", fontsize=9, color=DARK)
    axes.legend(loc="best", fontsize=8, frameon=False)


def _draw_event(axes: Axes, alert: Alert) -> None:
    span = 6 * alert.duration if math.isfinite(alert.duration) else math.inf
    near = np.abs(times_of(alert) - alert.t0) <= span
    value, error = _relative(alert)
    hours = 24 * (times_of(alert) - alert.t0)
    _points(axes, hours[near], value[near], error[near], alert)
    axes.set_xlabel(f"time from the event [hour], t0 = {alert.t0:.5f} {scale_text(alert)}")
    axes.set_ylabel("relative flux")
    axes.set_title("the event", loc="left", fontsize=9, color=DARK)


def _local_axis(alert: Alert) -> tuple[str, float]:
    """Return label and half width of the local view; it ends at half a period."""
    if not math.isfinite(alert.duration) or alert.duration <= 0:
        return "from the dip [half widths of the view]", 1.0
    cycle = 0.5 * alert.period / alert.duration if not _single(alert) else math.inf
    return "time from the dip [durations]", min(LOCAL_DURATIONS, cycle)


def _draw_view(
    axes: Axes, view: Array, title: str, label: str, half_width: float, alert: Alert
) -> None:
    place = np.linspace(-half_width, half_width, len(view)) if len(view) else np.zeros(0)
    axes.plot(place, view, color=COLOURS[alert.kind], lw=0.6, alpha=0.6)
    axes.plot(place, view, ".", ms=3, color=COLOURS[alert.kind])
    axes.set_title(f"{title}, {len(view)} bins", loc="left", fontsize=9, color=DARK)
    axes.set_xlabel(label)
    axes.set_ylabel("scaled flux")


def _points(axes: Axes, x: Array, y: Array, error: Array, alert: Alert) -> None:
    size = 4.0 if len(x) < 300 else 2.6
    colour = COLOURS[alert.kind]
    axes.errorbar(
        x, y, error, fmt="o", ms=size, mew=0, color=colour, ecolor=GREY, elinewidth=0.7, zorder=2
    )
    if len(y):
        low, high = np.nanpercentile(y, [0.5, 99.5])
        margin = 0.12 * (high - low) + 2 * float(np.nanmedian(error))
        axes.set_ylim(min(low, np.nanmin(y)) - margin, high + margin)


def _tidy(axes: Axes) -> None:
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color(GREY)
    axes.tick_params(labelsize=8, colors=DARK)
    axes.xaxis.label.set_fontsize(9)
    axes.yaxis.label.set_fontsize(9)
    axes.grid(color="#edf2f7", lw=0.8)
    axes.set_axisbelow(True)


def _single(alert: Alert) -> bool:
    return not math.isfinite(alert.period)


def _relative(alert: Alert) -> tuple[Array, Array]:
    scale = alert.mean_flux if alert.mean_flux > 0 else 1.0
    return alert.flux / scale, alert.flux_err / scale


def _phase(time: Array, t0: float, period: float) -> Array:
    """Return phases in [-0.5, 0.5), 0 at t0."""
    return (time - t0 + 0.5 * period) % period / period - 0.5


def _binned(phase: Array, value: Array) -> tuple[Array, Array]:
    """Return centres and medians of the phase bins that hold enough points."""
    bins = min(FOLD_BINS, max(10, len(phase) // 8))
    number = np.clip(((phase + 0.5) * bins).astype(int), 0, bins - 1)
    filled = np.flatnonzero(np.bincount(number, minlength=bins) >= MIN_IN_BIN)
    medians = np.array([np.median(value[number == bin_]) for bin_ in filled])
    return (filled + 0.5) / bins - 0.5, medians


def _event_times(alert: Alert) -> Array:
    """Return the middles of the events that lie within the curve [day]; none for a pulsator."""
    if alert.kind == "pulsating" or not math.isfinite(alert.t0) or not alert.epochs:
        return np.zeros(0)
    if _single(alert):
        return np.array([alert.t0])
    times = times_of(alert)
    first, last = times.min(), times.max()
    numbers = np.arange(
        math.ceil((first - alert.t0) / alert.period), (last - alert.t0) // alert.period + 1
    )
    return np.asarray(alert.t0 + alert.period * numbers)
