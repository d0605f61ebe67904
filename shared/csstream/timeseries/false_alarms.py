"""False-alarm probabilities per star, read from counted null curves.

The table says how often noise alone reaches a score (``scores``), by the number of epochs and by
how uncertain the growth of noise is in the panel. Neither depends on what was found in the star:
conditioned on that, kinds of sampling would differ. It was made by ``csstream evaluate significance
--calibrate``, and ships as ``false_alarms.json``. Between its nodes scores are interpolated in the
logarithms of both.
Down to the table's last counted probability the scores are quantiles of the null curves; beyond,
``log10 p`` falls linearly with the score (for the box: a Gaussian tail of a scaled width).
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from itertools import product
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from csstream.timeseries.errors import TimeseriesError
from csstream.timeseries.noise_growth import Growth
from csstream.timeseries.scores import Scores

Array = npt.NDArray[Any]

SHIPPED: Final = "false_alarms.json"
SMALLEST_LOG10 = -300.0
BOX_SHARE: Final = 0.8  # of the false alarms; the sinusoids have the rest


@dataclass(frozen=True, eq=False)
class Tail:
    """How often noise alone reaches a score.

    score : ndarray, (epochs, doubts, k), rising along k: what 10**log10_p of the null reaches.
    slope : ndarray, (epochs, doubts): fall of log10 p per unit of score beyond the last.
    """

    score: Array
    slope: Array


@dataclass(frozen=True, eq=False)
class LooksTable:
    """How much more often noise is alerted at any look so far than at one.

    Attributes
    ----------
    looks : ndarray, (l,), rising: looks so far.
    log10_below : ndarray, (r,), falling from 0: log10 of a probability over the limit.
    factor : ndarray, (l, r), at least 1.
    stars : null stars behind the factors, at the fewest looks.
    """

    looks: Array
    log10_below: Array
    factor: Array
    stars: int


@dataclass(frozen=True, eq=False)
class NullTable:
    """What null curves gave.

    Attributes
    ----------
    epochs, doubts : nodes of the number of epochs and of ``Growth.doubt``.
    log10_p : ndarray, (k,), falling: where the tails are tabulated.
    box, wave : the two searches.
    pair : ndarray, (doubts, k): log10 p that :func:`better_of` the two is below log10_p. Where
        few cycles fit into the span (much doubt of the sinusoid's growth) both searches find the
        same noise, else they are two tries.
    looks : what repeated looks do, see ``repeated_looks``.
    verified : smallest probability that was checked by counting.
    curves : null curves behind the table.
    note : how it was made.
    """

    epochs: Array
    doubts: Array
    log10_p: Array
    box: Tail
    wave: Tail
    pair: Array
    looks: LooksTable
    verified: float
    curves: int
    note: str


@dataclass(frozen=True, eq=False)
class FalseAlarms:
    """Probabilities that noise alone stands out so much in one look at one star; (n,) each."""

    probability: Array  # of the better of the two searches, whichever it was
    box: Array
    wave: Array
    extrapolated: Array  # bool: `probability` is below what was checked by counting


def false_alarms(scores: Scores, epochs: Array, table: NullTable | None = None) -> FalseAlarms:
    """Probabilities of scores of stars with so many epochs (n,); the shipped table when None.

    Beyond the nodes of the table its edges are used.
    """
    table = shipped_table() if table is None else table
    box = log10_tail(table, table.box, scores.box, epochs, scores.box_growth)
    wave = log10_tail(table, table.wave, scores.wave, epochs, scores.wave_growth)
    both = _pair(table, better_of(box, wave), scores.wave_growth.doubt)
    return FalseAlarms(10.0**both, 10.0**box, 10.0**wave, 10.0**both < table.verified)


def better_of(box: Array, wave: Array) -> Array:
    """Log10 of the smaller of two probabilities, each over its search's share of the false alarms.

    Boxes get :data:`BOX_SHARE` of them: a transit needs every one, of sinusoids few are that faint.
    Not above 0.
    """
    both = np.minimum(box - np.log10(BOX_SHARE), wave - np.log10(1.0 - BOX_SHARE))
    return np.asarray(np.minimum(both, 0.0))


def log10_tail(table: NullTable, tail: Tail, score: Array, epochs: Array, growth: Growth) -> Array:
    """Log10 of the share of null curves that reach the scores, (n,), not above 0."""
    places = (_place(table.epochs, epochs), _place(table.doubts, growth.doubt))
    knots, slope = np.zeros((len(score), len(table.log10_p))), np.zeros(len(score))
    for corner in product((0, 1), repeat=2):
        cell = tuple(index + step for (index, _), step in zip(places, corner, strict=True))
        share = np.ones(len(score))
        for (_, part), step in zip(places, corner, strict=True):
            share = share * (part if step else 1.0 - part)
        knots += share[:, None] * tail.score[cell]
        slope += share * tail.slope[cell]
    return _read(knots, slope, table.log10_p, np.nan_to_num(np.asarray(score, float)))


def _read(knots: Array, slope: Array, log10_p: Array, score: Array) -> Array:
    """Interpolate log10 p in rows of knots (n, k), rising; linear beyond the last."""
    rows = np.arange(len(score))
    k = np.clip((knots < score[:, None]).sum(axis=1) - 1, 0, knots.shape[1] - 2)
    low, high = knots[rows, k], knots[rows, k + 1]
    part = np.clip((score - low) / np.maximum(high - low, 1e-9), 0.0, 1.0)
    inside = log10_p[k] + part * (log10_p[k + 1] - log10_p[k])
    beyond = np.maximum(score - knots[:, -1], 0.0)
    return np.asarray(np.maximum(inside - slope * beyond, SMALLEST_LOG10))


def _pair(table: NullTable, log10_p: Array, doubt: Array) -> Array:
    """Log10 p of the smaller of two probabilities; the last excess is kept beyond the table."""
    index, part = _place(table.doubts, doubt)
    columns = [np.interp(-log10_p, -table.log10_p, row - table.log10_p) for row in table.pair]
    excess, rows = np.stack(columns), np.arange(len(log10_p))
    joined = (1.0 - part) * excess[index, rows] + part * excess[index + 1, rows]
    return np.asarray(np.minimum(log10_p + joined, 0.0))


def _place(nodes: Array, value: Array) -> tuple[Array, Array]:
    """Index of the node below and the part of the way to the next, in logarithms; clipped."""
    log, x = np.log(nodes), np.log(np.clip(np.asarray(value, float), nodes[0], nodes[-1]))
    index = np.clip(np.searchsorted(log, x, side="right") - 1, 0, len(nodes) - 2)
    return index, (x - log[index]) / (log[index + 1] - log[index])


@lru_cache(maxsize=1)
def shipped_table() -> NullTable:
    """Return the table that ships with the package."""
    text = files("csstream.timeseries").joinpath(SHIPPED).read_text(encoding="utf-8")
    return table_from(json.loads(text))


def read_table(path: Path) -> NullTable:
    """Read a table.

    Raises
    ------
    TimeseriesError
        When the file is no table (reason ``null_table``).
    """
    try:
        return table_from(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise TimeseriesError(
            "null_table", f"{path} is no table of null curves: {error}"
        ) from error


def write_table(path: Path, table: NullTable) -> None:
    """Write a table as JSON, scores to three decimals."""
    content: dict[str, Any] = {
        "note": table.note,
        "verified": table.verified,
        "curves": table.curves,
    }
    for name in ("epochs", "doubts", "log10_p"):
        content[name] = getattr(table, name).tolist()
    content["pair"] = np.round(table.pair, 4).tolist()
    for name, tail in (("box", table.box), ("wave", table.wave)):
        content[name] = {
            "score": np.round(tail.score, 3).tolist(),
            "slope": np.round(tail.slope, 4).tolist(),
        }
    looks = table.looks
    content["looks"] = {
        "looks": looks.looks.tolist(),
        "log10_below": looks.log10_below.tolist(),
        "factor": np.round(looks.factor, 3).tolist(),
        "stars": looks.stars,
    }
    path.write_text(json.dumps(content) + "\n", encoding="utf-8")


def table_from(content: dict[str, Any]) -> NullTable:
    """Make a table of what a file held; ``ValueError`` or ``KeyError`` when that does not fit."""
    axes = [np.array(content[name], float) for name in ("epochs", "doubts")]
    log10_p, pair = np.array(content["log10_p"], float), np.array(content["pair"], float)
    if pair.shape != (len(axes[1]), len(log10_p)) or any(
        np.any(np.diff(axis) <= 0) for axis in axes
    ):
        raise ValueError("axes do not rise, or the pair does not fit")
    shape = (*(len(axis) for axis in axes), len(log10_p))
    box, wave = _tail_from(content["box"], shape), _tail_from(content["wave"], shape)
    facts = float(content["verified"]), int(content["curves"]), str(content["note"])
    return NullTable(
        axes[0], axes[1], log10_p, box, wave, pair, _looks_from(content["looks"]), *facts
    )


def _tail_from(content: dict[str, Any], shape: tuple[int, ...]) -> Tail:
    score, slope = np.array(content["score"], float), np.array(content["slope"], float)
    if score.shape != shape or slope.shape != shape[:-1] or np.any(np.diff(score) < 0):
        raise ValueError("a tail does not fit its axes or does not rise")
    return Tail(score, slope)


def _looks_from(content: dict[str, Any]) -> LooksTable:
    looks, below = np.array(content["looks"], float), np.array(content["log10_below"], float)
    factor = np.array(content["factor"], float)
    if factor.shape != (len(looks), len(below)) or np.any(np.diff(looks) <= 0):
        raise ValueError("factors of repeated looks do not fit their axes")
    return LooksTable(looks, below, factor, int(content["stars"]))
