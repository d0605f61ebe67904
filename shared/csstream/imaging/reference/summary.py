"""A reference catalogue in a few lines, and two of them side by side."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
from astropy.table import Table
from scipy.spatial import ConvexHull

from csstream.imaging.frames.flags import Flag
from csstream.imaging.reference.catalogue import ReferenceCatalogue
from csstream.imaging.reference.identity import CrossMatch
from csstream.imaging.reference.naming import pixel_arcsec

Float = npt.NDArray[np.float64]

DEPTH_SNR = 5.0
LEAST_FOR_AREA = 10


def magnitudes_of(catalogue: ReferenceCatalogue) -> Float:
    """Return the stars' magnitudes (n,)."""
    return catalogue.zero_point - 2.5 * np.log10(np.maximum(catalogue.stars.flux, 1e-30))


def depth_of(catalogue: ReferenceCatalogue) -> float:
    """Return the magnitude of a star five times its error, from the faintest tenth; or nan."""
    if not len(catalogue.stars):
        return math.nan
    error = catalogue.stars.flux_err[-max(len(catalogue.stars) // 10, 1) :]
    return catalogue.zero_point - 2.5 * math.log10(DEPTH_SNR * float(np.median(error)))


def area_of(catalogue: ReferenceCatalogue) -> float:
    """Return the area that the list covers [arcmin²]: its convex hull; nan for a few stars."""
    stars = catalogue.stars
    if len(stars) < LEAST_FOR_AREA:
        return math.nan
    hull = ConvexHull(np.column_stack([stars.x, stars.y]))
    return float(hull.volume) * (pixel_arcsec(catalogue.wcs) / 60.0) ** 2


def summary_lines(catalogue: ReferenceCatalogue) -> list[str]:
    """Return what the list holds, for people."""
    c, s = catalogue, catalogue.stars
    saturated = int(np.count_nonzero(s.flags & int(Flag.SATURATED)))
    return [
        f"reference {c.version}: {len(s)} stars of {c.instrument}, band {c.band}, "
        f"from {c.frames} frames with FWHM {c.fwhm:.2f} pixel",
        f"zero point {c.zero_point:.3f} mag, 5-sigma depth {depth_of(c):.2f} mag, "
        f"area {area_of(c):.3f} arcmin² in {np.unique(s.object_id >> 20).size} sky cells",
        f"{int(s.calibrator.sum())} calibrators, {saturated} saturated, "
        f"{int(np.count_nonzero(s.n_frames == 0))} seen on the stack alone",
        "",
        "      mag   stars  calibrators  relative error  position error [pixel]",
        *_rows(catalogue),
    ]


def _rows(catalogue: ReferenceCatalogue) -> list[str]:
    s, mag = catalogue.stars, magnitudes_of(catalogue)
    rows = []
    for low in range(math.floor(mag.min(initial=0.0)), math.ceil(mag.max(initial=0.0))):
        own = (mag >= low) & (mag < low + 1)
        if own.any():
            error = np.median(s.flux_err[own] / s.flux[own])
            rows.append(
                f"  {low:3d}..{low + 1:<3d} {own.sum():7d} {s.calibrator[own].sum():12d} "
                f"{error:15.4f} {np.median(s.position_err[own]):23.4f}"
            )
    return rows


def status_of(match: CrossMatch) -> npt.NDArray[np.str_]:
    """Return same, renamed, new or lost for each row, (n,)."""
    paired = np.where(match.old_id == match.new_id, "same", "renamed")
    return np.where(match.old_id == 0, "new", np.where(match.new_id == 0, "lost", paired))


def match_counts(match: CrossMatch) -> str:
    """Return how many stars are the same, renamed, new and lost, in words."""
    status = status_of(match)
    kinds = ("same", "renamed", "new", "lost")
    return ", ".join(f"{int(np.count_nonzero(status == kind))} {kind}" for kind in kinds)


def match_table(old: ReferenceCatalogue, new: ReferenceCatalogue, match: CrossMatch) -> Table:
    """Return the cross-match as a table with units."""
    table = Table(meta={"old": old.version, "new": new.version})
    table["old_id"], table["new_id"] = match.old_id, match.new_id
    table["separation"] = match.separation
    table["separation"].unit = "arcsec"
    table["status"] = status_of(match)
    return table
