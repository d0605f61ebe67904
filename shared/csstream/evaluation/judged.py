"""Finds beside the truth: who is whom."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from csstream.evaluation.lists import Finds, Float, Mask, Truth
from csstream.imaging.matching import match_pixels

Index = npt.NDArray[np.int64]

LIMIT = 25.0  # [mag] brighter stars are scored
WIDEST = 0.5  # [pixel] largest distance of a find from its star


@dataclass(frozen=True, kw_only=True, eq=False)
class Judged:
    """The finds of one or more scenes and the star of each.

    Attributes
    ----------
    star, strict_star : ndarray, (n,), int64
        Row of ``truth`` that a find is; −1 for none. Strict: only scored stars may be matched.
    distance, strict_distance : ndarray, (n,) [pixel]
        To that star; inf for none. Pairs are made closest first, so the pairs within a smaller
        radius are those whose distance is smaller.
    limit : float [mag]
        Stars brighter than it are scored.
    """

    truth: Truth
    finds: Finds
    star: Index
    distance: Float
    strict_star: Index
    strict_distance: Float
    limit: float = LIMIT

    @property
    def scored(self) -> Mask:
        """Which true stars count for recall, (m,)."""
        return self.truth.inside & (self.truth.mag < self.limit)

    @property
    def counted(self) -> Mask:
        """Which finds count for precision, (n,): those measured brighter than the limit."""
        with np.errstate(invalid="ignore"):
            return np.asarray(self.finds.mag < self.limit)

    def hit(self, radius: float, *, strict: bool = False) -> Mask:
        """Return which true stars were found within ``radius`` [pixel], (m,)."""
        star, right = self.strict_star if strict else self.star, self.right(radius, strict=strict)
        hit = np.zeros(len(self.truth), np.bool_)
        hit[star[right]] = True
        return hit

    def right(self, radius: float, *, strict: bool = False) -> Mask:
        """Return which finds are a star within ``radius`` [pixel], (n,)."""
        return (self.strict_distance if strict else self.distance) <= radius


def judge(finds: Finds, truth: Truth, limit: float = LIMIT) -> Judged:
    """Match finds to the truth one to one, closest first, within half a pixel."""
    star, distance = _match(finds, truth.x, truth.y)
    scored = np.flatnonzero(truth.mag < limit)
    few, strict_distance = _match(finds, truth.x[scored], truth.y[scored])
    strict = np.where(few >= 0, scored[few] if scored.size else -1, -1)
    return Judged(
        truth=truth,
        finds=finds,
        star=star,
        distance=distance,
        strict_star=strict,
        strict_distance=strict_distance,
        limit=limit,
    )


def joined(parts: Sequence[Judged]) -> Judged:
    """Return several scenes as one."""
    starts = np.cumsum([0, *(len(part.truth) for part in parts[:-1])])
    shifted = [(p, np.int64(s)) for p, s in zip(parts, starts, strict=True)]
    return Judged(
        truth=Truth.joined([p.truth for p in parts]),
        finds=Finds.joined([p.finds for p in parts]),
        star=np.concatenate([np.where(p.star >= 0, p.star + s, -1) for p, s in shifted]),
        distance=np.concatenate([p.distance for p in parts]),
        strict_star=np.concatenate(
            [np.where(p.strict_star >= 0, p.strict_star + s, -1) for p, s in shifted]
        ),
        strict_distance=np.concatenate([p.strict_distance for p in parts]),
        limit=parts[0].limit,
    )


def _match(finds: Finds, x: Float, y: Float) -> tuple[Index, Float]:
    found, true, apart = match_pixels(finds.x, finds.y, x, y, WIDEST)
    star, distance = np.full(len(finds), -1, np.int64), np.full(len(finds), np.inf)
    star[found], distance[found] = true, apart
    return star, distance
