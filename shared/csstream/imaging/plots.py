"""A picture of a frame with its detections over it."""

from __future__ import annotations

from pathlib import Path
from typing import IO, Any

import numpy as np
from astropy.visualization import AsinhStretch, ImageNormalize, ZScaleInterval
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from csstream.imaging.frames.flags import UNRELIABLE
from csstream.imaging.frames.frame import Image
from csstream.imaging.source_table import SourceTable

ZOOM = 160  # [pixel] side of the enlarged part
STRETCH = 0.05
UPPER = 12.0  # the white point, in zscale ranges above the black point
GOOD, SUSPECT = "#ffb000", "#4fc3f7"


def plot_detections(
    image: Image,
    sources: SourceTable,
    target: Path | IO[bytes],
    *,
    title: str = "",
    dpi: int = 110,
) -> None:
    """Write a PNG: the whole frame, and its middle enlarged, detections circled.

    Parameters
    ----------
    image : ndarray, (ny, nx) [any unit]
    sources : SourceTable
        Those flagged as unreliable are drawn in another colour.
    target : path or binary file
    """
    figure = Figure(figsize=(15.0, 7.8), layout="constrained")
    FigureCanvasAgg(figure)
    whole, zoom = figure.subplots(1, 2)
    norm = _norm(image)
    ny, nx = image.shape
    _panel(whole, image, sources, norm, size=_marker(len(sources)))
    half = min(ZOOM, nx, ny) / 2
    cx, cy = _busy_place(sources, nx, ny, half)
    _panel(zoom, image, sources, norm, size=60.0)
    zoom.set_xlim(cx - half, cx + half)
    zoom.set_ylim(cy - half, cy + half)
    whole.set_title(f"{title}  {len(sources)} stars".strip())
    zoom.set_title("enlarged; blue: saturated, hit, masked or at the edge")
    figure.savefig(target, format="png", dpi=dpi)


def _norm(image: Image) -> Any:
    finite = image[np.isfinite(image)]
    if finite.size == 0 or float(finite.min()) == float(finite.max()):
        return None
    low, high = ZScaleInterval().get_limits(finite)
    span = max(high - low, 1e-6)
    return ImageNormalize(vmin=low, vmax=low + UPPER * span, stretch=AsinhStretch(STRETCH))


def _marker(count: int) -> float:
    return float(np.clip(4.0e4 / max(count, 1), 2.0, 40.0))


def _busy_place(sources: SourceTable, nx: int, ny: int, half: float) -> tuple[float, float]:
    """Return the middle of the stars, kept so far from the edge that the part fits."""
    if len(sources) == 0:
        return nx / 2, ny / 2
    x, y = float(np.median(sources.x)), float(np.median(sources.y))
    return float(np.clip(x, half, nx - half)), float(np.clip(y, half, ny - half))


def _panel(axes: Any, image: Image, sources: SourceTable, norm: Any, size: float) -> None:
    axes.imshow(image, origin="lower", cmap="gray", norm=norm, interpolation="nearest")
    suspect = (sources.flags & int(UNRELIABLE)) != 0
    for rows, colour in ((~suspect, GOOD), (suspect, SUSPECT)):
        axes.scatter(
            sources.x[rows], sources.y[rows], s=size, lw=0.7, facecolors="none", edgecolors=colour
        )
    axes.set_xlim(-0.5, image.shape[1] - 0.5)
    axes.set_ylim(-0.5, image.shape[0] - 0.5)
    axes.set_xlabel("x [pixel]")
    axes.set_ylabel("y [pixel]")
