"""A list measured in many frames: light curves of all its stars, without any Kafka."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow
import pyarrow.parquet as parquet

from csstream.imaging.errors import FrameError
from csstream.imaging.frames.frame import Frame
from csstream.imaging.measure_settings import MeasureSettings
from csstream.imaging.measured import Measured
from csstream.imaging.psf.pixel_psf import PixelPsf
from csstream.imaging.reference.catalogue import ReferenceCatalogue
from csstream.imaging.reference.frames_measured import Frames, Progress, Skip, frame_name
from csstream.imaging.reference.measure import measure_listed

Float = npt.NDArray[np.float64]

UNITS = {"mjd_mid_tai": "d", "flux": "electron / s", "flux_err": "electron / s"}


@dataclass(frozen=True, eq=False)
class Epoch:
    """One frame's fluxes of the listed stars that lie on it; arrays (n,)."""

    mjd_mid_tai: float  # [day]
    band: str
    object_id: npt.NDArray[np.int64]
    flux: Float  # [electron/s] at the catalogue's zero point
    flux_err: Float
    flags: npt.NDArray[np.int32]


def measure_series(
    frames: Frames,
    reference: ReferenceCatalogue,
    *,
    nominal_psf: PixelPsf | None = None,
    settings: MeasureSettings | None = None,
    progress: Progress = lambda done, total: None,
    skip: Skip = lambda text: None,
) -> Iterator[Epoch]:
    """Measure the listed stars in one frame after the other; one frame is held at a time.

    A frame that cannot be used, or whose time is not known, is named to ``skip``.
    """
    total = len(frames)
    for index in range(total):
        progress(index, total)
        try:
            frame = frames[index]
            yield _epoch(
                frame,
                measure_listed(frame, reference, nominal_psf=nominal_psf, settings=settings),
                reference.zero_point,
            )
        except FrameError as error:
            skip(f"{frame_name(frames, index)} is left out: {error.reason}: {error}")
    progress(total, total)


def write_series(path: Path, epochs: Iterator[Epoch]) -> int:
    """Write one row per star and frame as Parquet, frame by frame; return the number of rows.

    Stars without a flux in a frame have no row. The file appears whole or not at all.
    """
    fields = [
        ("object_id", pyarrow.int64()),
        ("mjd_mid_tai", pyarrow.float64()),
        ("band", pyarrow.string()),
        ("flux", pyarrow.float64()),
        ("flux_err", pyarrow.float64()),
        ("flags", pyarrow.int32()),
    ]
    schema = pyarrow.schema(
        [pyarrow.field(name, kind, metadata={"unit": UNITS.get(name, "")}) for name, kind in fields]
    )
    rows = 0
    beside = path.with_name(f".{path.name}.partial")
    try:
        with parquet.ParquetWriter(beside, schema, compression="zstd") as writer:
            for epoch in epochs:
                writer.write_table(_table(epoch, schema))
                rows += epoch.flux.size
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)
    return rows


def _epoch(frame: Frame, measured: Measured, zero_point: float) -> Epoch:
    if not np.isfinite(frame.mjd_mid_tai):
        raise FrameError("missing_keyword", "the time of its exposure is not known")
    s = measured.sources
    listed = (s.object_id > 0) & np.isfinite(s.flux) & np.isfinite(s.flux_err)
    scale = 10.0 ** (0.4 * (zero_point - measured.zero_point))
    return Epoch(
        frame.mjd_mid_tai,
        frame.band,
        s.object_id[listed],
        scale * s.flux[listed],
        scale * s.flux_err[listed],
        s.flags[listed],
    )


def _table(epoch: Epoch, schema: pyarrow.Schema) -> pyarrow.Table:
    count = epoch.flux.size
    columns = [
        epoch.object_id,
        np.full(count, epoch.mjd_mid_tai),
        pyarrow.array([epoch.band] * count, pyarrow.string()),
        epoch.flux,
        epoch.flux_err,
        epoch.flags,
    ]
    return pyarrow.Table.from_arrays([pyarrow.array(c) for c in columns], schema=schema)
