"""What an examination said of simulated stars, beside what is true of them."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

from csstream.evaluation.curve_store import FieldCurves
from csstream.evaluation.lists import _Columns
from csstream.evaluation.rates import Rate, rate
from csstream.timeseries.kinds import KINDS

Float = npt.NDArray[np.float64]
Int = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]

NEAR = 5.0  # [pixel] of a constant star to a variable from which its light may come
FEWEST_EVENTS = 2  # without which nothing repeats
PERIODIC = 0.5  # probability of a variable from which a curve is called periodic
SNR_EDGES = (0.5, 1.0, 1.5, 2.0, 2.5, 3.0, 4.0, 5.0, 6.0)


@dataclass(frozen=True, kw_only=True, eq=False)
class Classified(_Columns):
    """Rows of stars and of objects that are none; all arrays (n,) or (n, 4).

    Every variable of the field is a row, listed or not; every object that is no variable is.
    """

    field: Int  # index of the field
    object_row: Int  # of the field's list; -1: nothing is listed there
    star: Int  # row of the truth; -1: no star
    kind: Int  # true code in KINDS
    mag: Float
    snr: Float  # equation 5; nan for constant stars
    events: Int  # whole events in the series
    near: Mask  # constant, and within 5 pixels of a variable
    epochs: Int  # measured ones
    probability: Float  # (n, 4) in the order of KINDS; [1, 0, 0, 0] without a candidate
    crossed: Mask  # every threshold of an alert

    def __len__(self) -> int:
        return len(self.kind)

    @property
    def periodic(self) -> Mask:
        """Return which are called periodic, (n,)."""
        return np.asarray(1.0 - self.probability[:, 0] >= PERIODIC)

    @property
    def named(self) -> Int:
        """Return the code of the kind that each is called, (n,); 0 where it is not periodic."""
        kind = 1 + np.argmax(self.probability[:, 1:], axis=1)
        return np.where(self.periodic, kind, 0)

    @property
    def repeats(self) -> Mask:
        """Return which are variables that repeat within the series, (n,)."""
        return np.asarray((self.kind > 0) & (self.events >= FEWEST_EVENTS))


def classified(
    field: FieldCurves, index: int, probability: Float, crossed: Mask, epochs: Int, limit: float
) -> Classified:
    """Join what was said of a field's objects (n,) with its truth.

    ``limit`` [mag]: constant stars fainter than it are left out, as nobody looks for them.
    """
    objects, truth = field.objects, field.truth
    kind = np.array([KINDS.index(str(k)) for k in truth.kind], np.int64)
    star = objects.star
    quiet = np.flatnonzero(field.quiet & (objects.mag < limit))
    variable = np.flatnonzero(kind > 0)
    row_of = np.full(len(kind), -1, np.int64)
    row_of[star[star >= 0]] = np.flatnonzero(star >= 0)
    rows = np.concatenate([row_of[variable], quiet])
    stars = np.concatenate([variable, star[quiet]])
    known = rows >= 0
    nothing = np.array([1.0, 0.0, 0.0, 0.0])
    is_star = stars >= 0
    is_variable = np.arange(len(rows)) < len(variable)
    return Classified(
        field=np.full(len(rows), index),
        object_row=rows,
        star=stars,
        kind=np.where(is_variable, kind[stars], 0),
        mag=np.where(is_star, truth.mag[stars], objects.mag[rows]),
        snr=np.where(is_variable, truth.snr[stars], np.nan),
        events=np.where(is_variable, truth.events[stars], 0),
        near=~is_variable & (objects.variable_distance[rows] < NEAR),
        epochs=np.where(known, epochs[rows], 0),
        probability=np.where(known[:, None], probability[rows], nothing),
        crossed=known & crossed[rows],
    )


def share(hits: Mask, rows: Mask) -> Rate:
    """Return the share of ``rows`` (n,) that are ``hits`` (n,)."""
    return rate(int(np.count_nonzero(hits & rows)), int(np.count_nonzero(rows)))


def confusion(found: Classified) -> list[list[int]]:
    """Return counts by true kind and by the kind that it is called, (4, 4), in order of KINDS."""
    scored = (found.kind == 0) | found.repeats
    table = np.zeros((len(KINDS), len(KINDS)), np.int64)
    np.add.at(table, (found.kind[scored], found.named[scored]), 1)
    return [[int(n) for n in row] for row in table]


def by_snr(found: Classified, called: Mask, kind: int) -> list[dict[str, Any]]:
    """Return, for each bin of equation 5, the share of one kind's stars that ``called`` (n,)."""
    rows = []
    mine = found.repeats & (found.kind == kind)
    for low, high in pairwise(SNR_EDGES):
        inside = mine & (found.snr >= low) & (found.snr < high)
        rows.append({"from": low, "to": high, **share(called, inside)._asdict()})
    return rows
