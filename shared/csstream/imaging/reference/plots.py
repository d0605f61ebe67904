"""A picture of a reference catalogue."""

from __future__ import annotations

from pathlib import Path
from typing import IO, Any

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from csstream.imaging.frames.flags import Flag
from csstream.imaging.reference.catalogue import ReferenceCatalogue
from csstream.imaging.reference.summary import depth_of, magnitudes_of

STAR, CALIBRATOR, SATURATED = "#555555", "#e06c00", "#1f77b4"
MOST_DRAWN = 40_000


def plot_reference(catalogue: ReferenceCatalogue, target: Path | IO[bytes], dpi: int = 110) -> None:
    """Write a PNG: the stars on the plane, their counts and their errors by magnitude."""
    figure = Figure(figsize=(15.0, 7.6), layout="constrained")
    FigureCanvasAgg(figure)
    grid = figure.add_gridspec(2, 2, width_ratios=(1.25, 1.0))
    _sky(figure.add_subplot(grid[:, 0]), catalogue)
    _counts(figure.add_subplot(grid[0, 1]), catalogue)
    _errors(figure.add_subplot(grid[1, 1]), catalogue)
    figure.savefig(target, format="png", dpi=dpi)


def _kinds(catalogue: ReferenceCatalogue) -> list[tuple[str, str, Any]]:
    s = catalogue.stars
    full = (s.flags & int(Flag.SATURATED)) != 0
    plain = ~full & ~s.calibrator
    kinds = [("stars", STAR, plain), ("calibrators", CALIBRATOR, s.calibrator)]
    return [*kinds, ("saturated", SATURATED, full & ~s.calibrator)]


def _sky(axes: Any, catalogue: ReferenceCatalogue) -> None:
    s, mag = catalogue.stars, magnitudes_of(catalogue)
    faint = float(mag.max(initial=0.0))
    size = np.clip((0.35 * (faint - mag) + 0.8) ** 2, 0.5, 60.0)
    for name, colour, rows in _kinds(catalogue):
        drawn = np.flatnonzero(rows)[:MOST_DRAWN]
        axes.scatter(s.x[drawn], s.y[drawn], s=size[drawn], c=colour, lw=0, label=name)
    axes.set(xlabel="x on the reference plane [pixel]", ylabel="y [pixel]", aspect="equal")
    axes.legend(loc="upper right", fontsize=8)
    axes.set_title(f"{len(s)} stars, version {catalogue.version}")


def _counts(axes: Any, catalogue: ReferenceCatalogue) -> None:
    mag = magnitudes_of(catalogue)
    edges = np.arange(np.floor(mag.min()), np.ceil(mag.max()) + 0.25, 0.25)
    axes.hist(mag, edges, color=STAR, label="all")
    axes.hist(mag[catalogue.stars.calibrator], edges, color=CALIBRATOR, label="calibrators")
    axes.axvline(depth_of(catalogue), color="k", ls=":", label="5-sigma depth")
    axes.set(yscale="log", ylabel="stars per 0.25 mag")
    axes.legend(fontsize=8)


def _errors(axes: Any, catalogue: ReferenceCatalogue) -> None:
    s, mag = catalogue.stars, magnitudes_of(catalogue)
    for name, colour, rows in _kinds(catalogue):
        drawn = np.flatnonzero(rows)[:MOST_DRAWN]
        axes.plot(mag[drawn], s.flux_err[drawn] / s.flux[drawn], ".", ms=2, c=colour, label=name)
    axes.set(yscale="log", xlabel=f"{catalogue.band} [mag]", ylabel="relative error of the flux")
