"""When a panel falls due: at epoch counts that grow by a factor, shifted panel by panel.

Panel *p* of a cell falls due when the cell's number of epochs reaches ``ceil(first * growth**(k
+ shift))`` for k = 0, 1, 2 …; the shift, in [0, 1), is a hash of cell and panel, so the panels of
a field do not all fall due in one exposure. With a growth of 1.1 all examinations of a panel
together look at about 11 times its data.
"""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass


@dataclass(frozen=True)
class Schedule:
    """The rule.

    Attributes
    ----------
    first : int
        Epochs of a cell before its first examination, at least 2.
    growth : float
        Factor between two examinations, above 1.
    """

    first: int = 30
    growth: float = 1.1

    def __post_init__(self) -> None:
        if self.first < 2 or self.growth <= 1.0:
            raise ValueError(
                f"first must be at least 2 and growth above 1, got {self.first}, {self.growth}"
            )

    def due(self, cell: int, panel: int, before: int, after: int) -> bool:
        """Say whether a due count lies in (before, after], both numbers of epochs."""
        if after < self.first:
            return False
        return self.count_from(cell, panel, before + 1) <= after

    def count_from(self, cell: int, panel: int, epochs: int) -> int:
        """Return the smallest due count of the panel that is not below ``epochs``."""
        shift = phase(cell, panel)
        steps = math.log(max(epochs, 1) / self.first) / math.log(self.growth) - shift
        k = max(0, math.floor(steps) - 1)
        while self._count(k + shift) < epochs:
            k += 1
        return self._count(k + shift)

    def _count(self, steps: float) -> int:
        return math.ceil(self.first * self.growth**steps)


def phase(cell: int, panel: int) -> float:
    """Return the panel's shift in [0, 1): the same in every process and version."""
    digest = hashlib.blake2b(f"{cell}:{panel}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") / 2.0**64
