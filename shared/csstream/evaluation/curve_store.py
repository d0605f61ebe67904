"""Light curves measured on simulated sky, on disk: a folder per field, chunks of frames in it.

::

    RUN/survey.json                     what was simulated, and by which program
    RUN/field-000/truth.npz             StarTruth of all simulated stars, frame facts that are true
    RUN/field-000/reference.parquet     the reference catalogue of the field, where there is one
    RUN/field-000/objects.npz           ObjectList: what has a curve, and what it really is
    RUN/field-000/curves-00000.npz      CurveChunk: frames 0 …; the next chunk names its own first
    RUN/field-000/extras-00000.npz      ExtraSources: what the same frames show beside the list

A chunk appears under its final name only when it is whole, its extras before its curves, so a field
can be read while it grows.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

Float = npt.NDArray[np.float64]
Float32 = npt.NDArray[np.float32]
Int = npt.NDArray[np.int64]

TRUTH, OBJECTS, REFERENCE = "truth.npz", "objects.npz", "reference.parquet"
PANEL_OBJECTS = 128  # objects examined together: numbers 128 p + 1 … 128 p + 128 of a cell
OBJECT_BITS = 20  # of the number within an object id


@dataclass(frozen=True, kw_only=True, eq=False)
class StarTruth:
    """Every simulated star; all arrays (s,). Positions are pixels of the undithered frame."""

    x: Float
    y: Float
    mag: Float  # mean
    kind: npt.NDArray[np.str_]  # none, transit, eclipsing, pulsating
    period: Float  # [day]; nan for constant stars, as what follows
    t0: Float  # [day] MJD TAI
    duration: Float  # [day]; nan for pulsators too
    amplitude: Float  # A of equation 5 over the star's own mean flux
    events: Int  # whole events (or cycles) in the series; 0 for constant stars
    sigma: Float  # σ₁ over the star's own flux: joint bound, fluxes of the merged list free
    snr: Float  # equation 5: amplitude / sigma; nan for constant stars


@dataclass(frozen=True, kw_only=True, eq=False)
class ObjectList:
    """What has a curve; all arrays (n,)."""

    object_id: Int  # cell << 20 | number
    x: Float  # [pixel] of the undithered frame
    y: Float
    ra: Float  # [deg]
    dec: Float  # [deg]
    mag: Float  # from the list's flux
    star: Int  # row of the nearest simulated star that matters within the radius; -1: none
    distance: Float  # [pixel] to it
    variable_distance: Float  # [pixel] to the nearest variable star that is not this one


@dataclass(frozen=True, kw_only=True, eq=False)
class CurveChunk:
    """The measurements of consecutive frames; k frames, n objects."""

    first: int  # index of the first frame
    flux: Float32  # (n, k) [nJy]; nan: not measured
    flux_err: Float32  # (n, k) [nJy]
    flags: npt.NDArray[np.int16]  # (n, k) bits of csstream.imaging.frames.flags
    time: Float  # (k,) [day] MJD TAI, mid-exposure
    zero_point: Float  # (k,) [mag] as measured
    zero_point_err: Float  # (k,) [mag]
    fwhm: Float  # (k,) [pixel]
    background: Float  # (k,) [electron/s/pixel]
    seconds: Float  # (k,) [s] that measuring took: the one column that a repeat changes
    failed: npt.NDArray[np.bool_]  # (k,) frames that could not be measured


@dataclass(frozen=True, kw_only=True, eq=False)
class ExtraSources:
    """What frames show beside the list, ordered by frame; all arrays (e,)."""

    frame: Int  # index of the frame
    ra: Float  # [deg]
    dec: Float  # [deg]
    x: Float32  # [pixel] of the undithered frame
    y: Float32
    x_err: Float32  # [pixel]
    y_err: Float32
    flux: Float32  # [nJy]
    flux_err: Float32  # [nJy]
    flags: npt.NDArray[np.int16]  # bits of csstream.imaging.frames.flags

    def __len__(self) -> int:
        return len(self.frame)


def no_extras() -> ExtraSources:
    """Return the extras of frames that show none."""
    kinds = {"frame": np.int64, "ra": np.float64, "dec": np.float64, "flags": np.int16}
    names = (entry.name for entry in fields(ExtraSources))
    return ExtraSources(**{name: np.empty(0, kinds.get(name, np.float32)) for name in names})


def joined_extras(parts: Sequence[ExtraSources]) -> ExtraSources:
    """Return the extras of several frames, or chunks, in order."""
    names = (entry.name for entry in fields(ExtraSources))
    return ExtraSources(**{n: np.concatenate([getattr(p, n) for p in parts]) for n in names})


@dataclass(frozen=True, eq=False)
class FieldCurves:
    """All curves of a field, as far as they are measured: m frames, n objects."""

    name: str
    truth: StarTruth
    objects: ObjectList
    time: Float  # (m,) [day]
    flux: Float32  # (n, m) [nJy]
    flux_err: Float32
    flags: npt.NDArray[np.int16]
    chunks: tuple[CurveChunk, ...]  # for the frames' facts; without their curves
    beside: int = 0  # so many of the objects, the last ones, were found beside the list

    @property
    def listed(self) -> npt.NDArray[np.bool_]:
        """Return which objects are those of the reference list, (n,)."""
        n = len(self.objects.object_id)
        return np.arange(n) < n - self.beside

    @property
    def kind(self) -> npt.NDArray[np.str_]:
        """Return what each object really is, (n,): ``none`` for constant stars and for nothing."""
        star = self.objects.star
        return np.where(star >= 0, self.truth.kind[np.maximum(star, 0)], "none")

    @property
    def quiet(self) -> npt.NDArray[np.bool_]:
        """Return which objects are no variables, (n,)."""
        return np.asarray(self.kind == "none")

    def panels(self) -> Iterator[tuple[int, int, Int]]:
        """Yield (cell, panel, rows), as the light-curve service forms its panels."""
        ids = self.objects.object_id
        cell, number = ids >> OBJECT_BITS, ids & ((1 << OBJECT_BITS) - 1)
        panel = (number - 1) // PANEL_OBJECTS
        order = np.lexsort((number, cell))
        key = np.stack([cell[order], panel[order]], axis=1)
        starts = np.flatnonzero(np.any(np.diff(key, axis=0, prepend=-1), axis=1))
        for first, last in zip(starts, np.append(starts[1:], order.size), strict=True):
            rows = order[first:last]
            yield int(cell[rows[0]]), int(panel[rows[0]]), rows


def field_folders(run: Path) -> list[Path]:
    """Return the folders of a run's fields of which curves can be read, in order."""
    folders = sorted(path.parent for path in run.glob(f"field-*/{OBJECTS}"))
    return [folder for folder in folders if any(chunk_files(folder))]


def chunk_files(folder: Path) -> list[Path]:
    """Return a field's chunks in order of their frames."""
    return sorted(folder.glob("curves-*.npz"))


def extras_file(chunk: Path) -> Path:
    """Return the file of the extras that belong to a chunk's file."""
    return chunk.with_name(chunk.name.replace("curves-", "extras-"))


def read_extras(folder: Path) -> ExtraSources | None:
    """Read what a field's frames show beside the list; None: it was not kept of all chunks."""
    files = [extras_file(chunk) for chunk in chunk_files(folder)]
    if not files or not all(path.exists() for path in files):
        return None
    return joined_extras([ExtraSources(**load(path, ExtraSources)) for path in files])


def frames_measured(folder: Path) -> int:
    """Return how many frames of a field are on disk, without reading the curves."""
    times = (load(path, CurveChunk, ("time",))["time"] for path in chunk_files(folder))
    return sum(int(time.size) for time in times)


def read_field(folder: Path, frames: int | None = None) -> FieldCurves:
    """Read the curves of a field; of its first ``frames`` if given.

    Raises
    ------
    FileNotFoundError
        The folder holds no truth, no objects or no curves.
    """
    chunks = [load_chunk(path) for path in chunk_files(folder)]
    if not chunks:
        raise FileNotFoundError(f"{folder} holds no curves")
    chunks.sort(key=lambda chunk: chunk.first)
    time = np.concatenate([chunk.time for chunk in chunks])
    stop = time.size if frames is None else min(frames, time.size)
    flux, error, flags = (
        np.concatenate([getattr(chunk, name) for chunk in chunks], axis=1)[:, :stop]
        for name in ("flux", "flux_err", "flags")
    )
    return FieldCurves(
        f"{folder.parent.name}/{folder.name}",
        StarTruth(**load(folder / TRUTH, StarTruth)),
        ObjectList(**load(folder / OBJECTS, ObjectList)),
        time[:stop],
        flux,
        error,
        flags,
        tuple(_without_curves(chunk) for chunk in chunks),
    )


def load_chunk(path: Path) -> CurveChunk:
    """Read one chunk."""
    values = load(path, CurveChunk)
    return CurveChunk(**(values | {"first": int(values["first"])}))


def save(path: Path, content: Any, **more: npt.NDArray[Any]) -> None:
    """Write a dataclass of arrays, and more; a half-written file never has the final name."""
    arrays = {entry.name: np.asarray(getattr(content, entry.name)) for entry in fields(content)}
    temporary = path.with_name(f".{path.name}.part.npz")
    np.savez(temporary, **arrays, **more)  # type: ignore[arg-type]
    temporary.replace(path)


def load(path: Path, kind: type, only: tuple[str, ...] | None = None) -> dict[str, Any]:
    """Return the arrays of a file that belong to the dataclass ``kind``, by name."""
    wanted = [entry.name for entry in fields(kind)] if only is None else list(only)
    with np.load(path, allow_pickle=False) as stored:
        return {name: stored[name] for name in wanted}


def _without_curves(chunk: CurveChunk) -> CurveChunk:
    empty = np.empty((0, chunk.time.size), np.float32)
    values = {entry.name: getattr(chunk, entry.name) for entry in fields(chunk)}
    curves = {"flux": empty, "flux_err": empty, "flags": empty.astype(np.int16)}
    return CurveChunk(**(values | curves))
