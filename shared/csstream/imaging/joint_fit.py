"""The joint fit: flux and position of all stars of a frame at once, by weighted least squares.

Gauss–Newton on {flux, x, y} with an explicit block-sparse normal matrix, solved by conjugate
gradients. *Fit stamps*, over which a star feels the image, are smaller than *render stamps*, over
which it shines: truncated wings of bright stars would bias the faint. Saturated and masked pixels
have no weight. The sky is corrected from the residual along the way.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from csstream.imaging import fit_errors
from csstream.imaging import joint_kernels as kernels
from csstream.imaging import normal_matrix as normal
from csstream.imaging.background import DEFAULT_MESH, correct_from_residual
from csstream.imaging.frame import Image, Mask
from csstream.imaging.psf import PixelPsf

Float = npt.NDArray[np.float64]
Int = npt.NDArray[np.int64]

UNSETTLED = 0.5  # [sigma] a star whose last step was longer has not converged


@dataclass(frozen=True, kw_only=True)
class FitSettings:
    """How the joint fit goes about it. Widths given in FWHM scale with the PSF."""

    iterations: int = 6
    position_prior: float = 0.1  # [pixel] sigma of a star's position around its start
    max_step: float = 0.3  # [pixel] per iteration
    max_shift: float = 1.5  # [pixel] from the whole pixel that anchors the stamp
    cg_iterations: int = 40
    cg_tolerance: float = 1e-2
    fit_half_fwhm: float = 2.9  # [FWHM] half-width of the fit stamp
    fit_half_least: int = 6  # [pixel]
    bright_snr: float = 100.0  # stars above it get a fit stamp a third wider
    psf_error: float = 0.0  # relative error of the PSF's values, added to the variance
    error_radius_fwhm: float = 2.7  # [FWHM] neighbours in the local inverse
    error_neighbours: int = 12
    background_mesh: int = DEFAULT_MESH  # [pixel]; 0 keeps the background as given


@dataclass(frozen=True, eq=False)
class FitResult:
    """Measured stars, in the order given; all arrays (n,), float64.

    ``flux`` is in the image's unit, errors are nan where the data do not constrain the star.
    """

    x: Float
    y: Float
    flux: Float
    x_err: Float
    y_err: Float
    flux_err: Float
    chi2: Float  # reduced, over the core
    centre: Float  # [sigma] largest positive residual within a pixel and a half of the centre
    contamination: Float  # flux of other stars seen through this star's profile
    share: Float  # of the star's information that lies in usable pixels
    converged: npt.NDArray[np.bool_]
    background: Image  # (ny, nx) corrected sky
    residual: Image  # (ny, nx) image − sky − stars
    weight: Image  # (ny, nx) one over the variance; zero where masked
    iterations: int


def joint_fit(
    image: Image,
    mask: Mask,
    background: Image,
    psf: PixelPsf,
    x: npt.ArrayLike,
    y: npt.ArrayLike,
    flux: npt.ArrayLike,
    *,
    read_noise: float,
    settings: FitSettings | None = None,
    prior: tuple[Float, Float] | None = None,
    noise_scale: Image | None = None,
) -> FitResult:
    """Fit all stars of an image at once.

    Parameters
    ----------
    image : ndarray, (ny, nx), float32 [electron]
        Sky included.
    mask : ndarray, (ny, nx), bool
        True where a pixel must not be used.
    background : ndarray, (ny, nx), float32 [electron]
        First estimate of the sky; not changed.
    x, y : array, (n,) [pixel]
        Starting positions. They may lie beyond the edge.
    flux : array, (n,) [electron]
        Starting fluxes.
    read_noise : float [electron]
    prior : pair of arrays, (n,) [pixel], optional
        Centres of the position prior, instead of the starting positions.
    noise_scale : ndarray, (ny, nx), float32, optional
        Factor on every pixel's noise, for images whose noise is not what gain and sky say.

    Notes
    -----
    The variance of a pixel is sky + stars + read_noise², from the model and not from the data.
    Memory is about 2 kB per star for a PSF two pixels wide.
    """
    problem = _Problem(image, mask, background, psf, read_noise, settings or FitSettings())
    problem.place(np.array(x, np.float64), np.array(y, np.float64), np.array(flux, np.float64))
    if prior is not None:
        problem.x0, problem.y0 = np.array(prior[0], np.float64), np.array(prior[1], np.float64)
    if noise_scale is not None:
        problem.noise_scale = noise_scale
    used = problem.iterate()
    return problem.result(used)


class _Problem:
    """The working arrays of one fit."""

    def __init__(
        self,
        image: Image,
        mask: Mask,
        background: Image,
        psf: PixelPsf,
        read_noise: float,
        settings: FitSettings,
    ) -> None:
        self.image, self.mask, self.psf, self.settings = image, mask, psf, settings
        self.background = np.array(background, np.float32)
        self.noise2 = max(read_noise, 0.1) ** 2
        self.fwhm = psf.fwhm
        self.noise_scale: Image | None = None
        self.model = np.zeros(image.shape, np.float32)
        self.wings = np.zeros_like(self.model)
        self.planes = psf.planes.astype(np.float32)
        self.residual, self.weight = np.empty_like(self.model), np.empty_like(self.model)

    def place(self, x: Float, y: Float, flux: Float) -> None:
        """Anchor the stamps and find the overlapping pairs."""
        self.x, self.y, self.flux = x, y, flux
        self.x0, self.y0 = x.copy(), y.copy()
        self.anchor_x, self.anchor_y = np.rint(x).astype(np.int64), np.rint(y).astype(np.int64)
        self.half = self._fit_halves()
        area = (2 * self.half + 1) ** 2
        self.offset = np.concatenate([[0], np.cumsum(area)]).astype(np.int64)
        self.stamps = np.empty((3, int(self.offset[-1])), np.float32)
        self.first, self.second = normal.find_pairs(self.anchor_x, self.anchor_y, self.half)
        n, m = x.size, self.first.size
        self.gradient, self.diagonal = np.zeros((n, 3)), np.zeros((n, 3, 3))
        self.inverse, self.blocks = np.zeros((n, 3, 3)), np.zeros((m, 3, 3), np.float32)
        self.step = np.zeros((n, 3))
        self.places = (self.anchor_x, self.anchor_y, self.half, self.offset, self.stamps)

    def _fit_halves(self) -> Int:
        s = self.settings
        base = max(s.fit_half_least, int(np.ceil(s.fit_half_fwhm * self.fwhm)))
        bright = self.flux > self._flux_at_snr(s.bright_snr)
        half = np.where(bright, (4 * base + 2) // 3, base)
        return np.minimum(half, self.psf.half_width).astype(np.int64)

    def _flux_at_snr(self, snr: float) -> float:
        """Flux of an isolated star of signal-to-noise ``snr`` [electron]."""
        area = 4.0 * np.pi * (self.fwhm / 2.3548) ** 2
        sky = area * (max(float(np.median(self.background)), 0.0) + self.noise2)
        return 0.5 * snr * (snr + float(np.sqrt(snr * snr + 4.0 * sky)))

    def render_halves(self) -> Int:
        """Half-widths over which stars shine: 6, 12, 24, 40 pixels for a FWHM of two."""
        edges = [self._flux_at_snr(snr) for snr in (15.0, 80.0, 300.0)]
        steps = np.array([1.0, 6.0, 12.0, 20.0]) * max(self.fwhm, 2.0)
        half = np.ceil(steps[np.searchsorted(edges, self.flux)]).astype(np.int64)
        return np.minimum(np.maximum(half, self.half), self.psf.half_width)

    def evaluate(self, wings: bool) -> None:
        """Render the stars; from them the residual and the weights.

        Within the fit stamps the model is always new; what bright stars shed beyond theirs
        hardly changes, and is rendered again only if ``wings``.
        """
        psf, places = self.psf, self.places
        optics = (self.planes, psf.oversampling, psf.centre)
        kernels.fill_stamps(*optics, self.x, self.y, *places)
        if wings:
            self._render_wings(optics)
        self.model[:] = self.wings
        kernels.add_stamps(self.model, self.flux, *places)
        kernels.residual_and_weight(
            self.image,
            self.mask,
            self.background,
            self.model,
            self.noise2,
            self.settings.psf_error,
            self.residual,
            self.weight,
        )
        if self.noise_scale is not None:
            self.weight /= self.noise_scale**2

    def _render_wings(self, optics: tuple[npt.NDArray[np.float32], int, int]) -> None:
        halves = self.render_halves()
        wide = halves > self.half
        self.wings[:] = 0.0
        stars = (self.x[wide], self.y[wide], self.flux[wide])
        kernels.render_wide(self.wings, *optics, *stars, halves[wide])
        inner = np.where(wide, -self.flux, 0.0)
        kernels.add_stamps(self.wings, inner, *self.places)

    def assemble(self) -> None:
        """Build gradient and normal matrix, the position prior included."""
        places = self.places
        normal.gradient_and_diagonal(
            self.residual, self.weight, self.flux, *places, self.gradient, self.diagonal
        )
        normal.pair_blocks(self.weight, self.flux, *places, self.first, self.second, self.blocks)
        prior = 1.0 / self.settings.position_prior**2
        self.diagonal[:, 1, 1] += prior
        self.diagonal[:, 2, 2] += prior
        self.gradient[:, 1] += prior * (self.x0 - self.x)
        self.gradient[:, 2] += prior * (self.y0 - self.y)
        # A star without a usable pixel keeps its flux: it gets a weight that means nothing else.
        self.diagonal[:, 0, 0] += np.where(self.diagonal[:, 0, 0] > 0.0, 0.0, 1e-30)

    def advance(self) -> float:
        """Take one damped Gauss–Newton step; return the largest change in units of its limit."""
        s = self.settings
        normal.invert_blocks(self.diagonal, self.inverse)
        step, _ = normal.solve(
            self.diagonal,
            self.inverse,
            self.blocks,
            self.first,
            self.second,
            self.gradient,
            s.cg_iterations,
            s.cg_tolerance,
        )
        step[:, 1:] = np.clip(step[:, 1:], -s.max_step, s.max_step)
        turned = step * self.step < 0.0
        turned[:, 0] = False
        step = np.where(turned, 0.5 * step, step)
        self.step = step
        self.flux += step[:, 0]
        limit = s.max_shift
        self.x = np.clip(self.x + step[:, 1], self.anchor_x - limit, self.anchor_x + limit)
        self.y = np.clip(self.y + step[:, 2], self.anchor_y - limit, self.anchor_y + limit)
        change = np.abs(step[:, 0]) * np.sqrt(np.maximum(self.diagonal[:, 0, 0], 0.0))
        return float(np.max(change / 0.02, initial=0.0))

    def iterate(self) -> int:
        """Iterate to the end; leaves residual, weights and normal matrix at the solution."""
        s = self.settings
        used = 0
        self.evaluate(wings=True)
        for used in range(1, s.iterations + 1):
            self.assemble()
            change = self.advance()
            last = used == s.iterations or (change < 1.0 and used > 2)
            self.evaluate(wings=used == 2 or last)
            if s.background_mesh > 0:
                correct_from_residual(self.background, self.residual, self.mask, s.background_mesh)
            if last:
                break
        self.assemble()
        return used

    def result(self, used: int) -> FitResult:
        """Compute errors and quality at the solution."""
        s, n = self.settings, self.x.size
        start, pair = fit_errors.neighbour_lists(n, self.first, self.second)
        errors, quality = np.full((n, 3), np.nan), np.zeros((n, 4))
        radius = s.error_radius_fwhm * max(self.fwhm, 1.8)
        fit_errors.local_errors(
            self.diagonal,
            self.blocks,
            self.first,
            self.second,
            start,
            pair,
            self.x,
            self.y,
            radius,
            s.error_neighbours,
            errors,
        )
        kernels.star_quality(
            self.residual,
            self.model,
            self.weight,
            self.flux,
            *self.places,
            max(self.fwhm, 1.5),
            quality,
        )
        errors[quality[:, 3] <= 0.0] = np.nan
        moved = np.abs(self.step[:, 0]) > UNSETTLED * errors[:, 0]
        return FitResult(
            x=self.x,
            y=self.y,
            flux=self.flux,
            x_err=errors[:, 1],
            y_err=errors[:, 2],
            flux_err=errors[:, 0],
            chi2=quality[:, 0],
            centre=quality[:, 1],
            contamination=quality[:, 2],
            share=quality[:, 3],
            converged=~moved & np.isfinite(errors[:, 0]),
            background=self.background,
            residual=self.residual,
            weight=self.weight,
            iterations=used,
        )
