"""What a frame must have to be measured, and what its pixels tell of its noise."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from csstream.imaging.errors import FrameError
from csstream.imaging.frames.flags import Flag
from csstream.imaging.frames.frame import Frame, Image, Mask

LEAST_PIXELS = 64  # usable ones; fewer show no star and no sky around it
LEAST_RANGE = 0.05  # [read noise] pixels that differ less were read out by no such detector
LEAST_NEGATIVE = 0.01  # share of pixels below zero from which their scatter counts
SUBTRACTED = 1.5  # [read noise] scatter below zero that only a subtracted sky explains
LEAST_NOISE = 0.1  # [electron]
SAMPLE = 4_000_000  # [pixel] enough to know a scatter by
HALF_NORMAL = 0.6745  # median of |z| of a normal z


def check_pixels(frame: Frame) -> None:
    """Refuse a frame whose pixels cannot be measured.

    Raises
    ------
    FrameError
        ``no_pixels`` or ``saturated`` (fewer than ``LEAST_PIXELS`` can be used), ``bad_unit``
        (they differ by far less than the read noise, though they differ).
    """
    usable = frame.mask.size - int(np.count_nonzero(frame.mask))
    if usable < LEAST_PIXELS:
        raise _too_few(frame, usable)
    low = float(np.min(frame.image, where=~frame.mask, initial=np.inf))
    high = float(np.max(frame.image, where=~frame.mask, initial=-np.inf))
    noise = max(frame.read_noise, LEAST_NOISE)
    if 0.0 < high - low < LEAST_RANGE * noise:
        raise FrameError(
            "bad_unit",
            f"the pixels differ by {high - low:.2g} electron at most, the read noise alone is "
            f"{noise:g}: the image is not in the unit that BUNIT and GAIN say; correct "
            "them, or give the unit in the instrument file and forbid the keyword: "
            '[header] BUNIT = ""',
        )


def _too_few(frame: Frame, usable: int) -> FrameError:
    full = int(np.count_nonzero(frame.flags & Flag.SATURATED))
    bad = int(np.count_nonzero(frame.flags & Flag.MASKED))
    return FrameError(
        "saturated" if full > bad else "no_pixels",
        f"only {usable} of {frame.mask.size} pixels can be used: {full} are saturated "
        f"({frame.saturation:g} electron or more), {bad} are masked or hold no number; if that "
        "is wrong, check SATURATE, BUNIT, GAIN and the MASK extension",
    )


def with_hidden_noise(frame: Frame, level: Image) -> Frame:
    """Return the frame with the noise of a sky that was subtracted in its read noise.

    Without subtraction no pixel lies further below zero than the read noise takes it. Where
    many do, their scatter is what read noise and the missing sky make together. A read noise of
    zero becomes ``LEAST_NOISE``, so that an empty pixel's variance is never zero.

    Parameters
    ----------
    level : ndarray, (ny, nx), float32 [electron]
        Background; where it is negative, zero lies there.
    """
    rows = slice(None, None, 1 + frame.mask.size // SAMPLE)
    known = max(frame.read_noise, LEAST_NOISE)
    values, sky = frame.image[rows], level[rows]
    seen = _scatter_below(values - np.minimum(sky, 0.0), frame.mask[rows])
    if seen > SUBTRACTED * known:
        known = _scatter_below(values - sky, frame.mask[rows])
    return replace(frame, header=replace(frame.header, read_noise=known))


def _scatter_below(values: Image, mask: Mask) -> float:
    """Sigma of a normal distribution around zero from the values below it; 0.0 if they are few.

    Stars lift values and never lower them, so this side is the noise's own.
    """
    usable = values[~mask]
    below = usable[usable < 0.0]
    if below.size <= LEAST_NEGATIVE * usable.size:
        return 0.0
    return -float(np.median(below)) / HALF_NORMAL
