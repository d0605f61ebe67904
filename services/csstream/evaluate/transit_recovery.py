"""Transits put into measured or simulated constant curves, and how many the search finds.

A transit multiplies the fluxes as they were measured, so the noise is that of the measurement. Few
stars of a panel get one at a time: the panel must stay what it is.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from csstream.evaluation.curve_store import field_folders, read_field
from csstream.evaluation.rates import rate
from csstream.imaging.frames.flags import UNRELIABLE
from csstream.timeseries.calibration import normalise, prepare_panel
from csstream.timeseries.examine import search_panel
from csstream.timeseries.medians import MAD_TO_SIGMA, row_median
from csstream.timeseries.settings import ExamineSettings

Array = npt.NDArray[Any]
Panel = tuple[Array, Array, Array, Array]  # time (m,), flux and error (n, m), magnitude (n,)

PERIODS: Final = (1.45, 2.95)  # [day]
DURATION: Final = 0.1  # [day] first to last contact
INGRESS: Final = 0.15  # of the duration, each side
MAGNITUDES: Final = ((0.0, 99.0), (0.0, 20.0), (20.0, 22.0), (22.0, 24.0), (24.0, 99.0))
DEPTHS: Final = (1.2, 1.7)  # over the scatter of one epoch
SHARE: Final = 0.1  # of the stars of a panel at a time
SEEN: Final = 0.8  # of an event's epochs that must be there for it to count


@dataclass(frozen=True, eq=False)
class Recovered:
    """Injected stars; (n,) each."""

    depth_sigma: Array
    mag: Array
    events: Array
    fap: Array
    period: Array
    found_period: Array


def trapezoid(time: Array, period: float, middle: float) -> Array:
    """Loss of light of a transit of depth one, (m,)."""
    phase = np.abs((time - middle) / period - np.round((time - middle) / period)) * period
    return np.asarray(np.clip((0.5 * DURATION - phase) / (INGRESS * DURATION), 0.0, 1.0))


def whole_events(time: Array, usable: Array, period: float, middle: float) -> int:
    """Events of which most epochs are there, had the sampling its usual density."""
    usual = DURATION / np.median(np.diff(time))
    first = np.ceil((time[0] - middle) / period)
    last = np.floor((time[-1] - middle) / period)
    times = middle + period * np.arange(first, last + 1)
    counts = [np.count_nonzero(usable & (np.abs(time - at) < 0.5 * DURATION)) for at in times]
    return int(np.count_nonzero(np.array(counts) >= SEEN * usual))


def measured_panels(run: Path) -> Iterator[Panel]:
    """Panels of the constant stars of a survey run, as the light-curve service would cut them."""
    for folder in field_folders(run):
        field = read_field(folder)
        flux = np.where(field.flags & int(UNRELIABLE), np.nan, field.flux)
        for _, _, rows in field.panels():
            chosen = rows[field.quiet[rows]]
            yield field.time, flux[chosen], field.flux_err[chosen], field.objects.mag[chosen]


def simulated_panels(rng: np.random.Generator, count: int) -> Iterator[Panel]:
    """White noise: 1000 epochs of 300 s, 128 stars a panel."""
    time = np.arange(1000) * 300.0 / 86400.0
    for _ in range(count):
        error = np.full((128, len(time)), 0.01)
        yield time, 1.0 + error * rng.standard_normal(error.shape), error, np.full(128, 22.0)


def recover(panels: Iterator[Panel], rng: np.random.Generator, rounds: int) -> list[Recovered]:
    """Inject and search: ``rounds`` times each panel, with other stars and transits each time."""
    settings = ExamineSettings(search_harmonics=1)
    return [
        _round(panel, depth, rng, settings)
        for panel in panels
        for _ in range(rounds)
        for depth in DEPTHS
        if len(panel[1]) >= 20
    ]


def _round(
    panel: Panel, depth: float, rng: np.random.Generator, settings: ExamineSettings
) -> Recovered:
    time, flux, error, mag = panel
    scatter = _scatter(flux, error)
    chosen = np.flatnonzero((rng.random(len(flux)) < SHARE) & (depth * scatter < 0.9))
    injected = flux.astype(np.float64)
    facts = np.zeros((len(chosen), 2))
    for k, star in enumerate(chosen):
        period, middle, events = _draw(time, np.isfinite(flux[star]), rng)
        injected[star] *= 1.0 - depth * scatter[star] * trapezoid(time, period, middle)
        facts[k] = period, events
    search = search_panel(prepare_panel(time, injected, error), settings)
    best = np.maximum(search.scores.frequency[chosen], 1e-9)
    return Recovered(
        np.full(len(chosen), depth), mag[chosen], facts[:, 1],
        search.fap[chosen], facts[:, 0], 1.0 / best,
    )  # fmt: skip


def _scatter(flux: Array, error: Array) -> Array:
    """Robust scatter of one epoch in relative flux, (n,); infinite where a star has none."""
    relative, _, _ = normalise(flux, error)
    spread = MAD_TO_SIGMA * row_median(np.abs(relative))
    return np.where(np.isfinite(spread), spread, np.inf)


def _draw(time: Array, usable: Array, rng: np.random.Generator) -> tuple[float, float, int]:
    """Period, middle and number of whole events, at least two if a hundred tries give them."""
    period = middle = 0.0
    events = 0
    for _ in range(100):
        period = float(rng.uniform(*PERIODS))
        middle = float(time[0] + rng.uniform(0.0, period))
        events = whole_events(time, usable, period, middle)
        if events >= 2:
            break
    return period, middle, events


def completeness(parts: list[Recovered], level: float) -> list[dict[str, float]]:
    """Share of two-event transits found at a probability: by depth, all and by magnitude."""
    joined = {
        name: np.concatenate([getattr(part, name) for part in parts])
        for name in ("depth_sigma", "mag", "events", "fap", "period", "found_period")
    }
    rows = []
    for depth in DEPTHS:
        for low, high in MAGNITUDES:
            mask = (joined["depth_sigma"] == depth) & (joined["events"] >= 2)
            mask &= (joined["mag"] >= low) & (joined["mag"] < high)
            if not mask.any():
                continue
            found = rate(int(np.count_nonzero(joined["fap"][mask] <= level)), int(mask.sum()))
            near = np.abs(joined["found_period"][mask] / joined["period"][mask] - 1.0) < 0.02
            facts = {"depth_sigma": depth, "mag_low": low, "mag_high": high}
            rows.append(facts | found._asdict() | {"period_near": float(np.mean(near))})
    return rows
