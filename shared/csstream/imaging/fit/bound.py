"""The Cramér–Rao bound of every star of a scene, all stars' fluxes and positions unknown.

The mean of pixel i is μᵢ = bᵢ + Σ fₛ Pᵢ(xₛ, yₛ) with the PSF integrated over the pixel, its
variance Vᵢ = μᵢ + read_noise². The Fisher matrix over θ = {fₛ, xₛ, yₛ} of all stars is
F_ab = Σᵢ (∂μᵢ/∂θ_a)(∂μᵢ/∂θ_b) / Vᵢ, and no unbiased estimate has a smaller covariance than F⁻¹
(Mendez et al. 2013, PASP 125, 580; joint over stars as usual). F is sparse: a star's errors
come from the inverse over itself and its neighbours; what lies farther off changes nothing.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from csstream.imaging.fit import errors as fit_errors
from csstream.imaging.fit import normal_matrix as normal
from csstream.imaging.fit.lanes import LANES
from csstream.imaging.fit.pairs import Pairs, find_pairs, plan_tiles
from csstream.imaging.fit.stamp_kernels import Places
from csstream.imaging.fit.stamp_tables import exact_field
from csstream.imaging.fit.whitening import root_blocks, whiten
from csstream.imaging.frames.frame import Mask
from csstream.imaging.psf.field_psf import FieldPsf
from csstream.imaging.psf.pixel_psf import PixelPsf

Float = npt.NDArray[np.float64]
Int = npt.NDArray[np.int64]

MAG_PER_RELATIVE_ERROR = 1.0857362047581296  # 2.5 / ln 10
TILE = 512  # [pixel] stars are treated tile by tile, each with the neighbours around it
RADIUS_FWHM = 3.5  # [FWHM] neighbours in the local inverse
NEIGHBOURS = 30  # at most, the nearest
STAMP_FWHM = 3.0  # [FWHM] half-width over which a star's pixels inform; 1e-5 lies beyond
BRIGHT_SNR = 100.0  # stars above it get twice that
GLARE = 1e4  # [sigma of a sky pixel] stars above it shine as far as the table reaches
RIDGE = 1e-12  # relative to the information: keeps the errors of coincident stars finite
FIXED = 1e30  # [1/pixel²] prior of a position that is known


@dataclass(frozen=True, eq=False)
class Bound:
    """Smallest standard errors that the photons allow; arrays (n,), float64.

    A star without usable pixels has infinite errors.
    """

    flux: Float  # [electron] as given
    flux_err: Float  # [electron] with all other stars unknown
    x_err: Float  # [pixel]
    y_err: Float  # [pixel]
    isolated_flux_err: Float  # [electron] as if no other star were there
    isolated_x_err: Float  # [pixel]
    isolated_y_err: Float  # [pixel]
    in_place_flux_err: Float  # [electron] own position known, all others' flux and position not

    @property
    def mag_err(self) -> Float:
        """σ_mag = 1.0857 σ_flux / flux."""
        return MAG_PER_RELATIVE_ERROR * self.flux_err / self.flux

    @property
    def deblending_snr(self) -> Float:
        """Flux over its error in place: how loudly the data ask for the star.

        Without the star, and with all others fitted anew, chi² rises by this squared.
        """
        return self.flux / self.in_place_flux_err

    @property
    def isolated_mag_err(self) -> Float:
        """The same, as if no other star were there."""
        return MAG_PER_RELATIVE_ERROR * self.isolated_flux_err / self.flux


def cramer_rao_bound(
    psf: PixelPsf | FieldPsf,
    x: npt.ArrayLike,
    y: npt.ArrayLike,
    flux: npt.ArrayLike,
    *,
    shape: tuple[int, int],
    background: npt.ArrayLike,
    read_noise: float,
    mask: Mask | None = None,
    free_positions: bool = True,
) -> Bound:
    """Compute the joint Cramér–Rao bound of all stars of a scene.

    Parameters
    ----------
    psf : PixelPsf or FieldPsf
    x, y : array, (n,) [pixel]
        True positions of *all* stars that shine into the frame, those beyond its edge included.
    flux : array, (n,) [electron]
        Positive.
    shape : (ny, nx)
    background : float or ndarray, (ny, nx) [electron]
        Sky and dark current.
    read_noise : float [electron]
    mask : ndarray, (ny, nx), bool, optional
        True where a pixel is not used.
    free_positions : bool
        False: positions are known, fluxes are not; position errors are then zero.

    Notes
    -----
    Memory is a few images and the stamps of one tile. A star just beyond the edge is known by
    the few pixels within its stamp alone, although its light reaches farther. Two stars at one
    place have large errors, not infinite ones.
    """
    field = psf if isinstance(psf, FieldPsf) else FieldPsf.constant(psf)
    stars = tuple(np.array(v, np.float64) for v in np.broadcast_arrays(x, y, flux))
    scene = _Scene(field, stars[0], stars[1], stars[2], free_positions)
    scene.expose(shape, background, read_noise, mask)
    joint, isolated = np.full((stars[0].size, 4), np.inf), np.full((stars[0].size, 3), np.inf)
    for inner, near in scene.tiles():
        joint[near[inner]], isolated[near[inner]] = scene.tile_errors(near, inner)
    if not free_positions:
        joint[:, 1:3], isolated[:, 1:] = 0.0, 0.0
    f, fx, fy, in_place = joint.T.copy()
    g, gx, gy = isolated.T.copy()
    return Bound(stars[2], f, fx, fy, g, gx, gy, in_place)


class _Scene:
    """The stars, and the variance of every pixel."""

    def __init__(self, psf: FieldPsf, x: Float, y: Float, flux: Float, free: bool) -> None:
        self.psf, self.x, self.y, self.flux, self.free = psf, x, y, flux, free
        self.fwhm = max(psf.fwhm, 1.5)
        self.radius = RADIUS_FWHM * self.fwhm

    def expose(
        self,
        shape: tuple[int, int],
        background: npt.ArrayLike,
        read_noise: float,
        mask: Mask | None,
    ) -> None:
        """Compute the variance without stars, and the weights with them; with a margin."""
        empty = np.zeros(shape, np.float64)
        empty += np.asarray(background, np.float64) + max(read_noise, 0.1) ** 2
        self.floor = float(np.median(empty)) if empty.size else 1.0
        self.half = self._halves(self.floor)
        self.shape, self.margin = shape, 2 * int(self.half.max(initial=0)) + 1 + LANES
        usable = np.ones(shape, bool) if mask is None else ~mask
        variance = empty.copy()
        # Wings count for the variance alone: a star's is felt as far as it exceeds the sky's.
        reach = 3 * self.half * np.where(self.flux > GLARE * np.sqrt(self.floor), 4, 1)
        self.psf.render(variance, self.x, self.y, self.flux, reach)
        self.weight = np.pad(np.where(usable, 1.0 / variance, 0.0), self.margin)
        self.empty, self.usable = np.pad(empty, self.margin), np.pad(usable, self.margin)

    def _halves(self, floor: float) -> Int:
        area = 4.0 * np.pi * (self.fwhm / 2.3548) ** 2
        bright = self.flux**2 > BRIGHT_SNR**2 * (area * floor + self.flux)
        base = int(np.ceil(STAMP_FWHM * self.fwhm))
        half = np.where(bright, 2 * base, base)
        return np.minimum(half, self.psf.half_width).astype(np.int64)

    def seen(self) -> Int:
        """Return the stars whose stamps touch the frame."""
        (ny, nx), half = self.shape, self.half
        column, row = np.rint(self.x), np.rint(self.y)
        touching = (column + half >= 0) & (column - half < nx)
        return np.flatnonzero(touching & (row + half >= 0) & (row - half < ny))

    def tiles(self) -> list[tuple[npt.NDArray[np.bool_], Int]]:
        """Return of every tile its own stars, as a mask over those in and around it."""
        ny, nx = self.shape
        tiles, seen = [], self.seen()
        x, y = self.x[seen], self.y[seen]
        column = np.clip(np.floor(x / TILE), 0, max((nx - 1) // TILE, 0)).astype(np.int64)
        row = np.clip(np.floor(y / TILE), 0, max((ny - 1) // TILE, 0)).astype(np.int64)
        for r in range(int(row.max(initial=-1)) + 1):
            high = row == r
            strip = np.flatnonzero(high | (np.abs(y - (r + 0.5) * TILE) <= TILE / 2 + self.radius))
            for c in range((nx - 1) // TILE + 1):
                own = high[strip] & (column[strip] == c)
                away = np.abs(x[strip] - (c + 0.5) * TILE)
                keep = own | (away <= TILE / 2 + self.radius)
                if own.any():
                    tiles.append((own[keep], seen[strip[keep]]))
        return tiles

    def tile_errors(self, near: Int, inner: npt.NDArray[np.bool_]) -> tuple[Float, Float]:
        """Joint (n, 4) and isolated (n, 3) errors of a tile's own stars: flux, x, y; in place."""
        x, y, flux, half = self.x[near], self.y[near], self.flux[near], self.half[near]
        n, m = near.size, self.margin
        places = Places(np.rint(x).astype(np.int64) + m, np.rint(y).astype(np.int64) + m, half)
        pairs = find_pairs(places)
        tiles = plan_tiles(np.array([0, n]), places, pairs)
        field = exact_field(self.psf, int(half.max(initial=0)), x, y)
        stars = (field, x + m, y + m)
        gradient, diagonal, root = np.zeros((n, 3)), np.zeros((n, 3, 3)), np.zeros((n, 3, 3))
        blocks = np.empty((pairs.other.size, 3, 3))
        plan, out = (places, pairs, tiles), (gradient, diagonal, blocks)
        normal.assemble(self.weight, self.weight, *stars, *plan, *out, 0, 1)
        root_blocks(diagonal, flux, self.prior, root, 0, n)
        whiten(blocks, root, flux, pairs, 0, n)
        joint, isolated = np.full((n, 4), np.nan), np.full((n, 3), np.nan)
        where = (x, y, self.radius, NEIGHBOURS, RIDGE)
        fit_errors.local_errors(blocks, root, pairs, *where, joint, 0, n)
        fit_errors.isolated_information(self.empty, self.usable, *stars, flux, places, diagonal)
        root_blocks(diagonal, flux, self.prior, root, 0, n)
        alone = Pairs(np.zeros(n + 1, np.int64), pairs.other, pairs.twin)
        fit_errors.local_errors(blocks, root, alone, *where, isolated, 0, n)
        return _finite(joint[inner]), _finite(isolated[inner])

    @property
    def prior(self) -> float:
        """Weight of what is known of the positions [1/pixel²]."""
        return 0.0 if self.free else FIXED


def _finite(errors: Float) -> Float:
    """Where nothing is known the error is infinite."""
    return np.where(np.isfinite(errors), errors, np.inf)
