"""A first look at a frame's bright stars: tiles spread over the field, found and fitted."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from csstream.imaging.finding.classical import extract
from csstream.imaging.fit.joint_fit import FitSettings, joint_fit
from csstream.imaging.frames.background import Background, estimate_background
from csstream.imaging.frames.cosmic_rays import fill_masked, find_cosmic_rays
from csstream.imaging.frames.frame import Frame, Image, Mask
from csstream.imaging.psf.blur import blurred
from csstream.imaging.psf.field_psf import FieldPsf
from csstream.imaging.psf.pixel_psf import PixelPsf
from csstream.imaging.psf_fit.moffat_fits import FITTED_STARS, fit_moffats
from csstream.imaging.psf_fit.patches import Patches, Photons, cut, joined, psf_stars

Float = npt.NDArray[np.float64]

SIDE = 320  # [pixel] of a tile, about
MAX_TILES = 30
LEAST_TILES = 3
ENOUGH_STARS = 150  # unsaturated ones well above the noise: no further tile is looked at
DETECTION = 5.0  # [sigma]
BRIGHT = 60.0  # [sigma] of a star's brightest pixel that counts as well above the noise
SHARPEST = -0.35  # blur over variance: the sharpest PSF that is not taken for a cosmic ray
UNKNOWN_ERROR = 0.05  # relative error of a PSF that no star has corrected
SETTINGS = FitSettings(iterations=4, position_prior=0.5, psf_error=UNKNOWN_ERROR)


@dataclass(frozen=True, eq=False)
class Tile:
    """A part of the frame and what was found in it, brightest first."""

    left: int  # [pixel] of the frame
    low: int
    image: Image
    mask: Mask
    background: Background
    found: npt.NDArray[np.void]


def bright_tiles(frame: Frame, linear: float) -> list[Tile]:
    """Return tiles of the frame until they hold enough bright stars below ``linear`` [electron].

    Their order spreads over the frame, so that few tiles see all of a field.
    """
    tiles: list[Tile] = []
    stars = 0
    for rows, columns in _places(frame.shape):
        mask = np.ascontiguousarray(frame.mask[rows, columns])
        if mask.all():
            continue
        image = np.ascontiguousarray(frame.image[rows, columns])
        background = estimate_background(image, mask)
        tile = Tile(columns.start, rows.start, image, mask, background, np.empty(0, np.void))
        tiles.append(_searched(tile))
        peak = tiles[-1].found["peak"]
        stars += int(np.count_nonzero((peak > BRIGHT * background.rms) & (peak < linear)))
        if stars >= ENOUGH_STARS and len(tiles) >= LEAST_TILES:
            break
    return tiles


def without_hits(tile: Tile, psf: PixelPsf, read_noise: float) -> Tile:
    """Return the tile searched again with cosmic rays masked.

    The PSF may be a third narrower than given before a star is taken for a hit.
    """
    variance = SHARPEST * (psf.fwhm / 2.3548) ** 2
    sharp = blurred(psf, (variance, 0.0, variance))
    level, rms = tile.background.level, tile.background.rms
    hits, clean = find_cosmic_rays(
        tile.image, tile.mask, level, sharp, read_noise, rms, UNKNOWN_ERROR
    )
    if not hits.any():
        return tile
    searched = _searched(replace(tile, image=clean))
    return replace(searched, image=tile.image, mask=tile.mask | hits)


def moffat_shapes(tiles: list[Tile], linear: float) -> Float:
    """Return FWHM [pixel] and beta of the tiles' lonely stars, (n, 2)."""
    rows = [np.empty((0, 2))]
    for tile in tiles:
        if sum(len(part) for part in rows) >= FITTED_STARS:
            break
        sky_free = tile.image - tile.background.level
        rows.append(fit_moffats(sky_free, tile.mask, tile.found, linear, tile.background.rms))
    return np.concatenate(rows)


def tile_patches(tiles: list[Tile], psf: FieldPsf, half: int, frame: Frame, most: int) -> Patches:
    """Return the patches of the tiles' bright stars, fitted with ``psf``."""
    parts = []
    for tile in tiles:
        columns = (np.asarray(tile.found[name], np.float64) for name in ("x", "y", "flux"))
        fit = joint_fit(
            tile.image, tile.mask, tile.background.level, psf.central, *columns,
            read_noise=frame.read_noise, settings=SETTINGS,
        )  # fmt: skip
        chosen = psf_stars(fit, tile.image, frame.saturation, most // len(tiles) + 1)
        local = replace(psf, origin=(psf.origin[0] - tile.left, psf.origin[1] - tile.low))
        photons = Photons(tile.image, frame.read_noise, UNKNOWN_ERROR)
        parts.append(cut(fit, local, chosen, half, photons).shifted(tile.left, tile.low))
    return joined(parts)


def _searched(tile: Tile) -> Tile:
    filled = fill_masked(tile.image, tile.mask, tile.background.level)
    found = extract(filled - tile.background.level, tile.background.noise, DETECTION, 5)
    return replace(tile, found=found[np.argsort(-found["flux"], kind="stable")])


def _places(shape: tuple[int, int]) -> list[tuple[slice, slice]]:
    """Rows and columns of at most ``MAX_TILES`` tiles, each far from those before it."""
    cells = [max(1, round(length / SIDE)) for length in shape]
    edges = [
        np.linspace(0, length, n + 1).astype(int) for length, n in zip(shape, cells, strict=True)
    ]
    j, i = (axis.ravel() for axis in np.mgrid[: cells[0], : cells[1]])
    u, v = (i + 0.5) / cells[1], (j + 0.5) / cells[0]
    distance = -np.hypot(u - 0.5, v - 0.5)  # the middle first
    places = []
    for _ in range(min(MAX_TILES, u.size)):
        k = int(np.argmax(distance))
        places.append(
            (
                slice(int(edges[0][j[k]]), int(edges[0][j[k] + 1])),
                slice(int(edges[1][i[k]]), int(edges[1][i[k] + 1])),
            )
        )
        nearest = np.hypot(u - u[k], v - v[k])
        distance = nearest if len(places) == 1 else np.minimum(distance, nearest)
    return places
