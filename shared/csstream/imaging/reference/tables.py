"""The table of a frame that was measured by a list: listed stars, then extras."""

from __future__ import annotations

from dataclasses import fields, replace

import numpy as np
import numpy.typing as npt

from csstream.imaging.fit.joint_fit import FitResult
from csstream.imaging.frames.frame import Frame
from csstream.imaging.reference.catalogue import ReferenceStarTable
from csstream.imaging.reference.excess import Excess
from csstream.imaging.reference.zero_point_map import ZeroPointMap
from csstream.imaging.source_table import MAG_PER_RELATIVE_FLUX, SourceTable, magnitudes

Float = npt.NDArray[np.float64]

EXTRA_PROBABILITY = 0.5  # of a find in the residual; no calibration stands behind it


def inside(x: Float, y: Float, shape: tuple[int, int]) -> npt.NDArray[np.bool_]:
    """Tell which places (n,) lie on a pixel of a frame (ny, nx)."""
    ny, nx = shape
    return (x >= -0.5) & (x < nx - 0.5) & (y >= -0.5) & (y < ny - 0.5)


def listed_table(
    stars: ReferenceStarTable,
    fit: FitResult,
    tied: ZeroPointMap,
    flags: npt.NDArray[np.int32],
    frame: Frame,
    prior: float,
) -> SourceTable:
    """Return one row per star, calibrated to the frame's one zero point.

    ``prior`` [pixel] is that of the positions. A place that the prior held and not the photons is
    known no better than the list knows it: it takes the list's error by the prior's share.

    Nothing is taken away or added for stars that no list holds (``finding.confusion``): a list that
    is the same in all frames leaves the same light unlisted, so what it adds to a star is the
    same in all frames, and a correction that goes with each frame's noise would only add to the
    scatter. The absolute scale is the catalogue's.
    """
    rate = 10.0 ** (-0.4 * tied.offset) / frame.exposure_time
    known = np.isfinite(fit.flux_err)
    flux = np.where(known, rate * fit.flux, np.nan)
    tie_err = np.abs(flux) * tied.offset_err / MAG_PER_RELATIVE_FLUX
    flux_err = np.hypot(rate * fit.flux_err, tie_err)
    mag, mag_err = magnitudes(flux, flux_err, tied.zero_point)
    x_err, y_err = (
        np.hypot(error, np.minimum((error / prior) ** 2, 1.0) * stars.position_err)
        for error in (fit.x_err, fit.y_err)
    )
    return SourceTable(
        ra=stars.ra,
        dec=stars.dec,
        x=fit.x,
        y=fit.y,
        x_err=x_err,
        y_err=y_err,
        flux=flux,
        flux_err=flux_err,
        mag=mag,
        mag_err=mag_err,
        probability=np.ones(len(stars)),
        flags=flags,
        object_id=stars.object_id,
    )


def with_excess(table: SourceTable, excess: Excess) -> SourceTable:
    """Return the table with errors that hold a frame's excess noise."""
    flux_err = excess.widened(table.flux, table.flux_err)
    return replace(table, flux_err=flux_err, mag_err=magnitudes(table.flux, flux_err, 0.0)[1])


def extra_table(
    fit: FitResult,
    ra: Float,
    dec: Float,
    flags: npt.NDArray[np.int32],
    frame: Frame,
    zero_point: float,
) -> SourceTable:
    """Return the finds beside the list, the brightest first."""
    rate = 1.0 / frame.exposure_time
    flux, flux_err = rate * fit.flux, rate * fit.flux_err
    mag, mag_err = magnitudes(flux, flux_err, zero_point)
    table = SourceTable(
        ra=ra,
        dec=dec,
        x=fit.x,
        y=fit.y,
        x_err=fit.x_err,
        y_err=fit.y_err,
        flux=flux,
        flux_err=flux_err,
        mag=mag,
        mag_err=mag_err,
        probability=np.full(fit.x.size, EXTRA_PROBABILITY),
        flags=flags,
    )
    return table.select(np.argsort(-flux, kind="stable"))


def joined(first: SourceTable, second: SourceTable) -> SourceTable:
    """Return the rows of both, one after the other."""
    columns = {
        entry.name: np.concatenate([getattr(first, entry.name), getattr(second, entry.name)])
        for entry in fields(SourceTable)
    }
    return SourceTable(**columns)
