"""How much of a curve is kept: a rule about the exposures, never about the clock on the wall."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class Retention:
    """The latest epochs are kept, those of the newest days; 0: without limit.

    Both are judged by the times of the exposures of one series, so that a replay keeps the same.
    What is out never comes back: a further epoch can only push more out.
    """

    epochs: int = 0
    days: float = 0.0  # [day] before the latest epoch

    @property
    def unlimited(self) -> bool:
        """Whether everything is kept."""
        return not self.epochs and not self.days

    def kept(self, time: Array, visit: Array, detector: Array) -> Array:
        """Return the indices of the epochs that are kept, by time, visit and detector."""
        order: Array = np.lexsort((detector, visit, time))
        if self.days and len(order):
            order = order[time[order] >= time[order[-1]] - self.days]
        return order[-self.epochs :] if self.epochs else order
