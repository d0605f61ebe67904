"""How often noise crosses a level when the same star is looked at again and again."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from csstream.alerting.schedule import Schedule
from csstream.evaluate.null_population import CADENCE, STARS, correlated
from csstream.timeseries.calibration import prepare_panel
from csstream.timeseries.examine import search_panel
from csstream.timeseries.settings import ExamineSettings

Array = npt.NDArray[Any]
Progress = Callable[[int, int], None]

EPOCHS: Final = 1000
FIRST: Final = 120  # epochs: two of the shortest period
LEVELS: Final = (1e-1, 1e-2, 1e-3)
RED: Final = 0.2  # of the white noise, correlated over two hours, in every second panel


def count_looks(seed: int, panels: int, progress: Progress) -> dict[str, Any]:
    """Looks at growing numbers of epochs, as the light-curve service makes panels due.

    Returns the share of stars that reach each level at the last look, at any look, and at two
    looks in a row; and the number of looks.
    """
    looks = due_counts()
    hits = np.zeros((len(LEVELS), 3))
    for panel in range(panels):
        rng = np.random.default_rng([seed, 777, panel])
        fap = _look_again(rng, looks, red=panel % 2 == 1)
        for k, level in enumerate(LEVELS):
            below = fap <= level
            twice = (below[:, 1:] & below[:, :-1]).any(axis=1)
            hits[k] += below[:, -1].sum(), below.any(axis=1).sum(), twice.sum()
        progress(panel + 1, panels)
    stars = STARS * panels
    rows = [
        {"level": level, "last": row[0] / stars, "any": row[1] / stars, "twice": row[2] / stars}
        for level, row in zip(LEVELS, hits, strict=True)
    ]
    return {"stars": stars, "looks": len(looks), "rows": rows}


def due_counts() -> list[int]:
    """Numbers of epochs at which a panel is looked at, from the first useful one to the close."""
    schedule, counts = Schedule(), []
    epochs = FIRST
    while epochs < EPOCHS:
        epochs = schedule.count_from(0, 0, epochs)
        if epochs < EPOCHS:
            counts.append(epochs)
        epochs += 1
    return [*counts, EPOCHS]


def _look_again(rng: np.random.Generator, looks: list[int], *, red: bool) -> Array:
    """False-alarm probabilities of one panel of noise, (STARS, looks)."""
    time = CADENCE * np.arange(EPOCHS)
    noise = rng.standard_normal((STARS, EPOCHS))
    if red:
        noise += RED * correlated(rng, time, np.full(STARS, 2.0 / 24.0))
    flux, error = 1.0 + 0.01 * noise, np.full((STARS, EPOCHS), 0.01)
    settings = ExamineSettings(search_harmonics=1)
    faps = [
        search_panel(prepare_panel(time[:n], flux[:, :n], error[:, :n]), settings).fap
        for n in looks
    ]
    return np.stack(faps, axis=1)
