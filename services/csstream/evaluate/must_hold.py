"""What must hold: floor and goal of each figure, and what was reached."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from csstream.evaluate.measuring import label
from csstream.simulation.catalogue import PAPER_DENSITY

ARM, NOMINAL_WIDTH, NOMINAL_SKY = "network+fit", 0.132, 0.81
GIVEN, ESTIMATED = label(ARM, "given"), label(ARM, "estimated")
BEST_LIST = label("oracle-list", "given")
Verdict = Literal["goal", "floor", "short", "not measured"]
Summary = Mapping[str, Any]
Range = tuple[float, float]
Reader = Callable[[Summary], Any]


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """One figure; values outside the floor's range fall short, inside the goal's reach it."""

    title: str
    floor: Range
    goal: Range
    value: float | None
    best: float | None = None  # of the joint fit that starts at the truth of the separable stars
    remark: str = ""

    @property
    def verdict(self) -> Verdict:
        """Return which of the two ranges holds the value."""
        if self.value is None or self.value != self.value:
            return "not measured"
        if self.goal[0] <= self.value <= self.goal[1]:
            return "goal"
        return "floor" if self.floor[0] <= self.value <= self.floor[1] else "short"

    def as_row(self) -> dict[str, Any]:
        """Return the figure as the JSON file holds it."""
        return {
            "title": self.title,
            "floor": range_text(self.floor),
            "goal": range_text(self.goal),
            "value": self.value,
            "best_list": self.best,
            "verdict": self.verdict,
            "remark": self.remark,
        }


INF = float("inf")


def range_text(limits: Range) -> str:
    """Return a range as people write it."""
    low, high = limits
    if high == INF:
        return f"≥ {low:g}"
    return f"≤ {high:g}" if low == -INF else f"{low:g} to {high:g}"


def outcomes(kinds: Sequence[Summary]) -> list[Outcome]:
    """Return what network and joint fit reached in the pinned scene; empty without it."""
    pinned = next((k for k in kinds if _is(k, NOMINAL_WIDTH) and GIVEN in k["arms"]), None)
    rows = [] if pinned is None else list(_pinned_rows(pinned))
    for width in (0.114, 0.15):
        kind = next((k for k in kinds if _is(k, width) and GIVEN in k["arms"]), None)
        value = None if kind is None else kind["arms"][GIVEN]["over"]["recall_over_bound"][0]
        title = f"recall at 0.1 px over the bound's, R80 {width:g}″"
        rows.append(Outcome(title=title, floor=(0.93, INF), goal=(0.98, INF), value=value))
    return rows if any(row.value is not None for row in rows) else []


def _is(kind: Summary, width: float) -> bool:
    facts = kind["conditions"]
    pinned = {
        "instrument": "csst-i",
        "r80_arcsec": width,
        "sky": NOMINAL_SKY,
        "density": PAPER_DENSITY,
        "optics": "analytic",
        "detector": "plain",
    }
    return all(facts.get(key) == value for key, value in pinned.items())


def _pinned_rows(kind: Summary) -> Iterator[Outcome]:
    arm, ideal = kind["arms"][GIVEN], kind["arms"].get(BEST_LIST)

    def row(title: str, floor: Range, goal: Range, read: Reader, remark: str = "") -> Outcome:
        best = None if ideal is None else read(ideal)
        value = read(arm)
        return Outcome(title=title, floor=floor, goal=goal, value=value, best=best, remark=remark)

    yield row("F1 at 0.5 px, lenient, over the oracle's", (0.975, INF), (0.99, INF), _f1)
    for name, floor, goal in (("mean", 0.075, 0.068), ("median", 0.035, 0.031)):
        title = f"{name} |Δm| of matched stars i < 25 [mag]"
        yield row(title, (-INF, floor), (-INF, goal), _error(f"{name}_abs_dm"))
    title = "robust width of Δm/σ per star, worst bin 18.5–24.5"
    where = _bin_text(_widest(arm))
    yield row(title, (-INF, 1.15), (-INF, 1.05), lambda a: _widest(a)["width_over_bound"], where)
    where = f"{_bin_text(_most_biased(arm))}; {kind['sky']['mpx']:g} Mpx of sky"
    yield row(
        "bias over σ per star, worst bin",
        (-0.15, 0.15),
        (-0.03, 0.03),
        lambda a: _most_biased(a)["bias_over_sigma"],
        where,
    )
    for name in ("flux", "position"):
        title = f"pull width with the quoted errors, {name}"
        yield row(title, (0.85, 1.2), (0.95, 1.05), _error(f"{name}_pull"))
    yield _ratio_to_given(kind)
    false = arm["false_bright"]
    yield row(
        "false detections brighter than i = 23 per 1000 stars",
        (-INF, 1.0),
        (-INF, 0.1),
        lambda a: a["false_bright"]["per_1000_scored"],
        f"{false['number']} in all; {false['per_1000_bright']:.2f} per 1000 of i < 23",
    )


def _f1(arm: Summary) -> Any:
    return arm["over"].get("f1_lenient_over_oracle", [None])[-1]


def _error(name: str) -> Reader:
    return lambda arm: arm["errors"][name]


def _widest(arm: Summary) -> Any:
    return max(arm["photometry"], key=lambda row: row["width_over_bound"])


def _most_biased(arm: Summary) -> Any:
    return max(arm["photometry"], key=lambda row: abs(row["bias_over_sigma"]))


def _ratio_to_given(kind: Summary) -> Outcome:
    """The worst ratio over the rows above; more than one is worse than with the given PSF."""
    given, estimated = kind["arms"][GIVEN], kind["arms"].get(ESTIMATED)
    worst: tuple[float, str] | None = None
    if estimated is not None:
        worst = max(
            (_worse(read(given), read(estimated), up), name) for name, up, read in _compared(given)
        )
    return Outcome(
        title="the rows above with the estimated PSF, worst ratio to the given",
        floor=(-INF, 1.15),
        goal=(-INF, 1.03),
        value=None if worst is None else worst[0],
        remark="" if worst is None else worst[1],
    )


def _compared(given: Summary) -> Iterator[tuple[str, bool, Callable[[Summary], float]]]:
    """Yield a figure's name, whether more of it is better, and how to read it."""
    yield "F1 at 0.5 px", True, lambda arm: arm["lenient"][-1]["f1"]
    yield "recall at 0.1 px", True, lambda arm: arm["lenient"][0]["recall"]
    yield "mean |Δm|", False, lambda arm: arm["errors"]["mean_abs_dm"]
    yield "median |Δm|", False, lambda arm: arm["errors"]["median_abs_dm"]
    for k, row in enumerate(given["photometry"]):
        name = f"width of Δm/σ, {_bin_text(row)}"
        yield name, False, _width_in_bin(k)


def _width_in_bin(k: int) -> Callable[[Summary], float]:
    return lambda arm: float(arm["photometry"][k]["width_over_bound"])


def _worse(given: float, estimated: float, more_is_better: bool) -> float:
    return given / estimated if more_is_better else estimated / given


def _bin_text(row: Summary) -> str:
    return f"i = {row['low']:g}–{row['high']:g}"
