"""The long stage of a survey: every frame of a field measured, chunk by chunk, to be resumed."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from csstream.evaluate.survey_arms import FrameCurves, Listing, Measure, arm_of
from csstream.evaluate.survey_field import SurveyField
from csstream.evaluate.survey_objects import object_list
from csstream.evaluate.survey_plan import SurveyPlan
from csstream.evaluation.curve_store import (
    OBJECTS,
    REFERENCE,
    TRUTH,
    CurveChunk,
    ExtraSources,
    extras_file,
    joined_extras,
    save,
)
from csstream.imaging.errors import FrameError
from csstream.imaging.finding.strategies import choose_strategy
from csstream.imaging.frames.frame import Frame
from csstream.imaging.reference.build import build_reference
from csstream.imaging.reference.catalogue import ReferenceCatalogue
from csstream.imaging.reference.files import read_reference, write_reference
from csstream.imaging.sky import pixel_positions

Float = npt.NDArray[np.float64]
Done = Callable[[int], None]  # frames that are finished


def field_folder(run: Path, index: int) -> Path:
    """Return the folder of one field."""
    return run / f"field-{index:03d}"


def chunk_starts(plan: SurveyPlan) -> list[int]:
    """Return the first frame of every chunk."""
    return list(range(0, plan.frames, plan.chunk))


def chunk_file(folder: Path, first: int) -> Path:
    """Return the file of the chunk that starts with a frame."""
    return folder / f"curves-{first:05d}.npz"


def missing_chunks(run: Path, plan: SurveyPlan, index: int) -> list[int]:
    """Return the chunks of a field that are not on disk."""
    folder = field_folder(run, index)
    return [first for first in chunk_starts(plan) if not chunk_file(folder, first).exists()]


def measure_field(
    run: Path, plan: SurveyPlan, index: int, done: Done, measure: Measure | None = None
) -> None:
    """Measure what is missing of one field; what is on disk is kept.

    ``done`` is called with the number of frames of each finished chunk. ``measure`` replaces the
    plan's arm, for tests.
    """
    missing = missing_chunks(run, plan, index)
    if not missing:
        return
    folder = field_folder(run, index)
    folder.mkdir(parents=True, exist_ok=True)
    field = SurveyField(plan, index)
    truth = field.truth()
    save(folder / TRUTH, truth)
    listing = listing_of(field, folder / REFERENCE)
    save(folder / OBJECTS, object_list(listing, truth))
    how = arm_of(plan.arm, field.instrument) if measure is None else measure
    for first in missing:
        chunk, extras = measure_chunk(field, listing, how, first)
        path = chunk_file(folder, first)
        save(extras_file(path), extras)
        save(path, chunk)
        done(chunk.time.size)


def listing_of(field: SurveyField, path: Path) -> Listing:
    """Return the field's reference list, read or built of its first frames and written."""
    if path.exists():
        reference = read_reference(path)
    else:
        reference = _built(field)
        write_reference(path, reference)
    x, y = pixel_positions(field.wcs, reference.stars.ra, reference.stars.dec)
    return Listing(reference=reference, x=x, y=y, wcs=field.wcs, nominal=field.nominal)


@dataclass(frozen=True, eq=False)
class _FirstFrames:
    """The frames that a reference is built of, exposed when they are asked for."""

    field: SurveyField

    def __len__(self) -> int:
        return min(self.field.plan.reference_frames, self.field.plan.frames)

    def __getitem__(self, index: int, /) -> Frame:
        if not 0 <= index < len(self):
            raise IndexError(index)
        return self.field.frame(index)


def _built(field: SurveyField) -> ReferenceCatalogue:
    strategy, _ = choose_strategy(field.instrument)
    return build_reference(_FirstFrames(field), strategy, nominal_psf=field.nominal)


def measure_chunk(
    field: SurveyField, listing: Listing, how: Measure, first: int
) -> tuple[CurveChunk, ExtraSources]:
    """Measure the frames of one chunk; one that cannot be measured is a column of nan."""
    plan = field.plan
    numbers = range(first, min(first + plan.chunk, plan.frames))
    frames, seconds = [], []
    for number in numbers:
        frame = field.frame(number)
        started = time.perf_counter()
        try:
            frames.append(how(frame, listing))
        except FrameError:
            frames.append(_failed(listing.x.size))
        seconds.append(time.perf_counter() - started)
    extras = [
        replace(each.extras, frame=np.full(len(each.extras), number, np.int64))
        for number, each in zip(numbers, frames, strict=True)
    ]
    chunk = _chunk(first, frames, field.epochs.mid[list(numbers)], np.array(seconds))
    return chunk, joined_extras(extras)


def _failed(objects: int) -> FrameCurves:
    nothing = np.full(objects, np.nan)
    return FrameCurves(
        flux=nothing,
        flux_err=nothing,
        flags=np.zeros(objects, np.int32),
        zero_point=np.nan,
        zero_point_err=np.nan,
        fwhm=np.nan,
        background=np.nan,
    )


def _chunk(first: int, frames: list[FrameCurves], mid: Float, seconds: Float) -> CurveChunk:
    def column(name: str) -> Float:
        return np.array([getattr(frame, name) for frame in frames], np.float64)

    def curves(name: str, kind: type) -> npt.NDArray[np.generic]:
        return np.stack([getattr(frame, name) for frame in frames], axis=1).astype(kind)

    return CurveChunk(
        first=first,
        flux=curves("flux", np.float32),  # type: ignore[arg-type]
        flux_err=curves("flux_err", np.float32),  # type: ignore[arg-type]
        flags=curves("flags", np.int16),  # type: ignore[arg-type]
        time=mid,
        zero_point=column("zero_point"),
        zero_point_err=column("zero_point_err"),
        fwhm=column("fwhm"),
        background=column("background"),
        seconds=seconds,
        failed=np.isnan(column("fwhm")),
    )


def frames_done(run: Path, plan: SurveyPlan) -> int:
    """Return how many frames of all fields are on disk."""
    return sum(_frames_of(plan, index, run) for index in range(plan.fields))


def _frames_of(plan: SurveyPlan, index: int, run: Path) -> int:
    gone = missing_chunks(run, plan, index)
    return plan.frames - sum(min(plan.chunk, plan.frames - first) for first in gone)


def fields_to_do(run: Path, plan: SurveyPlan) -> Iterator[int]:
    """Yield the fields that lack something, in order."""
    for index in range(plan.fields):
        if missing_chunks(run, plan, index):
            yield index
