"""Which finds of different frames are the same star, and what they say together."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from csstream.imaging.matching import match_pixels

Float = npt.NDArray[np.float64]
Int = npt.NDArray[np.int64]

CLIP = 4.0  # [sigma] from the median
CLIP_ROUNDS = 2
FLUX_FLOOR = 0.003  # relative error that no zero point and PSF of a frame goes below
POSITION_FLOOR = 0.005  # [pixel]


@dataclass(frozen=True, kw_only=True, eq=False)
class Finds:
    """Measurements of all frames, one row each; all arrays (k,)."""

    star: Int  # which star of the plane
    frame: Int
    x: Float  # [pixel] of the plane
    y: Float
    error: Float  # [pixel] per axis
    flux: Float  # [electron/s] at the common zero point
    flux_err: Float
    flags: npt.NDArray[np.int32]


@dataclass(frozen=True, kw_only=True, eq=False)
class Averages:
    """What all frames say of each star; all arrays (n,)."""

    x: Float  # [pixel] of the plane
    y: Float
    error: Float  # [pixel] per axis
    flux: Float  # [electron/s]
    flux_err: Float
    chi2: Float  # reduced, of the fluxes around their mean; nan for one frame
    single_err: Float  # [electron/s] typical error of one frame's flux
    frames: npt.NDArray[np.int32]  # that it was found in
    flags: npt.NDArray[np.int32]  # of any frame


class StarList:
    """The stars of the plane while frames are added to it: positions are running means."""

    def __init__(self) -> None:
        self.x, self.y, self.weight = np.empty(0), np.empty(0), np.empty(0)
        self.brightness = np.empty(0)  # as first seen

    def take(self, x: Float, y: Float, error: Float, brightness: Float, radius: float) -> Int:
        """Match the finds of one frame (n,) and add the new ones; return their stars (n,)."""
        weight = 1.0 / (error**2 + POSITION_FLOOR**2)
        mine, theirs, _ = match_pixels(x, y, self.x, self.y, radius)
        star = np.full(x.size, -1, np.int64)
        star[mine] = theirs
        total = self.weight[theirs] + weight[mine]
        share = weight[mine] / total
        self.x[theirs] += share * (x[mine] - self.x[theirs])
        self.y[theirs] += share * (y[mine] - self.y[theirs])
        self.weight[theirs] = total
        fresh = np.flatnonzero(star < 0)
        star[fresh] = self.x.size + np.arange(fresh.size)
        self.x = np.concatenate([self.x, x[fresh]])
        self.y = np.concatenate([self.y, y[fresh]])
        self.weight = np.concatenate([self.weight, weight[fresh]])
        self.brightness = np.concatenate([self.brightness, brightness[fresh]])
        return star


def average(finds: Finds, stars: int) -> Averages:
    """Average each star's measurements, weighted by their errors and clipped.

    Notes
    -----
    Clipping starts from the median, so one cosmic ray in three frames does not win.
    """
    flux_error = np.hypot(finds.flux_err, FLUX_FLOOR * np.abs(finds.flux))
    error = np.hypot(finds.error, POSITION_FLOOR)
    x, x_err, _, _ = _mean(finds.star, finds.x, error, stars)
    y, y_err, _, _ = _mean(finds.star, finds.y, error, stars)
    flux, flux_err, chi2, single = _mean(finds.star, finds.flux, flux_error, stars)
    flags = np.zeros(stars, np.int32)
    np.bitwise_or.at(flags, finds.star, finds.flags)
    return Averages(
        x=x,
        y=y,
        error=np.sqrt(0.5 * (x_err**2 + y_err**2)),
        flux=flux,
        flux_err=flux_err,
        chi2=chi2,
        single_err=single,
        frames=np.bincount(finds.star, minlength=stars).astype(np.int32),
        flags=flags,
    )


def _mean(
    group: Int, values: Float, errors: Float, groups: int
) -> tuple[Float, Float, Float, Float]:
    """Clipped mean, its error, reduced chi², and a typical error of one value; (groups,)."""
    weight = np.where(np.isfinite(values) & (errors > 0.0), 1.0 / errors**2, 0.0)
    values = np.where(weight > 0.0, values, 0.0)
    centre = _medians(group, values, groups)
    for _ in range(CLIP_ROUNDS):
        kept = weight * (np.abs(values - centre[group]) <= CLIP * errors + 1e-12)
        total = np.bincount(group, kept, groups)
        safe = np.maximum(total, 1e-300)
        mean = np.bincount(group, kept * values, groups) / safe
        centre = np.where(total > 0.0, mean, centre)
    # chi² counts what was clipped: a star whose flux jumps is not steady.
    number = np.bincount(group, weight > 0.0, groups)
    squares = np.bincount(group, weight * (values - centre[group]) ** 2, groups)
    with np.errstate(invalid="ignore", divide="ignore"):
        chi2 = np.where(number > 1, squares / (number - 1), np.nan)
        single = np.sqrt(number / np.bincount(group, weight, groups))
        error = np.where(total > 0.0, 1.0 / np.sqrt(safe), np.nan)
    return centre, error, chi2, single


def _medians(group: Int, values: Float, groups: int) -> Float:
    """Median (the lower one of two) of each group, (groups,)."""
    order = np.lexsort((values, group))
    count = np.bincount(group, minlength=groups)
    first = np.concatenate([[0], np.cumsum(count)[:-1]])
    middle = np.minimum(first + np.maximum(count - 1, 0) // 2, max(values.size - 1, 0))
    return values[order][middle] if values.size else np.zeros(groups)
