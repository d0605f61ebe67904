"""Which of many frames are worth a list: a quick look at each one's sky and seeing."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import sep

from csstream.imaging.errors import FrameError
from csstream.imaging.frames.background import estimate_background
from csstream.imaging.frames.checks import check_pixels
from csstream.imaging.frames.frame import Frame
from csstream.imaging.reference.frames_measured import Frames, Skip, frame_name

BRIGHT = 30.0  # [sigma] of a pixel of the stars whose width is taken
LEAST_STARS = 5
SIGMA_TO_FWHM = 2.3548


def best_frames(
    frames: Frames, most: int, *, progress: Callable[[int, int], None], skip: Skip
) -> list[int]:
    """Return which frames, at most ``most``, show faint stars best; in their order.

    A frame that cannot be read is named to ``skip`` and not chosen.
    """
    total = len(frames)
    if total <= most:
        return list(range(total))
    known: list[tuple[float, int]] = []
    for index in range(total):
        progress(index, total)
        try:
            known.append((-quality(frames[index]), index))
        except FrameError as error:
            skip(f"{frame_name(frames, index)} is left out: {error.reason}: {error}")
    return sorted(index for _, index in sorted(known)[:most])


def quality(frame: Frame) -> float:
    """Return one over the variance of a faint star's rate, up to a factor; 0 without stars.

    The zero point is the header's: thin cloud is not seen here, but later, when frames are tied.
    """
    check_pixels(frame)
    background = estimate_background(frame.image, frame.mask)
    width = _width(frame, background.level, background.rms)
    noise = max(background.median, 0.0) + frame.read_noise**2 + 1e-6
    rate = 10.0 ** (-0.4 * frame.zero_point) / frame.exposure_time
    return 1.0 / (noise * (rate * width) ** 2) if np.isfinite(width) else 0.0


def _width(frame: Frame, level: np.ndarray, rms: float) -> float:
    """Median FWHM of the bright stars [pixel]; nan without stars."""
    try:
        light = np.ascontiguousarray(frame.image - level)
        found = sep.extract(light, BRIGHT, err=max(rms, 1e-6), mask=frame.mask)
    except Exception:  # sep raises a bare Exception where a field is too full for it
        return float("nan")
    round_enough = (found["flag"] == 0) & (found["b"] > 0.7 * found["a"])
    if np.count_nonzero(round_enough) < LEAST_STARS:
        return float("nan")
    own = found[round_enough]
    return float(SIGMA_TO_FWHM * np.median(np.sqrt(own["a"] * own["b"])))
