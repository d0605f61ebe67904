"""A measured survey without pixels: curves of known stars with noise at a stated bound."""

from pathlib import Path

import numpy as np

from csstream.evaluate.survey_plan import SurveyPlan, keep_plan
from csstream.evaluation.curve_store import (
    OBJECTS,
    TRUTH,
    CurveChunk,
    ObjectList,
    StarTruth,
    save,
)
from csstream.simulation.variables.events import complete_events
from csstream.simulation.variables.flat import amplitude, shape_of

CELL = 111_111_111
QUIET, FRAMES, CHUNK = 40, 240, 60
KINDS = ("transit", "eclipsing", "pulsating")


def write_run(folder: Path, part: str = "b", fields: int = 1, snr: float = 8.0) -> SurveyPlan:
    """Write a run of constant stars and a strong variable of each kind in every field."""
    mix = "quiet" if part == "quiet" else "flat"
    plan = SurveyPlan(
        part=part, mix=mix, seed=900, size=64, fields=fields, frames=FRAMES, chunk=CHUNK
    )
    keep_plan(folder, plan, {})
    for index in range(fields):
        _write_field(folder / f"field-{index:03d}", np.random.default_rng(index), mix, snr)
    return plan


def _write_field(folder: Path, rng: np.random.Generator, mix: str, snr: float) -> None:
    folder.mkdir()
    time = 61000.0 + np.arange(FRAMES) * 0.0146  # 3.5 days
    shapes = [] if mix == "quiet" else [shape_of(rng, k, 0.01 * snr, time) for k in KINDS]
    n = QUIET + len(shapes)
    truth = _truth(rng, shapes, time)
    save(folder / TRUTH, truth)
    save(folder / OBJECTS, _objects(truth))
    relative = np.ones((n, FRAMES))
    for row, shape in enumerate(shapes):
        relative[row] = shape(time)
    flux = 1000.0 * (relative + 0.01 * rng.standard_normal((n, FRAMES)))
    for first in range(0, FRAMES, CHUNK):
        chunk = _chunk(first, flux[:, first : first + CHUNK], time[first : first + CHUNK])
        save(folder / f"curves-{first:05d}.npz", chunk)


def _truth(rng, shapes, time) -> StarTruth:
    k, n = len(shapes), len(shapes) + QUIET

    def column(values, missing=np.nan):
        return np.array([*values, *([missing] * QUIET)], float)

    size = [amplitude(shape) for shape in shapes]
    return StarTruth(
        x=rng.uniform(13.0, 50.0, n),
        y=rng.uniform(13.0, 50.0, n),
        mag=np.full(n, 21.0),
        kind=np.array([*(s.kind for s in shapes), *(["none"] * QUIET)], "U16"),
        period=column([s.period for s in shapes]),
        t0=column([s.t0 for s in shapes]),
        duration=column([s.duration for s in shapes]),
        amplitude=column(size),
        events=column([complete_events(s, time) for s in shapes], 0).astype(int),
        sigma=np.full(n, 0.01),
        snr=column(size) / 0.01 if k else np.full(n, np.nan),
    )


def _objects(truth: StarTruth) -> ObjectList:
    n = truth.x.size
    return ObjectList(
        object_id=(CELL << 20) + 1 + np.arange(n),
        x=truth.x,
        y=truth.y,
        ra=10.0 - truth.x * 2e-5,
        dec=truth.y * 2e-5,
        mag=truth.mag,
        star=np.arange(n),
        distance=np.zeros(n),
        variable_distance=np.full(n, 9.0),
    )


def _chunk(first: int, flux, time) -> CurveChunk:
    k = time.size
    return CurveChunk(
        first=first,
        flux=flux.astype(np.float32),
        flux_err=np.full(flux.shape, 10.0, np.float32),
        flags=np.zeros(flux.shape, np.int16),
        time=time,
        zero_point=np.full(k, 25.9),
        zero_point_err=np.full(k, 1e-3),
        fwhm=np.full(k, 2.0),
        background=np.full(k, 0.8),
        seconds=np.full(k, 0.1),
        failed=np.zeros(k, bool),
    )
