"""What the stack and the single frames together say: which stars are listed."""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
import numpy.typing as npt
from scipy.ndimage import binary_dilation

from csstream.imaging.errors import FrameError
from csstream.imaging.frames.flags import UNRELIABLE, Flag
from csstream.imaging.matching import match_pixels, merge_close
from csstream.imaging.measured import Measured
from csstream.imaging.reference.association import Averages
from csstream.imaging.reference.build_settings import BuildSettings
from csstream.imaging.reference.outside import POSITION_ERROR, Beyond
from csstream.imaging.reference.stack import Stack
from csstream.imaging.source_table import SourceTable

Float = npt.NDArray[np.float64]
Bool = npt.NDArray[np.bool_]
Int = npt.NDArray[np.int64]

KEPT_FLAGS = int(Flag.SATURATED | Flag.CROWDED | Flag.POOR_FIT | Flag.MASKED)
TIE_SNR = 50.0  # of the stars that tie the stack to the single frames
LEAST_TIES = 5


@dataclass(frozen=True, kw_only=True, eq=False)
class Listed:
    """The stars that are listed; all arrays (n,)."""

    x: Float  # [pixel] of the plane
    y: Float
    position_err: Float
    flux: Float  # [electron/s]
    flux_err: Float
    flags: npt.NDArray[np.int32]
    n_frames: npt.NDArray[np.int32]
    chi2: Float  # of the single frames' fluxes; nan where there are fewer than two
    single_err: Float  # [electron/s] error of one frame's flux

    def select(self, rows: Bool | Int) -> Listed:
        """Return the rows chosen by a mask or by indices."""
        return Listed(**{e.name: getattr(self, e.name)[rows] for e in fields(self)})

    def joined(self, other: Listed) -> Listed:
        """Return these and then the others."""
        pairs = {e.name: (getattr(self, e.name), getattr(other, e.name)) for e in fields(self)}
        return Listed(**{name: np.concatenate(pair) for name, pair in pairs.items()})


def completed(
    deep: Measured,
    stack: Stack,
    averages: Averages,
    coverage: npt.NDArray[np.int32],
    s: BuildSettings,
) -> Listed:
    """Join the stack's stars with those that lie beyond it; leave out what is not credible.

    ``coverage`` (n,): frames that show the place of each of the averages' stars.
    """
    x, y = deep.sources.x + stack.origin[0], deep.sources.y + stack.origin[1]
    radius = max(s.match_radius_fwhm * deep.fwhm, s.merge_radius)
    mine, theirs, _ = match_pixels(x, y, averages.x, averages.y, radius)
    dx, dy, factor = _tie(deep.sources, x, y, averages, mine, theirs)
    found = _from_stack(deep.sources, x + dx, y + dy, factor, stack, averages, mine, theirs)
    rim = binary_dilation(np.pad(stack.frame.mask, 1, constant_values=True), iterations=s.rim)
    shown = ~rim[1:-1, 1:-1] | ((stack.frame.flags & Flag.SATURATED) != 0)
    on_stack = _at(shown, x, y, stack)
    found = _better_known(found, averages, mine, theirs)
    found = found.select(_credible(found, deep.sources, stack, s) & on_stack)
    hidden = ~_at(shown, averages.x, averages.y, stack)
    beside = _at(binary_dilation(shown, iterations=s.beside), averages.x, averages.y, stack)
    alone = np.flatnonzero(hidden & _seen_enough(averages, coverage, beside, s))
    listed = found.joined(_from_frames(averages, alone))
    listed = listed.select(merge_close(listed.x, listed.y, listed.flux, s.merge_radius))
    if not listed.x.size:
        raise FrameError("no_stars", "no star of the frames is left to be listed")
    return listed.select(np.argsort(-listed.flux, kind="stable"))


def _seen_enough(
    averages: Averages, coverage: npt.NDArray[np.int32], beside: Bool, s: BuildSettings
) -> Bool:
    """Tell which stars of single frames are believed without the stack.

    Half of the frames that show the place must have found them. Of a single frame a clear find is
    enough ``beside`` the stack, where a dither reaches: later frames will show it too.
    """
    often = averages.frames >= np.maximum(0.5 * coverage, 2)
    clear = averages.flux > s.single_snr * averages.flux_err
    once = (coverage > 0) & (averages.frames >= 0.5 * coverage)  # on the border light from outside
    return np.asarray(often | (beside & clear & once))


def with_beyond(listed: Listed, beyond: Beyond) -> Listed:
    """Add the stars that are known by their wings alone, in order of falling flux."""
    count = beyond.flux.size
    more = Listed(
        x=beyond.x,
        y=beyond.y,
        position_err=np.full(count, POSITION_ERROR),
        flux=beyond.flux,
        flux_err=beyond.flux_err,
        flags=np.full(count, np.int32(Flag.MASKED)),
        n_frames=np.zeros(count, np.int32),
        chi2=np.full(count, np.nan),
        single_err=beyond.flux_err,
    )
    both = listed.joined(more)
    return both.select(np.argsort(-both.flux, kind="stable"))


def _tie(
    sources: SourceTable, x: Float, y: Float, averages: Averages, mine: Int, theirs: Int
) -> tuple[float, float, float]:
    """Shift [pixel] and factor that bring the stack's bright stars to the single frames'."""
    strong = sources.flux[mine] > TIE_SNR * sources.flux_err[mine]
    strong &= (sources.flags[mine] | averages.flags[theirs]) & int(UNRELIABLE | Flag.CROWDED) == 0
    if np.count_nonzero(strong) < LEAST_TIES:
        return 0.0, 0.0, 1.0
    i, j = mine[strong], theirs[strong]
    return (
        float(np.median(averages.x[j] - x[i])),
        float(np.median(averages.y[j] - y[i])),
        float(np.median(averages.flux[j] / sources.flux[i])),
    )


def _from_stack(
    sources: SourceTable,
    x: Float,
    y: Float,
    factor: float,
    stack: Stack,
    averages: Averages,
    mine: Int,
    theirs: Int,
) -> Listed:
    count = len(sources)
    frames, chi2 = np.zeros(count, np.int32), np.full(count, np.nan)
    frames[mine], chi2[mine] = averages.frames[theirs], averages.chi2[theirs]
    flags = (sources.flags & KEPT_FLAGS).astype(np.int32)
    flags[mine] |= averages.flags[theirs] & np.int32(Flag.SATURATED)
    single = factor * sources.flux_err * np.sqrt(stack.effective)
    single[mine] = averages.single_err[theirs]
    return Listed(
        x=x,
        y=y,
        position_err=np.sqrt(0.5 * (sources.x_err**2 + sources.y_err**2)),
        flux=factor * sources.flux,
        flux_err=factor * sources.flux_err,
        flags=flags,
        n_frames=frames,
        chi2=chi2,
        single_err=single,
    )


def _better_known(found: Listed, averages: Averages, mine: Int, theirs: Int) -> Listed:
    """Take the frames' means of bright lone stars where they are better than the stack's values.

    The PSF of a stack changes with the frames that show a place; at high S/N, in varied seeing,
    that is more than the photons' noise, and the stack's errors, widened by its residuals, say so.
    """
    scale = np.sqrt(np.fmax(averages.chi2[theirs], 1.0))
    often = averages.frames[theirs] >= np.maximum(found.n_frames.max(initial=0) // 3, 2)
    alone = found.flags[mine] & np.int32(Flag.CROWDED) == 0
    strong = averages.flux[theirs] > TIE_SNR * averages.single_err[theirs]
    better = scale * averages.flux_err[theirs] < found.flux_err[mine]
    better &= often & alone & strong
    i, j = mine[better], theirs[better]
    columns = {entry.name: getattr(found, entry.name).copy() for entry in fields(Listed)}
    columns["x"][i], columns["y"][i] = averages.x[j], averages.y[j]
    columns["position_err"][i] = averages.error[j]
    columns["flux"][i] = averages.flux[j]
    columns["flux_err"][i] = scale[better] * averages.flux_err[j]
    columns["flags"][i] &= ~np.int32(Flag.POOR_FIT)
    return Listed(**columns)


def _credible(found: Listed, sources: SourceTable, stack: Stack, s: BuildSettings) -> Bool:
    """Tell which of the stack's stars the single frames do not contradict.

    What is so bright that every frame must show it, and yet is found in few of them, is what a
    cosmic ray or a satellite has left. Blends are not asked: frames may not separate them.
    """
    if stack.effective < 2.0:
        return np.ones(found.x.size, np.bool_)
    clear = found.flux > s.expected_snr * found.single_err
    clear &= (found.flags & int(Flag.SATURATED | Flag.CROWDED | Flag.MASKED)) == 0
    column = np.clip(np.rint(sources.x).astype(np.int64), 0, stack.frame.shape[1] - 1)
    row = np.clip(np.rint(sources.y).astype(np.int64), 0, stack.frame.shape[0] - 1)
    seldom = found.n_frames < s.least_share * stack.seen[row, column]
    return ~(clear & seldom)


def _at(image: Bool, x: Float, y: Float, stack: Stack) -> Bool:
    """Return what an image of the stack says at places (n,) of the plane; beyond it False."""
    ny, nx = image.shape
    i = np.rint(x).astype(np.int64) - stack.origin[0]
    j = np.rint(y).astype(np.int64) - stack.origin[1]
    on = (i >= 0) & (j >= 0) & (i < nx) & (j < ny)
    return np.asarray(on & image[np.clip(j, 0, ny - 1), np.clip(i, 0, nx - 1)])


def _from_frames(averages: Averages, rows: Int) -> Listed:
    return Listed(
        x=averages.x[rows],
        y=averages.y[rows],
        position_err=averages.error[rows],
        flux=averages.flux[rows],
        flux_err=averages.flux_err[rows],
        flags=(averages.flags[rows] & KEPT_FLAGS).astype(np.int32),
        n_frames=averages.frames[rows],
        chi2=averages.chi2[rows],
        single_err=averages.single_err[rows],
    )
