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

from csstream.imaging import fit_errors
from csstream.imaging import joint_kernels as kernels
from csstream.imaging import normal_matrix as normal
from csstream.imaging.field_psf import FieldPsf
from csstream.imaging.frame import Mask
from csstream.imaging.psf import PixelPsf

Float = npt.NDArray[np.float64]
Int = npt.NDArray[np.int64]

MAG_PER_RELATIVE_ERROR = 1.0857362047581296  # 2.5 / ln 10
TILE = 512  # [pixel] stars are treated tile by tile, each with the neighbours around it
RADIUS_FWHM = 3.5  # [FWHM] neighbours in the local inverse
NEIGHBOURS = 30  # at most, the nearest
STAMP_FWHM = 3.0  # [FWHM] half-width over which a star's pixels inform; 1e-5 lies beyond
BRIGHT_SNR = 100.0  # stars above it get twice that
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
        """Compute the variance without stars, and the weights with them."""
        self.empty = np.zeros(shape, np.float64)
        self.empty += np.asarray(background, np.float64) + max(read_noise, 0.1) ** 2
        self.usable = np.ones(shape, bool) if mask is None else ~mask
        floor = float(np.median(self.empty)) if self.empty.size else 1.0
        area = 4.0 * np.pi * (self.fwhm / 2.3548) ** 2
        bright = self.flux**2 > BRIGHT_SNR**2 * (area * floor + self.flux)
        base = int(np.ceil(STAMP_FWHM * self.fwhm))
        self.half = np.minimum(np.where(bright, 2 * base, base), self.psf.half_width)
        variance = self.empty.copy()
        reach = np.minimum(np.where(bright, 20, 6) * base, self.psf.half_width)
        self.psf.render(variance, self.x, self.y, self.flux, reach)
        self.weight = np.where(self.usable, 1.0 / variance, 0.0)

    def tiles(self) -> list[tuple[npt.NDArray[np.bool_], Int]]:
        """Return of every tile its own stars, as a mask over those in and around it."""
        ny, nx = self.weight.shape
        tiles = []
        column = np.clip(np.floor(self.x / TILE), 0, max((nx - 1) // TILE, 0)).astype(np.int64)
        row = np.clip(np.floor(self.y / TILE), 0, max((ny - 1) // TILE, 0)).astype(np.int64)
        for r in range(int(row.max(initial=-1)) + 1):
            band = np.abs(self.y - (r + 0.5) * TILE) <= 0.5 * TILE + self.radius
            own_row = row == r
            strip = np.flatnonzero(band | own_row)
            for c in range((nx - 1) // TILE + 1):
                own = own_row[strip] & (column[strip] == c)
                reach = np.abs(self.x[strip] - (c + 0.5) * TILE) <= 0.5 * TILE + self.radius
                keep = own | (reach & band[strip])
                if own.any():
                    tiles.append((own[keep], strip[keep]))
        return tiles

    def tile_errors(self, near: Int, inner: npt.NDArray[np.bool_]) -> tuple[Float, Float]:
        """Joint and isolated errors of a tile's own stars, for flux, x, y; joint also in place."""
        x, y, flux, half = self.x[near], self.y[near], self.flux[near], self.half[near]
        places = self._stamps(near)
        first, second = normal.find_pairs(places[0], places[1], half)
        gradient, diagonal = np.zeros((x.size, 3)), np.zeros((x.size, 3, 3))
        blocks = np.zeros((first.size, 3, 3))
        normal.gradient_and_diagonal(self.weight, self.weight, flux, *places, gradient, diagonal)
        normal.pair_blocks(self.weight, flux, *places, first, second, blocks)
        self._fix(diagonal)
        start, pair = fit_errors.neighbour_lists(x.size, first, second)
        joint, isolated = np.full((x.size, 4), np.nan), np.full((x.size, 3), np.nan)
        fit_errors.local_errors(
            diagonal,
            blocks,
            first,
            second,
            start,
            pair,
            x,
            y,
            self.radius,
            NEIGHBOURS,
            joint,
            RIDGE,
        )
        fit_errors.isolated_information(self.empty, self.usable, flux, *places, diagonal)
        self._fix(diagonal)
        none = np.zeros(x.size + 1, np.int64)
        fit_errors.local_errors(diagonal, blocks, first, second, none, pair, x, y, 0.0, 0, isolated)
        return _finite(joint[inner]), _finite(isolated[inner])

    def _stamps(self, near: Int) -> tuple[Int, Int, Int, Int, Float]:
        """Responses and slopes of the stars, each with the PSF of its own place."""
        x, y, half = self.x[near], self.y[near], self.half[near]
        anchor_x, anchor_y = np.rint(x).astype(np.int64), np.rint(y).astype(np.int64)
        offset = np.concatenate([[0], np.cumsum((2 * half + 1) ** 2)]).astype(np.int64)
        stamps, term = np.zeros((2, 3, int(offset[-1])))
        weights = self.psf.weights(x, y)
        for k, table in enumerate(self.psf.terms):
            optics = (table.planes.astype(np.float32), table.oversampling, table.centre)
            kernels.fill_stamps(*optics, x, y, anchor_x, anchor_y, half, offset, term)
            stamps += np.repeat(weights[:, k], np.diff(offset)) * term
        return anchor_x, anchor_y, half, offset, stamps

    def _fix(self, diagonal: Float) -> None:
        if not self.free:
            diagonal[:, 1, 1] += FIXED
            diagonal[:, 2, 2] += FIXED


def _finite(errors: Float) -> Float:
    """Where nothing is known the error is infinite."""
    return np.where(np.isfinite(errors), errors, np.inf)
