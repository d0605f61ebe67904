"""Null curves looked at by the search, kept on disk; the table they give; how it holds.

Calibration and check are different seeds. Records hold one look at one star without a signal; the
panels they come from also hold variables.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from csstream.evaluate.null_population import NOISES, SAMPLINGS, NullPanel, draw_panel
from csstream.timeseries.calibration import prepare_panel
from csstream.timeseries.examine import search_panel
from csstream.timeseries.false_alarms import (
    LooksTable,
    NullTable,
    Tail,
    better_of,
    false_alarms,
    log10_tail,
)
from csstream.timeseries.noise_growth import Growth
from csstream.timeseries.scores import Scores
from csstream.timeseries.search import Search
from csstream.timeseries.settings import ExamineSettings

Array = npt.NDArray[Any]
Progress = Callable[[int, int], None]

CHUNK_PANELS: Final = 100
EPOCH_NODES: Final = np.array([60.0, 110.0, 210.0, 400.0, 800.0])
DOUBT_NODES: Final = np.array([1e-4, 1e-3, 3e-3, 1e-2, 4e-2])
LOG10_P: Final = np.array([0.0, -0.3, -0.6, -1.0, -1.5, -2.0, -2.5])
TAIL_FROM: Final = 1e-2  # exceedances of this quantile give the slope of the tail
TAIL_PRIOR: Final = 30  # exceedances of the mean slope that are added to a cell's own
FEWEST: Final = 2000  # curves of a cell of the table; else it copies the nearest of as many epochs
ONE_LOOK: Final = LooksTable(np.array([1.0, 2.0]), np.array([0.0, -1.0]), np.ones((2, 2)), 0)
LEVELS: Final = (1e-1, 1e-2, 1e-3, 1e-4, 1e-5)


@dataclass(frozen=True, eq=False)
class NullRecords:
    """One look at each of n stars without a signal; (n,) each."""

    box: Array
    wave: Array
    box_doubt: Array
    wave_doubt: Array
    epochs: Array
    sampling: Array  # index in SAMPLINGS
    noise: Array  # index in NOISES
    chunk: Array  # number of the chunk: panels, and so their stars, are not independent

    def __len__(self) -> int:
        return len(self.box)

    @staticmethod
    def joined(parts: Sequence[NullRecords]) -> NullRecords:
        """All rows of the parts, one after the other."""
        names = [field.name for field in fields(NullRecords)]
        return NullRecords(*(np.concatenate([getattr(p, name) for p in parts]) for name in names))

    def growth(self, name: str) -> Growth:
        """What is kept of the growth of ``box`` or ``wave``."""
        none = np.full(len(self), np.nan)
        return Growth(none, none, none, none, getattr(self, f"{name}_doubt"))

    def scores(self) -> Scores:
        """What the table is read with; the rest is left empty."""
        none = np.full(len(self), np.nan)
        return Scores(
            none, none, none, none, none,
            self.box, self.wave, self.growth("box"), self.growth("wave"),
        )  # fmt: skip


def look_at_chunk(seed: int, chunk: int) -> NullRecords:
    """Draw and search the panels of one chunk; the same numbers for the same seed and chunk."""
    rng = np.random.default_rng([seed, chunk])
    settings = ExamineSettings(search_harmonics=1)  # the series do not enter the scores
    parts = []
    for _ in range(CHUNK_PANELS):
        drawn = draw_panel(rng)
        panel = prepare_panel(drawn.time, drawn.flux, drawn.flux_err)
        search = search_panel(panel, settings)
        if not search.boxes.count:  # too short for any period: nothing is looked for
            continue
        kept = drawn.is_null & np.isfinite(panel.level)
        parts.append(records_of(drawn, search, panel.epochs, kept, chunk))
    return NullRecords.joined(parts)


def records_of(
    drawn: NullPanel, search: Search, epochs: Array, kept: Array, chunk: int
) -> NullRecords:
    """What is kept of one look at a panel; kept (n,): the stars."""
    scores = search.scores
    columns = (
        scores.box, scores.wave, scores.box_growth.doubt, scores.wave_growth.doubt, epochs,
    )  # fmt: skip
    labels = (SAMPLINGS.index(drawn.sampling), NOISES.index(drawn.noise), chunk)
    count = np.count_nonzero(kept)
    return NullRecords(
        *(column[kept].astype(np.float32) for column in columns),
        *(np.full(count, label, np.float32) for label in labels),
    )


def gather(folder: Path, seed: int, curves: int, progress: Progress) -> NullRecords:
    """Records of at least so many stars; chunks that the folder holds are not made again."""
    folder.mkdir(parents=True, exist_ok=True)
    parts, total = [], 0
    for chunk in _numbers():
        path = folder / f"nulls-{seed}-{chunk:04d}.npz"
        records = _load(path) if path.exists() else look_at_chunk(seed, chunk)
        if not path.exists():
            _save(path, records)
        parts.append(records)
        total += len(records)
        progress(min(total, curves), curves)
        if total >= curves:
            break
    return NullRecords.joined(parts)


def _numbers() -> Iterator[int]:
    number = 0
    while True:
        yield number
        number += 1


def _save(path: Path, records: NullRecords) -> None:
    partial = path.with_suffix(".partial.npz")
    np.savez(partial, **{f.name: getattr(records, f.name) for f in fields(NullRecords)})
    partial.replace(path)


def _load(path: Path) -> NullRecords:
    with np.load(path) as stored:
        return NullRecords(*(stored[field.name] for field in fields(NullRecords)))


def fit_table(records: NullRecords, verified: float, note: str) -> NullTable:
    """Make the table of null records: quantiles of the scores per cell, and tails beyond them."""
    box, wave = (_tail(records, name) for name in ("box", "wave"))
    nodes = (EPOCH_NODES, DOUBT_NODES, LOG10_P)
    alone = np.tile(LOG10_P, (len(DOUBT_NODES), 1))
    table = NullTable(*nodes, box, wave, alone, ONE_LOOK, verified, len(records), note)
    smaller = better_of(
        log10_tail(table, box, records.box, records.epochs, records.growth("box")),
        log10_tail(table, wave, records.wave, records.epochs, records.growth("wave")),
    )
    cells = _by_cell(smaller, _nearest(DOUBT_NODES, records.wave_doubt), len(DOUBT_NODES))
    chosen = [_enough(cells, d, smaller) for d in range(len(cells))]
    return replace(table, pair=np.log10([[np.mean(c <= p) for p in LOG10_P] for c in chosen]))


def _by_cell(values: Array, number: Array, count: int) -> list[Array]:
    """Values of each of ``count`` cells; number (n,): their cell."""
    order = np.argsort(number, kind="stable")
    ends = np.searchsorted(number[order], np.arange(count + 1))
    return [values[order[low:high]] for low, high in itertools.pairwise(ends)]


def _tail(records: NullRecords, name: str) -> Tail:
    """Quantiles and slopes of one search's scores."""
    score, doubt = getattr(records, name).astype(np.float64), records.growth(name).doubt
    shape = len(EPOCH_NODES), len(DOUBT_NODES)
    place = _nearest(EPOCH_NODES, records.epochs), _nearest(DOUBT_NODES, doubt)
    cells = _by_cell(score, np.ravel_multi_index(place, shape), int(np.prod(shape)))
    knots, slope = np.zeros((*shape, len(LOG10_P))), np.ones(shape)
    usual = _mean_excess(score, np.empty(0))
    for i, d in np.ndindex(*shape):
        chosen = _enough(cells[i * shape[1] : (i + 1) * shape[1]], d, score)
        knots[i, d] = np.quantile(chosen, 1.0 - 10.0**LOG10_P)
        slope[i, d] = 1.0 / (np.log(10.0) * _mean_excess(chosen, np.full(TAIL_PRIOR, usual)))
    return Tail(np.maximum.accumulate(knots, axis=-1), slope)


def _enough(cells: list[Array], wanted: int, all_of_them: Array) -> Array:
    """The wanted cell, or the nearest that holds enough curves; all where none does."""
    full = [k for k, cell in enumerate(cells) if len(cell) >= FEWEST]
    return cells[min(full, key=lambda k: abs(k - wanted))] if full else all_of_them


def _mean_excess(score: Array, prior: Array) -> float:
    """Mean of what scores have above their quantile of ``TAIL_FROM``, the prior's added."""
    start = np.quantile(score, 1.0 - TAIL_FROM)
    return float(np.mean(np.append(score[score > start] - start, prior)))


def _nearest(nodes: Array, value: Array) -> Array:
    edges = np.sqrt(nodes[1:] * nodes[:-1])
    return np.asarray(np.searchsorted(edges, value))


@dataclass(frozen=True)
class Rate:
    """How often a stated probability was reached: ``ratio`` is seen over stated."""

    group: str
    level: float
    curves: int
    stated: float  # curves expected at or below the level
    seen: int
    ratio: float
    error: float  # of the ratio: of the count, and of the null curves behind the table

    @property
    def agrees(self) -> bool:
        """Return whether the ratio is 1 within twice its error."""
        return abs(self.ratio - 1.0) <= 2.0 * self.error


def rates(records: NullRecords, table: NullTable, calibrated: int) -> list[Rate]:
    """Stated against seen rates, all together and by noise, sampling and number of epochs.

    calibrated : null curves behind the table.
    """
    fap = false_alarms(records.scores(), records.epochs, table).probability
    share = calibrated / max(len(records), 1)
    result = []
    for group, mask in _groups(records):
        count, found, chunk = int(np.count_nonzero(mask)), fap[mask], records.chunk[mask]
        clustering = _clustering(found <= LEVELS[1], chunk)
        for level in LEVELS if count else ():
            stated, seen = level * count, int(np.count_nonzero(found <= level))
            variance = clustering * (max(seen, 1) + stated / max(share, 1e-9))
            error = float(np.sqrt(variance) / stated)
            result.append(Rate(group, level, count, stated, seen, seen / stated, error))
    return result


def _clustering(hit: Array, chunk: Array) -> float:
    """Variance of the number of hits of a chunk over its mean, at least 1 (independent stars)."""
    counts = np.bincount(chunk.astype(np.int64), hit)
    sizes = np.bincount(chunk.astype(np.int64))
    expected = sizes * (counts.sum() / max(sizes.sum(), 1))
    used = expected > 0
    if np.count_nonzero(used) < 5:
        return 1.0
    return max(float(np.mean((counts - expected)[used] ** 2 / expected[used])), 1.0)


def _groups(records: NullRecords) -> Iterator[tuple[str, Array]]:
    yield "all", np.ones(len(records), bool)
    for k, name in enumerate(NOISES):
        yield name, records.noise == k
    for k, name in enumerate(SAMPLINGS):
        yield name, records.sampling == k
    for low, high in ((0, 100), (100, 300), (300, 2000)):
        yield f"{low}-{high} epochs", (records.epochs >= low) & (records.epochs < high)
