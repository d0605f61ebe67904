"""Robust numbers of a sample."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Float = npt.NDArray[np.float64]

MAD_TO_SIGMA = 1.4826  # of a normal distribution


def robust_width(values: Float) -> float:
    """Return 1.4826 × the median absolute deviation; nan without values."""
    if values.size == 0:
        return float("nan")
    return float(MAD_TO_SIGMA * np.median(np.abs(values - np.median(values))))
