"""Measured curves of constant stars as the noise to train on.

Runs of ``csstream evaluate survey`` say which stars are constant. In a table of light curves, as
``csstream lightcurves export`` writes it, all are taken for constant: known variables should be
left out of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from csstream.evaluation.curve_store import field_folders, read_field
from csstream.timeseries.errors import TimeseriesError
from csstream.timeseries.tables import panels_of, read_curves
from csstream.trainer.classifier_canvas import (
    MOST_STARS,
    PARTS,
    PLACES,
    Canvas,
    correlated,
    part_of,
)

Array = npt.NDArray[Any]

FEWEST_EPOCHS = 40
SHORTEST_WINDOW = 120  # epochs of a canvas, where the panel has so many
FEWEST_STARS = 5  # of one part in a panel
MEASURED_SHARE = 0.5  # of the epochs in which a star must be measured
LARGEST_ERROR = 0.3  # of one epoch, relative flux
HASH = np.uint64(0x9E3779B97F4A7C15)


class NoiseError(RuntimeError):
    """There are no curves to take the noise from."""


@dataclass(frozen=True, eq=False)
class NoisePanel:
    """Constant stars with common epochs: ids (n,), time (m,), flux and error (n, m).

    conditions : (m,) what systematic errors may follow, such as the PSF's width; None: unknown.
    """

    name: str
    object_id: Array
    time: Array
    flux: Array
    error: Array
    conditions: Array | None = None

    def usable(self) -> NoisePanel:
        """The stars that are measured often and well enough."""
        known = np.isfinite(self.flux) & np.isfinite(self.error)
        sigma = _relative_error(self.flux, self.error)
        often = known.mean(axis=1) >= MEASURED_SHARE
        kept = often & np.isfinite(sigma) & (sigma > 0) & (sigma < LARGEST_ERROR)
        return NoisePanel(
            self.name,
            self.object_id[kept],
            self.time,
            self.flux[kept],
            self.error[kept],
            self.conditions,
        )

    def stars_of(self, part: str) -> Array:
        """Rows of the stars that belong to one part, whatever else is in the panel."""
        mixed = self.object_id.astype(np.uint64) * HASH >> np.uint64(40)
        parts = np.array([part_of(place) for place in range(PLACES)])
        return np.flatnonzero(parts[mixed % np.uint64(PLACES)] == part)


class MeasuredNoise:
    """Canvases cut out of measured panels: some of the stars, some of the epochs."""

    def __init__(self, panels: Sequence[NoisePanel]) -> None:
        """Raises :class:`NoiseError` when a part has too few stars."""
        useful = [panel.usable() for panel in panels if len(panel.time) >= FEWEST_EPOCHS]
        self._panels = {
            part: [p for p in useful if len(p.stars_of(part)) >= FEWEST_STARS] for part in PARTS
        }
        for part, left in self._panels.items():
            if not left:
                raise NoiseError(
                    f"no panel has {FEWEST_STARS} stars for {part} with {FEWEST_EPOCHS} epochs"
                )
        stars = sum(len(p.object_id) for p in useful)
        names = ", ".join(sorted({p.name for p in useful}))
        self.name = f"measured curves of {stars} constant stars ({names})"

    @classmethod
    def read(cls, paths: Sequence[Path]) -> MeasuredNoise:
        """Read survey folders and tables of light curves.

        Raises
        ------
        NoiseError
            A path holds no curves, or too few.
        """
        panels: list[NoisePanel] = []
        for path in paths:
            panels += _of_survey(path) if path.is_dir() else _of_table(path)
        return cls(panels)

    def draw(self, rng: np.random.Generator, part: str) -> Canvas:
        """Draw stars of one part and consecutive epochs of one panel."""
        choices = self._panels[part]
        sizes = np.array([len(p.stars_of(part)) for p in choices], float)
        panel = choices[int(rng.choice(len(choices), p=sizes / sizes.sum()))]
        rows = panel.stars_of(part)
        rows = rng.choice(rows, size=min(len(rows), MOST_STARS), replace=False)
        total = len(panel.time)
        fewest = min(SHORTEST_WINDOW, total)
        count = int(np.exp(rng.uniform(np.log(fewest), np.log(total + 1))))
        first = int(rng.integers(0, total - count + 1))
        epochs = slice(first, first + count)
        return _canvas(rng, panel, rows, epochs)


def _canvas(rng: np.random.Generator, panel: NoisePanel, rows: Array, epochs: slice) -> Canvas:
    time = np.asarray(panel.time[epochs], np.float64)
    flux, error = (np.asarray(a[rows, epochs], np.float64) for a in (panel.flux, panel.error))
    if panel.conditions is None:
        seeing = correlated(rng, time, 1, max(float(np.ptp(time)) / 10, 0.02))[0]
    else:
        seeing = panel.conditions[epochs] - np.median(panel.conditions[epochs])
        seeing = np.clip(seeing / max(float(np.std(seeing)), 1e-12), -4.0, 4.0)
    offset = rng.uniform(-1.0, 1.0, len(time))
    sigma = _relative_error(panel.flux[rows], panel.error[rows])
    return Canvas(time, flux, error, sigma, seeing, offset)


def _relative_error(flux: Array, error: Array) -> Array:
    """Median error over median flux, (n,); NaN where the flux is not positive."""
    known = np.isfinite(flux) & np.isfinite(error)
    result = np.full(len(flux), np.nan)
    for row in np.flatnonzero(known.any(axis=1)):
        level = float(np.median(flux[row, known[row]]))
        if level > 0:
            result[row] = float(np.median(error[row, known[row]])) / level
    return result


def _of_survey(run: Path) -> list[NoisePanel]:
    folders = field_folders(run)
    if not folders:
        raise NoiseError(f"{run} holds no curves of a survey")
    panels = []
    for folder in folders:
        field = read_field(folder)
        quiet = np.flatnonzero(field.quiet & (field.objects.star >= 0))
        width = np.concatenate([chunk.fwhm for chunk in field.chunks])[: len(field.time)]
        width = np.where(np.isfinite(width), width, np.nanmedian(width))
        panels.append(
            NoisePanel(
                field.name,
                field.objects.object_id[quiet],
                field.time,
                field.flux[quiet],
                field.flux_err[quiet],
                width,
            )
        )
    return panels


def _of_table(path: Path) -> list[NoisePanel]:
    try:
        table = read_curves(path)
    except TimeseriesError as error:
        raise NoiseError(str(error)) from error
    names = np.unique(table.object_id)
    panels = []
    for panel in panels_of(table):
        ids = np.searchsorted(names, panel.object_id)
        panels.append(NoisePanel(path.name, ids, panel.time, panel.flux, panel.flux_err))
    return panels
