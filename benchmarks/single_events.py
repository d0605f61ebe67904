"""Single events on measured curves of constant stars: false ones counted, injected ones found.

    python benchmarks/single_events.py checkpoints/survey/quiet checkpoints/survey/quiet-c

The folders are runs of ``csstream evaluate survey --part quiet``. A star counts as a false
candidate when two successive looks, or the closing one alone, show an event below the false-alarm
probability. Injected are transits, half of them the paper's planets, and eclipses, whose one event
lies whole in the curve.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import numpy.typing as npt

from csstream.alerting.schedule import Schedule
from csstream.alerting.single_events import SingleEventRules, candidates
from csstream.evaluation.curve_store import FieldCurves, field_folders, read_field
from csstream.imaging.frames.flags import UNRELIABLE
from csstream.simulation.spectral import SPECTRAL_TYPES
from csstream.simulation.variables.enriched import draw_eclipsing, draw_transit
from csstream.simulation.variables.events import complete_events
from csstream.simulation.variables.paper import planet
from csstream.timeseries.calibration import prepare_panel
from csstream.timeseries.event_scores import score_events
from csstream.timeseries.event_search import single_events

Array = npt.NDArray[Any]
FAPS = (1e-2, 1e-3, 1e-4, 1e-5)
EDGES = (1.5, 2.0, 2.5, 3.0, 4.0, 6.0)
POINTS = (5, 10, 15, 20, 30, 40, 80)
STARS = 16  # injected per panel


def main() -> None:
    """Print both tables for each run."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("runs", nargs="+", type=Path)
    parser.add_argument("--no-count", action="store_true", help="inject only")
    parser.add_argument("--panels", type=int, default=200, help="to inject into, of each run")
    arguments = parser.parse_args()
    for run in arguments.runs:
        fields = [read_field(folder) for folder in field_folders(run)]
        print(f"{run}")
        if not arguments.no_count:
            count_false(fields)
        recover(fields, arguments.panels, np.random.default_rng(900))


def curves_of(field: FieldCurves) -> Iterator[tuple[int, int, Array, Array, Array]]:
    """Yield cell, panel, times (m,) and usable fluxes and errors (n, m) of constant stars."""
    order = np.argsort(field.time, kind="stable")
    bad = (field.flags & int(UNRELIABLE)) != 0
    flux = np.where(bad, np.nan, field.flux)[:, order].astype(float)
    error = field.flux_err[:, order].astype(float)
    for cell, panel, rows in field.panels():
        kept = rows[field.quiet[rows]]
        yield cell, panel, field.time[order], flux[kept], error[kept]


def dips(time: Array, flux: Array, error: Array) -> Any:
    """Columns of the examination that the rule reads."""
    panel = prepare_panel(time, flux, error)
    found = single_events(panel.time, panel.flux, panel.weight)
    scores = score_events(panel.time, panel.flux, panel.weight, found)
    return SimpleNamespace(
        crossed=np.zeros(len(flux), bool),
        single_t0=found.middle,
        single_duration=found.duration,
        single_depth=found.depth,
        single_points=found.points,
        single_snr_firm=scores.snr,
        single_fap=scores.fap,
        single_shape=scores.shape,
        single_edge=scores.edge,
    )


def count_false(fields: list[FieldCurves]) -> None:
    """Print how many constant stars pass at each false-alarm probability."""
    stars, passed, closing = 0, dict.fromkeys(FAPS, 0), dict.fromkeys(FAPS, 0)
    for field in fields:
        for cell, panel, time, flux, error in curves_of(field):
            stars += len(flux)
            before = dict.fromkeys(FAPS, np.zeros(len(flux), bool))
            twice = {fap: np.zeros(len(flux), bool) for fap in FAPS}
            for epochs in looks(cell, panel, len(time)):
                seen = dips(time[:epochs], flux[:, :epochs], error[:, :epochs])
                for fap in FAPS:
                    now = candidates(seen, SingleEventRules(fap=fap))
                    twice[fap] |= now & (before[fap] | (epochs == len(time)))
                    before[fap] = now
            for fap in FAPS:
                passed[fap] += int(twice[fap].sum())
                closing[fap] += int(before[fap].sum())
    for fap in FAPS:
        print(f"  fap {fap:.0e}: {passed[fap]} of {stars} stars over all looks "
              f"({passed[fap] / stars:.1e}), {closing[fap]} at the closing look")  # fmt: skip


def looks(cell: int, panel: int, epochs: int) -> list[int]:
    """Numbers of epochs at which a panel is looked at, the closing look last."""
    schedule, due = Schedule(), []
    count = schedule.count_from(cell, panel, 1)
    while count < epochs:
        due.append(count)
        count = schedule.count_from(cell, panel, count + 1)
    return [*due, epochs]


def recover(fields: list[FieldCurves], panels: int, rng: np.random.Generator) -> None:
    """Print which injected events are candidates, over A / sigma1 and points in the event."""
    rows: list[list[float]] = []
    for field in fields:
        groups = list(curves_of(field))
        for place in rng.permutation(len(groups))[: -(-panels // len(fields))]:
            _, _, time, flux, error = groups[place]
            rows += inject(time, flux, error, rng)
    table = np.array(rows)
    for name, kind in (("transit", 0), ("eclipsing", 1)):
        of_kind = table[table[:, 0] == kind]
        print(f"  {name}: share found over A/sigma1 (down) and points in the event (across)")
        print("             " + "".join(f"{low:>4}-{high:<8}" for low, high in pairs(POINTS)))
        for low, high in pairs(EDGES):
            inside = (of_kind[:, 1] >= low) & (of_kind[:, 1] < high)
            print(f"    {low:.1f}-{high:.1f}  " + "".join(_cell(of_kind[inside], *p)
                                                        for p in pairs(POINTS)))  # fmt: skip
    found = table[(table[:, 3] > 0) & (np.abs(table[:, 4]) < 0.5)]  # the very event
    off = (
        np.quantile(np.abs(found[:, 4]), 0.683),
        np.quantile(np.abs(found[:, 4] * found[:, 6]), 0.683),
    )
    length = np.quantile(10.0 ** found[:, 5], (0.16, 0.5, 0.84))
    print(f"  middle off by {off[0]:.3f} durations (68 %), times S/N {off[1]:.2f}; "
          f"found over true duration {length.round(2)}")  # fmt: skip


def pairs(edges: tuple[float, ...]) -> list[tuple[float, float]]:
    """Neighbouring edges."""
    return list(pairwise(edges))


def _cell(table: Array, low: float, high: float) -> str:
    among = table[(table[:, 2] >= low) & (table[:, 2] < high)]
    found = int(among[:, 3].sum()) if len(among) else 0
    return f"{found:>4}/{len(among):<4}    "


def inject(time: Array, flux: Array, error: Array, rng: np.random.Generator) -> list[list[float]]:
    """Let some stars of a panel show one event, and say what became of each."""
    flux, true = flux.copy(), []
    sigma = prepare_panel(time, flux, error).sigma1
    good = np.flatnonzero((np.isfinite(flux).mean(axis=1) > 0.6) & (sigma > 0))
    span = float(time[-1] - time[0])
    for row in rng.permutation(good)[:STARS]:
        kind, snr = int(rng.integers(2)), float(rng.uniform(EDGES[0], EDGES[-1]))
        wanted = snr * float(sigma[row])
        shape = one_event(rng, kind, span, time) if 0.003 < wanted < 0.3 else None
        if shape is None:
            continue
        model = shape(time)
        scaled = 1.0 + wanted / (1.0 - model.min()) * (model - 1.0)
        flux[row] *= scaled
        middle = time[np.argmin(model)]
        points = np.count_nonzero(np.isfinite(flux[row]) & (np.abs(time - middle) < shape.duration))
        true.append([int(row), kind, snr, points / 2, float(middle), shape.duration])
    if not true:
        return []
    seen = dips(time, flux, error)
    told = candidates(seen, SingleEventRules())
    return [
        [kind, snr, points, float(told[row]),
         (seen.single_t0[row] - middle) / duration,
         float(np.log10(seen.single_duration[row] / duration)),
         seen.single_snr_firm[row]]
        for row, kind, snr, points, middle, duration in true
    ]  # fmt: skip


def one_event(rng: np.random.Generator, kind: int, span: float, time: Array) -> Any:
    """A transit (0) or binary (1) that shows one whole event; None after some tries."""
    for _ in range(30):
        if kind:
            shape: Any = draw_eclipsing(rng, float(rng.uniform(1.0, 3.0) * span), float(time[0]))
        elif rng.uniform() < 0.5:
            shape = draw_transit(rng, float(rng.uniform(0.4, 1.5) * span), float(time[0]))
        else:
            star = SPECTRAL_TYPES[int(rng.integers(len(SPECTRAL_TYPES)))]
            shape = planet(rng, float(rng.uniform(0.4, 1.5) * span), star, float(time[0]))
        if complete_events(shape, time) == 1 and shape(time).min() < 0.999:
            return shape
    return None


if __name__ == "__main__":
    main()
