"""The flags of measured stars: from the pixels of their cores, and from the fit."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from numba import njit

from csstream.imaging.fit.joint_fit import FitResult
from csstream.imaging.frames.flags import Flag
from csstream.imaging.frames.frame import FlagMap, Frame
from csstream.imaging.matching import has_neighbour

Float = npt.NDArray[np.float64]


def source_flags(
    frame: Frame, fwhm: float, fit: FitResult, poor_chi2: float
) -> npt.NDArray[np.int32]:
    """Bits of the pixels in the core, and those that the fit tells."""
    ny, nx = frame.shape
    core = max(1.5, 0.5 * fwhm)
    flags = _core_flags(frame.flags, fit.x, fit.y, core)
    edge = (fit.x < core) | (fit.y < core) | (fit.x > nx - 1 - core) | (fit.y > ny - 1 - core)
    flags |= np.where(edge, np.int32(Flag.EDGE), np.int32(0))
    flags |= np.where(has_neighbour(fit.x, fit.y, fwhm), np.int32(Flag.CROWDED), np.int32(0))
    flags |= np.where(fit.chi2 > poor_chi2, np.int32(Flag.POOR_FIT), np.int32(0))
    flags |= np.where(fit.converged, np.int32(0), np.int32(Flag.NOT_CONVERGED))
    return flags


@njit(cache=True, nogil=True)
def _core_flags(flags: FlagMap, x: Float, y: Float, radius: float) -> npt.NDArray[np.int32]:
    """OR of the pixels within ``radius`` of each star."""
    ny, nx = flags.shape
    out = np.zeros(x.size, np.int32)
    for k in range(x.size):
        bits = np.int32(0)
        for j in range(max(int(np.floor(y[k] - radius)), 0), min(int(y[k] + radius) + 2, ny)):
            for i in range(max(int(np.floor(x[k] - radius)), 0), min(int(x[k] + radius) + 2, nx)):
                if (i - x[k]) ** 2 + (j - y[k]) ** 2 <= radius * radius:
                    bits |= flags[j, i]
        out[k] = bits
    return out
