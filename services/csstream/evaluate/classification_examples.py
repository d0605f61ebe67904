"""Curves for Figure 13: stars that one arm's curve tells and another's does not."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from csstream.evaluate.survey_field import SurveyField
from csstream.evaluate.survey_plan import read_plan
from csstream.evaluation.classified import Classified
from csstream.evaluation.curve_store import field_folders, read_field
from csstream.timeseries.kinds import KINDS

Float = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]

EXAMPLES = 6


@dataclass(frozen=True, kw_only=True, eq=False)
class Example:
    """One star: its true curve and what every arm measured, as relative fluxes (m,)."""

    title: str
    time: Float  # [day] from the start, or phase in cycles of the true period
    folded: bool
    truth: Float
    measured: Mapping[str, Float]


def examples(
    runs: Mapping[str, Path], found: Mapping[str, Classified], right: str, wrong: str
) -> list[Example]:
    """Return stars that arm ``right`` classifies correctly and arm ``wrong`` does not.

    One variable of each kind, a constant star beside a variable, and others, the ones with the
    smallest error of ``right``'s list first: bright stars show best. Fewer where there are none.
    """
    both = _paired(found[right], found[wrong])
    chosen: list[tuple[int, int]] = []
    kind = found[right].kind[both[0]]
    near = found[right].near[both[0]]
    better = _correct(found[right])[both[0]] & ~_correct(found[wrong])[both[1]]
    groups = [better & (kind == code) for code in range(1, len(KINDS))]
    groups += [better & near, better & (kind == 0) & ~near, better & (kind > 0)]
    for group in groups:
        places = [k for k in np.flatnonzero(group) if int(k) not in {c[0] for c in chosen}]
        if places:
            brightest = min(places, key=lambda k: float(found[right].mag[both[0][k]]))
            chosen.append((int(brightest), int(both[0][brightest])))
    return [_example(runs, found[right], row) for _, row in chosen[:EXAMPLES]]


def _correct(found: Classified) -> Mask:
    return np.asarray(np.where(found.kind > 0, found.repeats & found.periodic, ~found.periodic))


def _paired(
    one: Classified, two: Classified
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Rows of the same listed objects in two arms."""
    place = {
        (int(f), int(r)): k
        for k, (f, r) in enumerate(zip(two.field, two.object_row, strict=True))
        if r >= 0
    }
    pairs = [
        (k, place[(int(f), int(r))])
        for k, (f, r) in enumerate(zip(one.field, one.object_row, strict=True))
        if (int(f), int(r)) in place
    ]
    both = np.array(pairs, np.int64).reshape(-1, 2)
    return both[:, 0], both[:, 1]


def _example(runs: Mapping[str, Path], found: Classified, row: int) -> Example:
    field, star, object_row = (int(a[row]) for a in (found.field, found.star, found.object_row))
    curves: dict[str, Float] = {}
    time = np.empty(0)
    for arm, run in runs.items():
        stored = read_field(field_folders(run)[field])
        time = stored.time
        flux = stored.flux[object_row].astype(np.float64)
        curves[arm] = flux / np.nanmedian(flux) if np.isfinite(flux).any() else flux
    true = _true_curve(next(iter(runs.values())), field, star, time)
    truth = stored.truth
    folded = found.kind[row] > 0
    axis = time - time[0]
    if folded:
        period, t0 = float(truth.period[star]), float(truth.t0[star])
        axis = (time - t0) / period - np.floor((time - t0) / period + 0.5)
    return Example(
        title=_title(found, row),
        time=axis,
        folded=bool(folded),
        truth=true,
        measured=curves,
    )


def _title(found: Classified, row: int) -> str:
    kind = KINDS[int(found.kind[row])]
    if kind == "none":
        place = "beside a variable" if found.near[row] else "alone"
        return f"constant, {place}, i = {found.mag[row]:.1f}"
    return f"{kind}, i = {found.mag[row]:.1f}, A/σ₁ = {found.snr[row]:.1f}"


def _true_curve(run: Path, field: int, star: int, time: Float) -> Any:
    """Relative flux (m,) of a star of the truth; 1 for constant stars."""
    sky = SurveyField(read_plan(run), field).field
    place = star - (len(sky.catalogue) - len(sky.variables))
    if star < 0 or place < 0:
        return np.ones(len(time))
    flux = sky.variables.shapes[place](time)
    return flux / np.median(flux)
