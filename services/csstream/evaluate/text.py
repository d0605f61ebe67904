"""The summary as lines for a terminal."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

HEAD = (
    f"{'':24s} {'recall / F1 at 0.1, 0.25, 0.5 px':42s} {'F1/orc':>6s} {'R/bnd':>6s} "
    f"{'strict':>6s} {'mean, med |dm|':>15s} {'pulls f, x':>11s} {'false<23':>9s} {'s/Mpx':>6s}"
)


def all_lines(content: dict[str, Any]) -> Iterator[str]:
    """Yield the main figures of an evaluation."""
    for kind in content["kinds"]:
        facts = kind["conditions"].items()
        yield ", ".join(f"{key} {value}" for key, value in facts if value is not None)
        yield from lines(kind)
        yield ""
    for row in content["must_hold"]:
        value = "–" if row["value"] is None else f"{row['value']:.3f}"
        head = f"{row['title']:62s} {row['floor']:>14s} {row['goal']:>14s}"
        best = "" if row["best_list"] is None else f"best list {row['best_list']:.3f}; "
        yield f"{head} {value:>8s} {row['verdict']:12s} {best}{row['remark']}"
    if content["repeatability"]:
        yield from _repeated(content["repeatability"])


def _repeated(repeated: dict[str, Any]) -> Iterator[str]:
    yield f"scatter over the bound in {repeated['realisations']} exposures (found in 80 %)"
    for name, bins in repeated["arms"].items():
        cells = (f"{row['over_bound']:5.2f} {row['found']:5.2f}" for row in bins)
        yield f"{name:24s} " + " ".join(cells)


def lines(summary: dict[str, Any]) -> Iterator[str]:
    """Yield the main figures of one kind of scene."""
    sky, bound = summary["sky"], summary["bound"]
    best = " ".join(f"{value:.3f}" for value in bound["best_recall"])
    yield (
        f"{sky['scenes']} scenes, {sky['mpx']:g} Mpx, {sky['scored']} scored stars, "
        f"{100 * sky['inseparable']:.1f} % inseparable; best recall {best}"
    )
    yield HEAD
    for name, arm in summary["arms"].items():
        yield _scores(name, arm)
    yield ""
    first = next(iter(summary["arms"].values()))["photometry"]
    yield f"{'':24s} " + " ".join(f"{r['low']:g}-{r['high']:g}".rjust(11) for r in first)
    for name, arm in summary["arms"].items():
        cells = (
            f"{r['width_over_bound']:5.2f} {r['bias_over_sigma']:+5.2f}" for r in arm["photometry"]
        )
        yield f"{name:24s} " + " ".join(cells)
    yield "(robust width of dm over the bound per star; median of the same)"


def _scores(name: str, arm: dict[str, Any]) -> str:
    recall = " ".join(f"{row['recall']:.3f}" for row in arm["lenient"])
    f1 = " ".join(f"{row['f1']:.3f}" for row in arm["lenient"])
    errors, over = arm["errors"], arm["over"]
    oracle = over.get("f1_lenient_over_oracle", [float("nan")])[-1]
    return (
        f"{name:24s} {recall} / {f1}   {oracle:6.3f} {over['recall_over_bound'][0]:6.3f} "
        f"{arm['strict'][-1]['f1']:6.3f} "
        f"{errors['mean_abs_dm']:8.3f} {errors['median_abs_dm']:6.3f} "
        f"{errors['flux_pull']:5.2f} {errors['position_pull']:5.2f} "
        f"{arm['false_bright']['per_1000_scored']:9.2f} {arm['seconds_per_mpx']:6.1f}"
    )
