"""PNet outside the network: from pixels to input channels, from heads to candidates.

Training and serving share this module, so what the network learnt is what it is given. The
network sees the background-subtracted image in units of the noise of an empty pixel, so that
instrument, exposure time and sky drop out of the problem.

Heads are six channels at full resolution (see :data:`HEADS`): the logit that a star's centre lies
on the pixel, the centre's offset from the pixel's, the natural logarithm of the flux in units of
the empty pixel's noise, and the logarithms of the Laplace widths of position and flux.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from numba import njit

Image = npt.NDArray[np.float32]
Float = npt.NDArray[np.float64]

CHANNELS = 3  # asinh, linear, usable
HEADS = ("logit", "dx", "dy", "ln_flux", "ln_width_position", "ln_width_flux")
LINEAR_SCALE = 10.0  # the linear channel is in units of ten times the noise
LINEAR_LIMITS = (-1.0, 10.0)
ASINH_SCALE = 0.5
DOUBT_SCORE = 0.5  # candidates below it are doubtful


@dataclass(frozen=True, kw_only=True)
class Radii:
    """How near candidates may lie to each other [pixel]; a wider PSF needs wider ones."""

    merge: float = 0.7  # two candidates closer than this are one star
    doubt: float = 1.3  # this close to a better one, a doubtful candidate is its shoulder
    offset: float = 1.0  # a pixel speaks for centres at most this far away


SPACE_RADII = Radii()  # for a PSF of two pixels


class Picked(NamedTuple):
    """Pixels that may hold a star: ``rows, columns`` (n,) int64 and ``heads`` (6, n) float32."""

    rows: npt.NDArray[np.int64]
    columns: npt.NDArray[np.int64]
    heads: Image


@dataclass(frozen=True, eq=False)
class Decoded:
    """Local maxima of the heads, brightest score first. All arrays are (n,).

    ``x, y`` [pixel] float64; ``ln_flux`` in units of the empty pixel's noise; ``logit`` raw;
    ``position_width`` [pixel] and ``flux_width`` [ln] are Laplace widths.
    """

    x: Float
    y: Float
    ln_flux: npt.NDArray[np.float32]
    logit: npt.NDArray[np.float32]
    position_width: npt.NDArray[np.float32]
    flux_width: npt.NDArray[np.float32]

    @property
    def score(self) -> npt.NDArray[np.float32]:
        """Return the raw score in (0, 1), (n,): the focal loss does not make it a probability."""
        return np.float32(1.0) / (np.float32(1.0) + np.exp(-self.logit))


def empty_pixel_noise(background: npt.ArrayLike, read_noise: float) -> Image:
    """Return the RMS of a pixel without stars [electron]; ``background`` in electron."""
    level = np.maximum(np.asarray(background, np.float32), 0.0)
    return np.sqrt(level + np.float32(read_noise) ** 2)


def prepare(
    image: Image,
    background: npt.ArrayLike,
    read_noise: float,
    mask: npt.NDArray[np.bool_] | None = None,
) -> Image:
    """Make the network's input channels.

    Parameters
    ----------
    image : ndarray, (ny, nx), float32 [electron]
    background : float or ndarray, (ny, nx) [electron]
    read_noise : float [electron]
    mask : ndarray, (ny, nx), bool, optional
        True where a pixel is unusable; non-finite pixels are unusable anyway.

    Returns
    -------
    ndarray, (3, ny, nx), float32
        asinh and clipped linear of the signal over the noise, and 1 where the pixel is usable.
    """
    level = np.asarray(background, np.float32)
    signal = (np.asarray(image, np.float32) - level) / empty_pixel_noise(level, read_noise)
    usable = np.isfinite(signal)
    if mask is not None:
        usable &= ~mask
    signal = np.where(usable, signal, np.float32(0.0))
    linear = np.clip(signal / np.float32(LINEAR_SCALE), *LINEAR_LIMITS)
    asinh = np.float32(ASINH_SCALE) * np.arcsinh(signal)
    return np.stack([asinh, linear, usable.astype(np.float32)]).astype(np.float32, copy=False)


def pick(heads: Image, threshold: float, top: int = 0, left: int = 0) -> Picked:
    """Return the pixels of a core whose raw score reaches ``threshold``, in (0, 1).

    ``heads`` is (6, ny, nx); ``top, left`` are the core's first pixel in the frame.
    """
    logit = np.float32(np.log(threshold / (1.0 - threshold)))
    rows, columns = np.nonzero(heads[0] >= logit)
    return Picked(rows + top, columns + left, heads[:, rows, columns])


def join(parts: Sequence[Picked]) -> Picked:
    """Put the picked pixels of all cores together, best score first, then by row and column."""
    rows = np.concatenate([part.rows for part in parts])
    columns = np.concatenate([part.columns for part in parts])
    heads = np.concatenate([part.heads for part in parts], axis=1)
    order = np.lexsort((columns, rows, -heads[0]))
    return Picked(rows[order], columns[order], heads[:, order])


def resolve(picked: Picked, shape: tuple[int, int], radii: Radii = SPACE_RADII) -> Decoded:
    """Turn joined pixels of a frame of ``shape`` (ny, nx) into stars.

    A 3×3 maximum would lose one star in nine (those with a neighbour in the window). Here pixels
    compete only when the *centres that they claim* lie closer than the merging radius, so two
    stars on adjacent pixels both survive; the best score wins. Where the network itself doubts,
    a close companion is nearly always the shoulder of the better one, and the radius is wider.
    """
    limit = np.float32(radii.offset)
    x = picked.columns + np.clip(picked.heads[1], -limit, limit).astype(np.float64)
    y = picked.rows + np.clip(picked.heads[2], -limit, limit).astype(np.float64)
    sure = picked.heads[0] >= np.log(DOUBT_SCORE / (1.0 - DOUBT_SCORE))
    radius = np.where(sure, radii.merge, radii.doubt)
    reach = math.ceil(2.0 * radii.offset + max(radii.merge, radii.doubt))
    keep = np.zeros(x.size, np.bool_)
    owner = np.full(shape, -1, np.int32)
    suppress(owner, picked.rows, picked.columns, x, y, radius, reach, keep)
    kept = picked.heads[:, keep]
    widths = np.exp(kept[4:6])
    return Decoded(x[keep], y[keep], kept[3], kept[0], widths[0], widths[1])


def decode(heads: Image, threshold: float, radii: Radii = SPACE_RADII) -> Decoded:
    """Turn the heads of one image, (6, ny, nx), into stars: pick, join and resolve."""
    ny, nx = heads.shape[1:]
    return resolve(join([pick(heads, threshold)]), (ny, nx), radii)


@njit(cache=True, nogil=True)
def suppress(
    owner: npt.NDArray[np.int32],
    rows: npt.NDArray[np.int64],
    columns: npt.NDArray[np.int64],
    x: Float,
    y: Float,
    radius: Float,
    reach: int,
    keep: npt.NDArray[np.bool_],
) -> None:
    """Keep, in the order given, each candidate that no kept one lies within its ``radius`` of.

    ``owner`` (ny, nx) holds −1 and receives the index of the candidate kept on each pixel;
    ``reach`` [pixel] is how far pixels may lie apart whose claimed centres compete.
    """
    ny, nx = owner.shape
    for k in range(rows.size):
        free = True
        for j in range(max(rows[k] - reach, 0), min(rows[k] + reach + 1, ny)):
            for i in range(max(columns[k] - reach, 0), min(columns[k] + reach + 1, nx)):
                other = owner[j, i]
                if other >= 0:
                    dx, dy = x[k] - x[other], y[k] - y[other]
                    if dx * dx + dy * dy < radius[k] * radius[k]:
                        free = False
        if free:
            owner[rows[k], columns[k]] = k
            keep[k] = True
