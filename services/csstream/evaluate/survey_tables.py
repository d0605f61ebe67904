"""The tables of a survey's page: one row per figure, one column per part."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Final

Cell = tuple[str, str]  # what is read first, and what stands small below it
Row = tuple[str, list[Cell]]
NOTHING: Final[Cell] = ("–", "")
MIX: Final = {
    "paper": "the paper's mix of stars",
    "flat": "enriched with variables, flat in equation 5",
    "quiet": "constant stars, calibration sky",
}


def described(name: str, part: dict[str, Any]) -> str:
    """Return a part in words."""
    plan = part["plan"]
    orbit = "; a low orbit's gaps, sky and breathing" if plan["orbit"] else ""
    rays = plan["cosmic_rays"]
    hits = f"{1e6 * rays:g} cosmic rays per Mpx and second" if rays else "no cosmic rays"
    return (
        f"Part {name}: {MIX[plan['mix']]}{orbit}. "
        f"{_counted(part['fields'], 'field')} of {plan['size']}² pixels, "
        f"{min(part['frames'])} frames each, {hits}, seeds from {plan['seed']}; "
        f"{part['seconds_per_mpx']:.2f} s per megapixel to measure."
    )


def overview(parts: dict[str, Any]) -> list[Row]:
    """Return the rows of the main table, a cell per part."""
    return [
        (title, [NOTHING if part[key] is None else cell(part[key]) for part in parts.values()])
        for title, key, cell in _ROWS
    ]


def recalls(injected: dict[str, Any]) -> Iterator[Row]:
    """Yield recall over equation 5, a row per bin: all kinds, then each."""
    for row in injected["recall_over_snr"]:
        cells = [share(row[kind]) for kind in ("all", "transit", "eclipsing", "pulsating")]
        yield f"{row['low']:g} – {row['high']:g}", cells


def share(row: dict[str, Any] | None) -> Cell:
    """Return a share: its value, and below it the counts and the limits."""
    if row is None or not row["n"]:
        return NOTHING
    below = f"{row['k']} of {row['n']}; {_short(row['low'])} – {_short(row['high'])}"
    return _short(row["value"]), below


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def _short(value: float) -> str:
    if value == 0.0:
        return "0"
    return f"{value:.3f}" if value >= 0.01 else f"{value:.1e}"


def _numbers(injected: dict[str, Any]) -> Cell:
    return "; ".join(str(injected[key]) for key in ("injected", "scorable", "positives")), ""


def _recall(kind: str) -> Callable[[dict[str, Any]], Cell]:
    return lambda injected: share(injected["kinds"][kind]["recall"])


def _of(key: str) -> Callable[[dict[str, Any]], Cell]:
    return lambda summary: share(summary[key])


def _faps(quiet: dict[str, Any]) -> Cell:
    seen = [row["seen"]["value"] for row in quiet["fap_counts"]]
    return "; ".join("–" if value is None else f"{value:.1e}" for value in seen), ""


def _number(key: str) -> Callable[[dict[str, Any]], Cell]:
    def cell(scatter: dict[str, Any]) -> Cell:
        return NOTHING if scatter[key] is None else (f"{scatter[key]:.3f}", "")

    return cell


_ROWS: Final[tuple[tuple[str, str, Callable[[dict[str, Any]], Cell]], ...]] = (
    ("Variables; with two whole events; of these A/σ₁ ≥ 2", "injected", _numbers),
    ("Recall: A/σ₁ ≥ 2, two whole events", "injected", _of("recall")),
    ("… transits", "injected", _recall("transit")),
    ("… eclipsing binaries", "injected", _recall("eclipsing")),
    ("… pulsating stars", "injected", _recall("pulsating")),
    ("… of those in the list", "injected", _of("recall_listed")),
    ("… of those beside the list alone", "injected", _of("beside")),
    ("Period right among true alerts", "injected", _of("period_right")),
    ("Class right among true alerts", "injected", _of("class_right")),
    ("One whole event alone, alerted", "injected", _of("single_events")),
    ("False alerts at any look, among quiet objects", "quiet", _of("alerted")),
    ("… within 5 pixels of a variable", "quiet", _of("alerted_near")),
    ("… of objects beside the list", "quiet", _of("beside")),
    ("… standing at the end", "quiet", _of("standing")),
    (
        "Quiet listed stars with a false-alarm probability below 1e-2; 1e-3; 1e-4; 1e-5",
        "quiet",
        _faps,
    ),
    ("Scatter over the joint bound, all stars: median", "scatter", _number("all_over_joint")),
    ("… 95 % of the stars", "scatter", _number("all_over_joint_95")),
    (
        "Scatter over the isolated bound, uncrowded half, 18.5 – 23",
        "scatter",
        _number("uncrowded_over_isolated"),
    ),
)
