"""How often noise is alerted when the same star is looked at again and again, counted."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from csstream.alerting.schedule import Schedule
from csstream.evaluate.null_counts import NullRecords, Rate, records_of
from csstream.evaluate.null_population import NOISES, SAMPLINGS, NullPanel, draw_panel
from csstream.timeseries.calibration import prepare_panel
from csstream.timeseries.examine import search_panel
from csstream.timeseries.false_alarms import LooksTable, NullTable, false_alarms
from csstream.timeseries.repeated_looks import fap_of_looks
from csstream.timeseries.settings import ExamineSettings

Array = npt.NDArray[Any]
Progress = Callable[[int, int], None]

CHUNK_PANELS: Final = 20
STREAM: Final = 777  # of random numbers, beside those of single looks
LIMIT: Final = 1e-2  # that two looks in a row must cross, where factors are counted
CLOSING: Final = 0.5  # of the limit: enough for the last look alone
LOOKS: Final = np.array([1.0, 2.0, 3.0, 5.0, 8.0, 12.0, 17.0, 23.0, 30.0])
LOG10_BELOW: Final = np.array([0.0, -0.3, -0.6, -1.0])
FEWEST: Final = 2000  # stars that had so many looks; else the node is left out
CHECKED: Final = ((1e-2, 1e-2), (1e-2, 1e-3), (1e-3, 1e-3))  # limit and stated probability


@dataclass(frozen=True, eq=False)
class LookRecords:
    """Looks at null stars, one row each; ``star`` and ``look`` (r,), rows in their order."""

    records: NullRecords
    star: Array
    look: Array  # from 1: the first that could find a period

    def grid(self, values: Array) -> Array:
        """Values of the rows as (stars, looks), NaN where a star had fewer looks."""
        _, row = np.unique(self.star, return_inverse=True)
        result = np.full((int(row.max()) + 1, int(self.look.max())), np.nan)
        result[row, self.look.astype(np.int64) - 1] = values
        return result


def gather_looks(folder: Path, seed: int, panels: int, progress: Progress) -> LookRecords:
    """Looks at so many panels; chunks that the folder holds are not made again."""
    folder.mkdir(parents=True, exist_ok=True)
    chunks = -(-panels // CHUNK_PANELS)
    parts: list[dict[str, Array]] = []
    for chunk in range(chunks):
        path = folder / f"looks-{seed}-{chunk:04d}.npz"
        if not path.exists():
            _save(path, look_again_at_chunk(seed, chunk))
        with np.load(path) as stored:
            parts.append({name: stored[name] for name in stored.files})
        progress(chunk + 1, chunks)
    whole = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    star, look = whole.pop("star"), whole.pop("look")
    return LookRecords(NullRecords(**whole), star, look)


def _save(path: Path, looks: LookRecords) -> None:
    partial = path.with_suffix(".partial.npz")
    columns = {field.name: getattr(looks.records, field.name) for field in fields(NullRecords)}
    np.savez(partial, star=looks.star, look=looks.look, **columns)
    partial.replace(path)


def look_again_at_chunk(seed: int, chunk: int) -> LookRecords:
    """Draw the panels of one chunk and look at them as they grow."""
    parts: list[LookRecords] = []
    for panel in range(chunk * CHUNK_PANELS, (chunk + 1) * CHUNK_PANELS):
        drawn = draw_panel(np.random.default_rng([seed, STREAM, panel]))
        parts.extend(_looks_at(drawn, panel, chunk))
    records = NullRecords.joined([part.records for part in parts])
    star, look = (np.concatenate([getattr(p, name) for p in parts]) for name in ("star", "look"))
    return LookRecords(records, star, look)


def _looks_at(drawn: NullPanel, panel: int, chunk: int) -> Iterator[LookRecords]:
    settings, look = ExamineSettings(search_harmonics=1), 0
    for count in due_counts(len(drawn.time)):
        prepared = prepare_panel(
            drawn.time[:count], drawn.flux[:, :count], drawn.flux_err[:, :count]
        )
        search = search_panel(prepared, settings)
        if not search.boxes.count:  # too short for any period
            continue
        look += 1
        kept = drawn.is_null & np.isfinite(prepared.level)
        star = panel * len(kept) + np.flatnonzero(kept)
        yield LookRecords(
            records_of(drawn, search, prepared.epochs, kept, chunk), star, np.full(len(star), look)
        )


def due_counts(epochs: int) -> list[int]:
    """Numbers of epochs at which a panel that grows to ``epochs`` is looked at, the close last."""
    schedule = Schedule()
    counts, count = [], schedule.count_from(0, 0, 1)
    while count < epochs:
        counts.append(count)
        count = schedule.count_from(0, 0, count + 1)
    return [*counts, epochs]


def smallest_alerted(fap: Array, limit: float) -> Array:
    """Smallest probability with which each star was alerted until each look; (s, l), inf: none.

    fap : ndarray, (s, l), NaN where a star had fewer looks. Two looks in a row must cross the
    limit; the look itself is taken for the closing one, which may cross half of it alone.
    """
    before = np.column_stack([np.full(len(fap), np.inf), fap[:, :-1]])
    twice = np.where((fap <= limit) & (before <= limit), fap, np.inf)
    alone = np.where(fap <= CLOSING * limit, fap, np.inf)
    result = np.minimum(np.minimum.accumulate(twice, axis=1), alone)
    return np.where(np.isnan(fap), np.nan, result)


def fit_looks(looks: LookRecords, table: NullTable) -> LooksTable:
    """Factors of repeated looks, counted at :data:`LIMIT`."""
    fap = false_alarms(looks.records.scores(), looks.records.epochs, table).probability
    alerted = smallest_alerted(looks.grid(fap), LIMIT)
    seen = np.isfinite(alerted) | np.isinf(alerted)
    nodes = [n for n in LOOKS.astype(int) if n <= seen.shape[1] and seen[:, n - 1].sum() >= FEWEST]
    levels = LIMIT * 10.0**LOG10_BELOW
    factor = np.array([
        [np.mean(alerted[seen[:, n - 1], n - 1] <= level) / level for level in levels]
        for n in nodes
    ])  # fmt: skip
    factor = np.maximum.accumulate(np.maximum(factor, 1.0), axis=0)
    fewest = int(seen[:, nodes[-1] - 1].sum())
    return LooksTable(np.array(nodes, float), LOG10_BELOW, factor, fewest)


def look_rates(looks: LookRecords, table: NullTable) -> list[Rate]:
    """Stated against seen rates of stars alerted until their last look, by looks and kinds."""
    fap = false_alarms(looks.records.scores(), looks.records.epochs, table).probability
    grid, total = looks.grid(fap), looks.grid(np.ones(len(fap)))
    number = np.nansum(total, axis=1).astype(int)
    last = (np.arange(len(grid)), number - 1)
    chunk, noise, sampling = (
        looks.grid(getattr(looks.records, name))[last] for name in ("chunk", "noise", "sampling")
    )
    rows = []
    for limit, level in CHECKED:
        stated = _stated(smallest_alerted(grid, limit)[last], number, limit, table)
        for group, mask in _groups(number, noise, sampling):
            rows.append(_rate(f"{group}, limit {limit:.0e}", level, stated[mask], chunk[mask]))
    return rows


def _stated(alerted: Array, number: Array, limit: float, table: NullTable) -> Array:
    """Probabilities corrected for the looks that each star had; (s,)."""
    result = np.ones(len(alerted))
    for looks in np.unique(number):
        chosen = number == looks
        result[chosen] = fap_of_looks(alerted[chosen], int(looks), limit, table.looks)
    return result


def _rate(group: str, level: float, stated: Array, chunk: Array) -> Rate:
    hit, count = stated <= level, len(stated)
    by_chunk = np.bincount(np.unique(chunk, return_inverse=True)[1], hit) if count else np.zeros(1)
    expected, seen = max(level * count, 1e-9), int(hit.sum())
    error = float(np.sqrt(max(by_chunk.var() * len(by_chunk), seen, 1.0)) / expected)
    return Rate(group, level, count, expected, seen, seen / expected, error)


def _groups(number: Array, noise: Array, sampling: Array) -> Iterator[tuple[str, Array]]:
    yield "all", np.ones(len(number), bool)
    for low, high in ((1, 5), (6, 12), (13, 20), (21, 60)):
        yield f"{low} to {high} looks", (number >= low) & (number <= high)
    for k, name in enumerate(NOISES):
        yield name, noise == k
    for k, name in enumerate(SAMPLINGS):
        yield name, sampling == k
