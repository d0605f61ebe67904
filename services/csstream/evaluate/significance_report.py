"""What ``csstream evaluate significance`` prints and leaves: lines, a plot, a JSON file."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

from matplotlib.figure import Figure

from csstream.evaluate.null_counts import Rate

JSON_NAME: Final = "significance.json"
PLOT_NAME: Final = "significance.png"


def rate_lines(rows: Sequence[Rate], what: str = "null curves") -> list[str]:
    """Table of stated against seen rates."""
    lines = [f"{what:28}{'stated':>8}{'curves':>10}{'seen':>8}{'seen/stated':>13}"]
    for row in rows:
        mark = "" if row.agrees else "  differs"
        lines.append(
            f"{row.group:28}{row.level:8.0e}{row.curves:10d}{row.seen:8d}"
            f"{row.ratio:8.2f} ± {row.error:.2f}{mark}"
        )
    return lines


def transit_lines(rows: Sequence[Mapping[str, float]], name: str) -> list[str]:
    """Table of transits found."""
    lines = [f"transits of two events at 1e-4, {name}: depth/σ, magnitudes, found, 95 % limits"]
    for row in rows:
        lines.append(
            f"{row['depth_sigma']:6.1f}{row['mag_low']:7.0f}–{row['mag_high']:.0f}"
            f"{row['hits']:7.0f}/{row['total']:.0f}{row['value']:8.3f}"
            f"  ({row['low']:.3f}–{row['high']:.3f})  period within 2 %: {row['period_near']:.2f}"
        )
    return lines


def plot_rates(path: Path, rows: Sequence[Rate]) -> None:
    """Draw seen over stated against stated rates, with errors."""
    figure = Figure(figsize=(6.0, 4.0), layout="constrained")
    axes = figure.add_subplot()
    groups = [name for name in ("all", "white", "red", "mixed", "gaps") if _of(rows, name)]
    for k, name in enumerate(groups):
        chosen = _of(rows, name)
        axes.errorbar(
            [row.level * 1.08 ** (k - 2) for row in chosen],
            [row.ratio for row in chosen],
            [row.error for row in chosen],
            marker="o",
            markersize=4,
            linestyle="none",
            label=name,
        )
    axes.axhline(1.0, color="#a0aec0")
    axes.set(xscale="log", ylim=(0.0, 3.0))
    axes.set(xlabel="stated false-alarm probability", ylabel="seen over stated rate")
    axes.legend()
    figure.savefig(path, dpi=150)


def write_report(
    folder: Path, content: dict[str, Any], rows: Sequence[Rate], looks: Sequence[Rate] = ()
) -> None:
    """Write JSON and, where there are rates, the plot."""
    folder.mkdir(parents=True, exist_ok=True)
    if rows:
        plot_rates(folder / PLOT_NAME, rows)
    for name, part in (("rates", rows), ("looks", looks)):
        content = content | {name: [asdict(row) | {"agrees": row.agrees} for row in part]}
    (folder / JSON_NAME).write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


def _of(rows: Sequence[Rate], group: str) -> list[Rate]:
    return [row for row in rows if row.group == group and row.seen > 0]
