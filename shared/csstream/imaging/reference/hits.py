"""Cosmic rays that look like stars, or lie on one: what one frame of a stack shows, and no other.

Each pixel's largest value is compared with the mean of the others: beyond noise it may differ by
what rounding to whole pixels makes of the stars' slopes, and by what a sharper frame makes of their
peaks (after Fruchter & Hook 2002, PASP 114, 144, section 5).
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy.ndimage import maximum_filter, minimum_filter

FloatImage = npt.NDArray[np.float32]
CountImage = npt.NDArray[np.int16]
Mask = npt.NDArray[np.bool_]

FOUND = (6.0, 1.0)  # [sigma] and slopes beyond the mean: a hit
BESIDE = (2.5, 0.5)  # the same, for the same frame's pixels beside one
GROWTH = 2  # [pixel]
AROUND = ((0, 1), (0, -1), (1, 0), (-1, 0), (1, 1), (-1, -1), (1, -1), (-1, 1))


class Largest:
    """Each pixel's largest value, and which frame it is of.

    Parameters
    ----------
    value : ndarray, (ny, nx), float32 [electron/s]
    frame : ndarray, (ny, nx), int16
    weights : ndarray, (frames,), float32
    """

    def __init__(self, value: FloatImage, frame: CountImage, weights: FloatImage) -> None:
        self.value, self.frame = value, frame
        self.weight: FloatImage = weights[frame]
        self.part: FloatImage = self.weight * value

    def hits(
        self,
        total: FloatImage,
        weight: FloatImage,
        seen: CountImage,
        known: Mask,
        noise: tuple[float, float],
        sharper: float,
    ) -> Mask:
        """Tell which pixels' largest values are no star's, (ny, nx).

        Parameters
        ----------
        total, weight : ndarray, (ny, nx)
            Sums over the frames of weight times value, and of weights.
        seen : ndarray, (ny, nx), int16
            Frames that show a pixel.
        known : ndarray, (ny, nx), bool
            Pixels that can be judged.
        noise : (gain, empty)
            Variance of one frame's value: gain times value plus empty.
        sharper : float
            By how much the sharpest frame's PSF exceeds the mean at its peak, relative.
        """
        rest = np.where(known, weight - self.weight, np.float32(1.0))
        mean = np.where(known, total - self.part, np.float32(0.0)) / rest
        light = np.maximum(mean, np.float32(0.0))
        sigma = np.sqrt((noise[0] * light + noise[1]) * (1.0 + 1.0 / np.maximum(seen - 1, 1)))
        slope = maximum_filter(mean, 3) - minimum_filter(mean, 3)
        beyond = self.value - mean - sharper * light
        found, beside = (
            known & (beyond > sigmas * sigma + slopes * slope) for sigmas, slopes in (FOUND, BESIDE)
        )
        for _ in range(GROWTH):
            found = found | (beside & self._beside(found))
        return found

    def _beside(self, found: Mask) -> Mask:
        """Tell which pixels touch one found in the same frame."""
        frame = np.pad(np.where(found, self.frame, np.int16(-1)), 1, constant_values=-1)
        ny, nx = found.shape
        out = np.zeros(found.shape, np.bool_)
        for dy, dx in AROUND:
            out |= frame[1 + dy : 1 + dy + ny, 1 + dx : 1 + dx + nx] == self.frame
        return out
