"""The first pass: every frame measured by itself, and the frames that cannot be used left out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np

from csstream.imaging.errors import FrameError
from csstream.imaging.finding.candidates import DetectionStrategy
from csstream.imaging.frames.frame import Frame
from csstream.imaging.measure import measure_frame
from csstream.imaging.measure_settings import MeasureSettings
from csstream.imaging.measured import Measured
from csstream.imaging.psf.pixel_psf import PixelPsf

Progress = Callable[[int, int], None]
Skip = Callable[[str], None]

LEAST_STARS = 1


class Frames(Protocol):
    """A sequence of frames; a list of them, or one that reads each when it is asked for."""

    def __len__(self) -> int: ...

    def __getitem__(self, index: int, /) -> Frame: ...


@dataclass(frozen=True, eq=False)
class Chosen:
    """Some frames of a sequence, with their names."""

    frames: Frames
    rows: list[int]

    @property
    def names(self) -> list[str]:
        """Return what people call the frames."""
        return [frame_name(self.frames, row) for row in self.rows]

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, index: int, /) -> Frame:
        return self.frames[self.rows[index]]


@dataclass(frozen=True, eq=False)
class Look:
    """One frame's measurement, without its pixels."""

    index: int  # in the sequence given
    name: str  # for people
    measured: Measured  # without its PSF, whose tables take megabytes
    psf: PixelPsf | None  # in the middle of the frame
    shape: tuple[int, int]
    instrument: str
    band: str
    exposure_time: float  # [s]
    read_noise: float  # [electron]

    @property
    def rate_scale(self) -> float:
        """Return the catalogue's rate of one electron of this frame, for a zero point of 0."""
        return float(10.0 ** (-0.4 * self.measured.zero_point)) / self.exposure_time

    @property
    def weight(self) -> float:
        """Return one over the variance of a faint star's flux, in arbitrary units."""
        noise = self.measured.background * self.exposure_time + self.read_noise**2
        return 1.0 / (max(noise, 1e-6) * self.rate_scale**2 * self.measured.fwhm**2)


def measure_all(
    frames: Frames,
    strategy: DetectionStrategy,
    *,
    nominal_psf: PixelPsf | None,
    settings: MeasureSettings,
    progress: Progress,
    skip: Skip,
) -> list[Look]:
    """Measure every frame; the first good one places and ties the others.

    Raises
    ------
    FrameError
        ``no_frames``: none could be used.
    """
    looks: list[Look] = []
    total = len(frames)
    for index in range(total):
        progress(index, total)
        try:
            looks.append(_look(frames, index, strategy, nominal_psf, settings, looks))
        except FrameError as error:
            skip(f"{frame_name(frames, index)} is left out: {error.reason}: {error}")
    progress(total, total)
    if not looks:
        raise FrameError("no_frames", f"none of the {total} frames can be used")
    return looks


def frame_name(frames: Frames, index: int) -> str:
    """Return what people call a frame of a sequence: its file, or its place."""
    names = getattr(frames, "names", None)
    return str(names[index]) if names is not None else f"frame {index + 1}"


def _look(
    frames: Frames,
    index: int,
    strategy: DetectionStrategy,
    nominal: PixelPsf | None,
    settings: MeasureSettings,
    before: list[Look],
) -> Look:
    frame = frames[index]
    _check_alike(frame, before)
    reference = before[0].measured.as_reference() if before else None
    found = measure_frame(
        frame, strategy, nominal_psf=nominal, reference=reference, settings=settings
    )
    if len(found.sources) < LEAST_STARS or not np.isfinite(found.fwhm):
        raise FrameError("no_stars", "no star was found")
    central = None if found.psf is None else found.psf.central
    return Look(
        index,
        frame_name(frames, index),
        replace(found, psf=None),
        None if central is None else PixelPsf(central.samples, central.oversampling),
        frame.shape,
        frame.header.instrument,
        frame.band,
        frame.exposure_time,
        frame.read_noise,
    )


def _check_alike(frame: Frame, before: list[Look]) -> None:
    if before and frame.band != before[0].band:
        raise FrameError(
            "other_band", f"its band is {frame.band}, that of the others {before[0].band}"
        )
