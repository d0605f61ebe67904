"""The stack measured: by the code that measures frames, started from what the frames have shown."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from csstream.imaging.finding.candidates import Candidates, DetectionStrategy
from csstream.imaging.frames.background import Background
from csstream.imaging.frames.frame import Frame
from csstream.imaging.matching import match_pixels
from csstream.imaging.measure import measure_frame
from csstream.imaging.measured import Measured
from csstream.imaging.psf.pixel_psf import PixelPsf
from csstream.imaging.reference.association import Averages
from csstream.imaging.reference.build_settings import BuildSettings
from csstream.imaging.reference.stack import Stack

Float = npt.NDArray[np.float64]

KNOWN_SHARE = 0.5  # of the frames that show its place: a star seen in more of them is known


@dataclass(frozen=True, eq=False)
class WithKnown:
    """A strategy that also returns stars which are known to be there.

    What it finds within ``radius`` [pixel] of a known star is that star. All else is the other
    strategy's.
    """

    other: DetectionStrategy
    known: Candidates
    radius: float

    def __getattr__(self, name: str) -> Any:
        return getattr(self.other, name)

    def detect(self, frame: Frame, background: Background, psf: PixelPsf) -> Candidates:
        """Return what the other strategy finds, and the known stars that it does not."""
        found, known = self.other.detect(frame, background, psf), self.known
        _, second, _ = match_pixels(found.x, found.y, known.x, known.y, self.radius)
        missed = np.ones(len(known), np.bool_)
        missed[second] = False
        return found.joined(known.select(missed))


def measure_stack(
    stack: Stack,
    strategy: DetectionStrategy,
    averages: Averages,
    shown: npt.NDArray[np.int32],
    s: BuildSettings,
) -> Measured:
    """Measure the stack.

    Parameters
    ----------
    averages : Averages, (n,)
        What the single frames say; stars that half of them have found are known.
    shown : array, (n,)
        Frames that show the place of each star.
    """
    known = np.flatnonzero(averages.frames >= np.maximum(KNOWN_SHARE * shown, 2))
    ny, nx = stack.frame.shape
    x, y = averages.x[known] - stack.origin[0], averages.y[known] - stack.origin[1]
    inside = (x > 0.0) & (y > 0.0) & (x < nx - 1.0) & (y < ny - 1.0)
    flux = averages.flux[known] * stack.frame.exposure_time
    stars = Candidates(x[inside], y[inside], flux[inside], np.ones(int(inside.sum())))
    settings = replace(s.measure, cosmic_rays=False)  # they were masked in every frame
    if stack.effective >= 2.0:
        settings = replace(settings, min_snr=s.stack_snr, wing_error=s.stack_wing_error)
    psf = stack.frame.psf
    radius = s.match_radius_fwhm * psf.fwhm if psf is not None else s.merge_radius
    return measure_frame(stack.frame, WithKnown(strategy, stars, radius), settings=settings)
