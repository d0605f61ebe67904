"""Compiled kernels of the PSF fit: the square of pixels around a bright star.

A *patch* is the square of pixels around one bright star. Its *members* are the stars that shine
into it: ``start[k]`` to ``start[k + 1]`` of the member arrays for patch k.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from numba import njit

from csstream.imaging.psf.star_light import add_star, local_table

Float = npt.NDArray[np.float64]
Single = npt.NDArray[np.float32]
Int = npt.NDArray[np.int64]


class Optics(NamedTuple):
    """The PSF at the patches: coefficients of its terms, and what each patch takes of them."""

    terms: Float  # (t, K, K)
    field: Float  # (n, t)
    oversampling: int
    centre: int  # the star's place in units of samples, along both axes


class Members(NamedTuple):
    """The stars that shine into the patches."""

    start: Int  # (n + 1,)
    x: Float  # (members,) [pixel]
    y: Float
    flux: Float  # [electron]


@njit(cache=True, nogil=True)
def cut_patches(
    image: Single,
    background: Single,
    residual: Single,
    weight: Single,
    noise2: float,
    psf_error: float,
    optics: Optics,
    anchor_x: Int,
    anchor_y: Int,
    members: Members,
    bare: Float,
    weights: Float,
) -> None:
    """Write each patch with its members' light put back, and its weights; both (n, side, side).

    ``optics`` is the PSF with which the residual was made. What its error ``psf_error`` took from
    the weights is given back: here it is to be seen.
    """
    ny, nx = residual.shape
    n, side = bare.shape[0], bare.shape[1]
    table = np.empty(optics.terms.shape[1:])
    for k in range(n):
        left, low = anchor_x[k] - side // 2, anchor_y[k] - side // 2
        bare[k], weights[k] = 0.0, 0.0
        for row in range(max(low, 0), min(low + side, ny)):
            for column in range(max(left, 0), min(left + side, nx)):
                j, i, sky = row - low, column - left, background[row, column]
                bare[k, j, i] = residual[row, column]
                stars = max(image[row, column] - sky - residual[row, column], np.float32(0.0))
                photons = max(sky, np.float32(0.0)) + stars + noise2
                more = 1.0 + (psf_error * stars) ** 2 / photons
                weights[k, j, i] = weight[row, column] * more
        _add_members(optics, members, k, left, low, table, bare[k])


@njit(cache=True, nogil=True)
def cut_image(
    image: Single,
    mask: Any,
    background: Single,
    noise2: float,
    optics: Optics,
    anchor_x: Int,
    anchor_y: Int,
    members: Members,
    bare: Float,
    weights: Float,
) -> None:
    """Write each patch of an image less its sky, and its weights; both (n, side, side).

    The variance is that of the sky and of the members' light, as their fluxes tell it.
    """
    ny, nx = image.shape
    n, side = bare.shape[0], bare.shape[1]
    table, stars = np.empty(optics.terms.shape[1:]), np.empty((side, side))
    for k in range(n):
        left, low = anchor_x[k] - side // 2, anchor_y[k] - side // 2
        bare[k], weights[k], stars[:] = 0.0, 0.0, 0.0
        _add_members(optics, members, k, left, low, table, stars)
        for row in range(max(low, 0), min(low + side, ny)):
            for column in range(max(left, 0), min(left + side, nx)):
                if mask[row, column]:
                    continue
                j, i, sky = row - low, column - left, background[row, column]
                bare[k, j, i] = image[row, column] - sky
                photons = max(sky, np.float32(0.0)) + max(stars[j, i], 0.0) + noise2
                weights[k, j, i] = 1.0 / photons


@njit(cache=True, nogil=True)
def _add_members(
    optics: Optics, members: Members, k: int, left: int, low: int, table: Float, out: Float
) -> None:
    """Add the light of patch k's members to ``out``; ``table`` keeps the PSF between calls."""
    if k == 0 or optics.terms.shape[0] > 1:
        local_table(optics.terms, optics.field[k], table)
    step, centre = optics.oversampling, optics.centre
    for m in range(members.start[k], members.start[k + 1]):
        x, y = left - members.x[m], low - members.y[m]
        add_star(table, step, centre, x, y, members.flux[m], out)
