"""Lomb–Scargle with a floating mean (Zechmeister & Kürster 2009) over a whole panel."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from csstream.timeseries.grids import FrequencyGrid
from csstream.timeseries.harmonic_search import harmonic_panel

Array = npt.NDArray[Any]


def lomb_scargle_panel(time: Array, flux: Array, weight: Array, grid: FrequencyGrid) -> Array:
    """Standard power (fraction of chi² taken away by one sinusoid) at each frequency.

    Parameters
    ----------
    time : ndarray, (m,) [day]; keep it near zero.
    flux, weight : ndarray, (n, m): relative flux minus one and inverse variance (0: unused).
    grid : the frequencies.

    Returns
    -------
    ndarray, (n, grid.count), float32, in [0, 1]; 0 for stars without variance. Equal to astropy's
    direct method to about 1e-6.
    """
    return np.asarray(harmonic_panel(time, flux, weight, grid, 1)[0])
