"""Compile what has to be compiled before the group is joined."""

from __future__ import annotations

import numpy as np

from csstream.contracts.records import Measurements
from csstream.lightcurves.cell import PANEL_OBJECTS, Cell, Due, Rules
from csstream.lightcurves.geometry import cell_centre
from csstream.lightcurves.panels import cut_panel


def compile_kernels() -> None:
    """Run every numba kernel once on two small frames."""
    cell = Cell(0, Rules(confirm_sources=1))
    for visit in (1, 2):
        cell.advance([_frame(visit)], closing=False)
    list(cut_panel(cell, Due(0, 1, False), 2, 1 << 20))


def _frame(visit: int, n: int = PANEL_OBJECTS) -> Measurements:
    ra0, dec0 = np.degrees(cell_centre(0))
    ones = np.ones(n, np.float32)
    spread = np.arange(n) / 3.6e6
    return Measurements(
        exposure_id="warm-up", visit=visit, detector=0, detectors_in_visit=1, cell=0,
        instrument="", band="", mjd_mid_tai=float(visit), exposure_time=1.0, zero_point=0.0,
        zero_point_err=0.0, fwhm=1.0, background=0.0, match_radius_arcsec=0.03,
        margin_arcsec=1.0, model="", reference_version="",
        object_id=np.zeros(n, np.int64), ra=ra0 + spread, dec=dec0 + spread,
        x=np.zeros(n), y=np.zeros(n), x_err=ones, y_err=ones, flux=ones, flux_err=ones,
        probability=ones, flags=np.zeros(n, np.int32),
    )  # fmt: skip
