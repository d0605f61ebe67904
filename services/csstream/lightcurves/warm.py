"""Compile what has to be compiled before the group is joined."""

from __future__ import annotations

import numpy as np

from csstream.association.geometry import cell_centre
from csstream.contracts.records import Measurements
from csstream.lightcurves.blocks import PANEL_OBJECTS
from csstream.lightcurves.cell import Cell
from csstream.lightcurves.panels import cut_panel
from csstream.lightcurves.series import Due, Rules


def compile_kernels() -> None:
    """Run every numba kernel on small frames, found by position and named by a reference."""
    for version in ("", "warm-up"):
        cell = Cell(0, Rules(confirm_sources=1))
        for visit in (1, 2):
            cell.advance(visit, [_frame(visit, version)], closing=False)
            cell.seal()
        cell.advance(3, [_frame(3, version)], closing=False)
        for series in cell.in_order_of_code():
            list(cut_panel(series, Due(0, 1, False), 3, 1 << 20))


def _frame(visit: int, version: str, n: int = PANEL_OBJECTS) -> Measurements:
    ra0, dec0 = np.degrees(cell_centre(0))
    ones = np.ones(n, np.float32)
    spread = np.arange(n) / 3.6e6
    return Measurements(
        exposure_id="warm-up", visit=visit, detector=0, detectors_in_visit=1, cell=0,
        instrument="", band="", mjd_mid_tai=float(visit), exposure_time=1.0, zero_point=0.0,
        zero_point_err=0.0, fwhm=1.0, background=0.0, match_radius_arcsec=0.03,
        margin_arcsec=1.0, model="", reference_version=version,
        object_id=np.arange(1, n + 1, dtype=np.int64) * bool(version),
        ra=ra0 + spread, dec=dec0 + spread,
        x=np.zeros(n), y=np.zeros(n), x_err=ones, y_err=ones, flux=ones, flux_err=ones,
        probability=ones, flags=np.zeros(n, np.int32),
    )  # fmt: skip
