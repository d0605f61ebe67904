"""What is done to a frame before any star is measured: its first PSF, its cosmic rays."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import numpy as np

from csstream.imaging.errors import FrameError
from csstream.imaging.frames.background import Background
from csstream.imaging.frames.cosmic_rays import fill_masked, find_cosmic_rays
from csstream.imaging.frames.flags import Flag
from csstream.imaging.frames.frame import Frame, Mask
from csstream.imaging.psf.pixel_psf import PixelPsf
from csstream.imaging.psf_fit.estimate import PsfEstimate, estimate_psf

CLOCK = time.perf_counter  # benchmarks put another one here
EXTENSION_ERROR = 0.01  # relative error of a PSF that a frame brings along, before it is checked


class Stopwatch:
    """Seconds by step."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    @contextmanager
    def timed(self, name: str) -> Iterator[None]:
        """Add the time that a block takes to ``name``."""
        start = CLOCK()
        yield
        self.seconds[name] = self.seconds.get(name, 0.0) + CLOCK() - start


def first_psf(frame: Frame, nominal: PixelPsf | None) -> PsfEstimate:
    """Return the frame's own PSF, or one from its bright stars, or the nominal one.

    Raises
    ------
    FrameError
        ``no_psf``: none given, none can be made.
    """
    if frame.psf is not None:
        return PsfEstimate(frame.psf, "extension", 0, EXTENSION_ERROR, nominal)
    estimate = estimate_psf(frame, nominal)
    if estimate is None:
        raise FrameError(
            "no_psf",
            "no PSF extension, too few bright stars to make one, and no nominal PSF given: "
            "write one into the instrument file's section [psf]",
        )
    return estimate


def cleaned(
    frame: Frame, background: Background, estimate: PsfEstimate, *, cosmic_rays: bool
) -> tuple[Frame, int]:
    """Return the frame with its cosmic rays masked, and how many pixels they hit.

    What a detector must not see is filled; the fit does not see it, for it is masked.
    """
    image = frame.image
    blind = (frame.flags & Flag.MASKED) != 0
    hits = np.zeros(frame.shape, bool)
    if cosmic_rays:
        hits, image = find_cosmic_rays(
            image,
            frame.mask,
            background.level,
            estimate.psf.central,
            frame.read_noise,
            background.rms,
            estimate.error,
        )
    filled = fill_masked(image, blind, background.level)
    return replace(with_hits(frame, hits), image=filled), int(hits.sum())


def with_hits(frame: Frame, hits: Mask) -> Frame:
    """Return the frame with more pixels, (ny, nx), masked and flagged as hit by cosmic rays."""
    flags = frame.flags | np.where(hits, np.int32(Flag.COSMIC_RAY), np.int32(0))
    return replace(frame, mask=frame.mask | hits, flags=flags)
