"""Stars whose core is saturated: found by their flat tops, because no detector sees them whole."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy.ndimage import binary_dilation, find_objects, label

from csstream.imaging.finding.candidates import Candidates
from csstream.imaging.frames.flags import Flag
from csstream.imaging.frames.frame import Frame, Image, Mask
from csstream.imaging.psf.pixel_psf import PixelPsf

RING = 3  # [pixel] around the flat top, from which the flux is guessed
LEAST_RESPONSE = 1e-6  # of the PSF, for a pixel that says something about the flux
NEIGHBOURS = np.ones((3, 3), np.bool_)


def saturated_pixels(frame: Frame) -> Mask:
    """Return which pixels are saturated, (ny, nx)."""
    return (frame.flags & Flag.SATURATED) != 0


def saturated_stars(frame: Frame, flat: Mask, level: Image, psf: PixelPsf) -> Candidates:
    """Return one star for each connected region of saturated pixels, ``flat`` (ny, nx).

    The place is the region's, rows weighted by the square of their width because charge bleeds
    along the columns; the flux a median over the pixels around it. Both are starting values: the
    joint fit measures such a star from its wings.
    """
    labels, number = label(flat, NEIGHBOURS)
    found = np.zeros((number, 3))
    for k, box in enumerate(find_objects(labels)):
        found[k] = _one(frame, level, psf, labels, k + 1, box)
    usable = found[:, 2] > 0.0
    x, y, flux = found[usable].T
    return Candidates(x, y, flux, np.ones(x.size))


def clear_of_saturated(candidates: Candidates, flat: Mask) -> npt.NDArray[np.bool_]:
    """Return which candidates lie neither on saturated pixels ``flat`` nor beside them, (n,)."""
    beside = binary_dilation(flat, NEIGHBOURS)
    ny, nx = flat.shape
    column = np.clip(np.rint(candidates.x).astype(np.int64), 0, nx - 1)
    row = np.clip(np.rint(candidates.y).astype(np.int64), 0, ny - 1)
    return ~beside[row, column]


def _one(
    frame: Frame,
    level: Image,
    psf: PixelPsf,
    labels: npt.NDArray[np.int32],
    number: int,
    box: tuple[slice, slice],
) -> tuple[float, float, float]:
    """x, y [pixel] and flux [electron] of one region; no flux where nothing tells it."""
    ny, nx = frame.shape
    rows = slice(max(box[0].start - RING, 0), min(box[0].stop + RING, ny))
    columns = slice(max(box[1].start - RING, 0), min(box[1].stop + RING, nx))
    region = labels[rows, columns] == number
    x, y = _place(region)
    around = binary_dilation(region, NEIGHBOURS, iterations=RING) & ~frame.mask[rows, columns]
    j, i = np.nonzero(around)
    response = psf.evaluate(i - x, j - y)
    told = response > LEAST_RESPONSE
    light = (frame.image[rows, columns] - level[rows, columns])[j[told], i[told]]
    flux = float(np.median(light / response[told])) if told.any() else 0.0
    return x + columns.start, y + rows.start, flux


def _place(region: Mask) -> tuple[float, float]:
    """Centre of a region (ny, nx) in its own pixels."""
    width = region.sum(axis=1).astype(np.float64)
    centre = region @ np.arange(region.shape[1]) / np.maximum(width, 1.0)
    weight = width**2 / np.sum(width**2)
    return float(weight @ centre), float(weight @ np.arange(region.shape[0]))
