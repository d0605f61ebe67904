"""Frames in, reference catalogue out.

Each frame is measured by itself; the finds are brought to one plane and one zero point and
averaged. The frames are then stacked and the stack is measured by the same code: what it shows
beyond the single frames completes the list, and its joint fit knows of more neighbours. The
averages tie the stack's positions and fluxes, and tell what only one frame has seen.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from csstream.imaging.errors import FrameError
from csstream.imaging.finding.candidates import DetectionStrategy
from csstream.imaging.frames.flags import UNRELIABLE
from csstream.imaging.measured import Measured
from csstream.imaging.psf.pixel_psf import PixelPsf
from csstream.imaging.reference.association import Averages, Finds, StarList, average
from csstream.imaging.reference.build_settings import BuildSettings
from csstream.imaging.reference.catalogue import NO_STARS, ReferenceCatalogue
from csstream.imaging.reference.choosing import best_frames
from csstream.imaging.reference.frames_measured import (
    Chosen,
    Frames,
    Look,
    Progress,
    Skip,
    measure_all,
)
from csstream.imaging.reference.listing import completed, with_beyond
from csstream.imaging.reference.naming import named
from csstream.imaging.reference.outside import stars_beyond
from csstream.imaging.reference.plane import FrameMap, Points, aligned, reference_plane
from csstream.imaging.reference.stack import Stack, Stacker
from csstream.imaging.reference.stack_measured import measure_stack
from csstream.imaging.source_table import SourceTable

Float = npt.NDArray[np.float64]

ALIGNING_STARS = 3000
ALIGNING_SNR = 20.0
TIE_ERROR = 0.05  # relative: fainter stars do not tie the frames' zero points
LEAST_TIES = 5


@dataclass(frozen=True, eq=False)
class Placed:
    """A frame on the plane: its measurement, its map, and its zero point."""

    look: Look
    place: FrameMap
    factor: float  # catalogue's electron/s of one electron/s of this frame


def build_reference(
    frames: Frames,
    strategy: DetectionStrategy,
    *,
    nominal_psf: PixelPsf | None = None,
    settings: BuildSettings | None = None,
    previous: ReferenceCatalogue | None = None,
    progress: Progress = lambda done, total: None,
    skip: Skip = lambda text: None,
) -> ReferenceCatalogue:
    """Build the list of a field's stars from some of its frames.

    Parameters
    ----------
    frames : sequence of Frame
        A list, or a sequence that reads each frame when it is asked for: one is held at a time,
        and those of the stack are asked for twice. All of one band and detector.
    strategy : DetectionStrategy
        Finds the stars, in the frames and in the stack.
    nominal_psf : PixelPsf, optional
        For frames that have no PSF of their own.
    previous : ReferenceCatalogue, optional
        Stars of it keep their ids.
    progress : callable
        Called with (frames done, frames in all).
    skip : callable
        Told in a sentence of each frame that cannot be used.

    Raises
    ------
    FrameError
        ``no_frames``: not one frame can be used. ``no_stars``: nothing is left to be listed.
    TooManyStarsError
        A cell of the sky has more than 524,287 stars.

    Notes
    -----
    The result is the same for the same frames in the same order.
    """
    s = settings or BuildSettings()
    rows = best_frames(frames, s.most_frames, progress=progress, skip=skip)
    chosen = Chosen(frames, rows)
    looks = measure_all(
        chosen,
        strategy,
        nominal_psf=nominal_psf,
        settings=s.measure,
        progress=progress,
        skip=skip,
    )
    placed, averages = on_one_plane(looks, s, skip)
    stack = _stacked(chosen, placed, s, skip)
    shown = frames_that_show(placed, averages.x, averages.y)
    deep = measure_stack(stack, strategy, averages, shown, s)
    listed = completed(deep, stack, averages, shown, s)
    first = named(listed, _facts(placed), _central(deep), previous)
    beyond = stars_beyond(
        Chosen(chosen, [p.look.index for p in placed]),
        first,
        (stack.origin, stack.frame.shape),
        lambda x, y: frames_that_show(placed, x, y) > 0,
        nominal_psf=nominal_psf,
        settings=s.measure,
    )
    return named(with_beyond(listed, beyond), _facts(placed), _central(deep), previous)


def _facts(placed: list[Placed]) -> ReferenceCatalogue:
    """Return the catalogue without its stars."""
    best = placed[0]
    return ReferenceCatalogue(
        version="",
        instrument=best.look.instrument,
        band=best.look.band,
        zero_point=best.look.measured.zero_point,
        fwhm=float(np.median([each.look.measured.fwhm for each in placed])),
        wcs=best.place.plane,
        stars=NO_STARS,
        frames=len(placed),
    )


def _central(deep: Measured) -> PixelPsf:
    if deep.psf is None:
        raise FrameError("no_psf", "the stack's PSF is not known")
    return deep.psf.central


def on_one_plane(looks: list[Look], s: BuildSettings, skip: Skip) -> tuple[list[Placed], Averages]:
    """Bring all frames to the plane and the zero point of the best one, best frame first."""
    best_first = sorted(looks, key=lambda look: (-look.weight, look.index))
    best = best_first[0]
    plane = reference_plane(best.measured.wcs, best.shape)
    stars, placed = StarList(), list[Placed]()
    rows: list[Finds] = []
    for look in best_first:
        try:
            place = _place(look, plane, stars)
        except FrameError as error:
            skip(f"{look.name} is left out: {error.reason}: {error}")
            continue
        factor = 10.0 ** (0.4 * (best.measured.zero_point - look.measured.zero_point))
        placed.append(Placed(look, place, factor))
        rows.append(_finds(placed[-1], len(rows), stars, s))
    finds = Finds(**{name: np.concatenate([vars(r)[name] for r in rows]) for name in vars(rows[0])})
    factors = _tied(finds, average(finds, stars.x.size), len(placed))
    placed = [replace(p, factor=p.factor * f) for p, f in zip(placed, factors, strict=True)]
    scale = factors[finds.frame]
    tied = replace(finds, flux=finds.flux * scale, flux_err=finds.flux_err * scale)
    return placed, average(tied, stars.x.size)


def _place(look: Look, plane: Any, stars: StarList) -> FrameMap:
    """Return a frame's map to the plane; the first frame's stars are where its WCS says."""
    place = FrameMap(look.measured.wcs, plane)
    if not stars.x.size:
        return place
    return aligned(
        place, _bright(look.measured.sources), Points(stars.x, stars.y, stars.brightness)
    )


def _bright(sources: SourceTable) -> Points:
    clean = (sources.flags & int(UNRELIABLE)) == 0
    clean &= sources.flux > ALIGNING_SNR * sources.flux_err
    rows = np.flatnonzero(clean)[:ALIGNING_STARS]
    return Points(sources.x[rows], sources.y[rows], sources.flux[rows])


def _finds(placed: Placed, number: int, stars: StarList, s: BuildSettings) -> Finds:
    """One frame's measurements on the plane, its stars added to the list."""
    sources, fwhm = placed.look.measured.sources, placed.look.measured.fwhm
    usable = np.isfinite(sources.flux_err) & np.isfinite(sources.x_err)
    sources = sources.select(usable)
    x, y = placed.place.to_plane(sources.x, sources.y)
    error = np.sqrt(0.5 * (sources.x_err**2 + sources.y_err**2))
    radius = max(s.match_radius_fwhm * fwhm, s.merge_radius)
    return Finds(
        star=stars.take(x, y, error, sources.flux * placed.factor, radius),
        frame=np.full(len(sources), number, np.int64),
        x=x,
        y=y,
        error=error,
        flux=sources.flux * placed.factor,
        flux_err=sources.flux_err * placed.factor,
        flags=sources.flags,
    )


def _tied(finds: Finds, averages: Averages, frames: int) -> Float:
    """Factors on each frame's fluxes that bring its bright stars to their means, (frames,)."""
    ratio = finds.flux / np.maximum(averages.flux[finds.star], 1e-30)
    usable = (averages.frames[finds.star] > 1) & (finds.flux_err < TIE_ERROR * finds.flux)
    usable &= (finds.flags & int(UNRELIABLE)) == 0
    factors = np.ones(frames)
    for number in range(frames):
        own = ratio[usable & (finds.frame == number)]
        if own.size >= LEAST_TIES:
            factors[number] = 1.0 / float(np.median(own))
    return factors / float(np.exp(np.mean(np.log(factors))))


def frames_that_show(placed: list[Placed], x: Float, y: Float) -> npt.NDArray[np.int32]:
    """Return how many frames show each place (n,) of the plane."""
    seen = np.zeros(x.size, np.int32)
    for each in placed:
        fx, fy = each.place.to_frame(x, y)
        ny, nx = each.look.shape
        seen += (fx > 0.0) & (fy > 0.0) & (fx < nx - 1.0) & (fy < ny - 1.0)
    return seen


def _stacked(frames: Frames, placed: list[Placed], s: BuildSettings, skip: Skip) -> Stack:
    """Lay the frames that are worth it over each other."""
    least = s.least_weight * placed[0].look.weight
    chosen = [p for p in placed if p.look.weight >= least and p.look.psf is not None]
    origin, shape = _extent(chosen)
    stacker = Stacker(origin, shape, placed[0].look.measured.zero_point)
    for each in sorted(chosen, key=lambda p: p.look.index):
        try:
            frame = frames[each.look.index]
        except FrameError as error:  # the file has gone since it was measured
            skip(f"{each.look.name} is not stacked: {error.reason}: {error}")
            continue
        stacker.add(frame, each.look, each.place, each.factor, s.measure)
    return stacker.finish(s.least_coverage)


def _extent(placed: list[Placed]) -> tuple[tuple[int, int], tuple[int, int]]:
    """First pixel (x, y) and shape (ny, nx) of the part of the plane that the frames cover."""
    corners: list[Any] = []
    for each in placed:
        ny, nx = each.look.shape
        x, y = each.place.to_plane([0.0, nx - 1.0, 0.0, nx - 1.0], [0.0, 0.0, ny - 1.0, ny - 1.0])
        corners.append(np.stack([x, y]))
    both = np.concatenate(corners, axis=1)
    low = np.floor(both.min(axis=1) + 0.5).astype(int)
    high = np.ceil(both.max(axis=1) - 0.5).astype(int)
    size = high - low + 1
    return (int(low[0]), int(low[1])), (int(size[1]), int(size[0]))
