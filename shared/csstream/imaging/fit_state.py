"""The working arrays of one joint fit, and the steps on them."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from csstream.imaging import fit_errors
from csstream.imaging import joint_kernels as kernels
from csstream.imaging import normal_matrix as normal
from csstream.imaging.background import correct_from_residual
from csstream.imaging.conjugate_gradients import solve
from csstream.imaging.field_psf import FieldPsf
from csstream.imaging.fit_settings import FitSettings
from csstream.imaging.frame import Image, Mask
from csstream.imaging.joint_kernels import Places
from csstream.imaging.simd import LANES
from csstream.imaging.stamp_tables import stamp_table, wing_tables
from csstream.imaging.workers import Workers, split

Float = npt.NDArray[np.float64]
Int = npt.NDArray[np.int64]

STARS = 2048  # treated at a time by one thread
ROWS = 128  # of an image, the same
WING_STEPS = (1.0, 6.0, 12.0, 20.0)  # [FWHM] half-widths over which stars shine
WING_SNR = (15.0, 80.0, 300.0)  # between the steps
MOVING = 0.1  # [sigma] a longer step in flux, and a star is still moving


class Scene(NamedTuple):
    """What is fitted; images (ny, nx) [electron]."""

    image: Image
    mask: Mask
    background: Image
    read_noise: float
    noise_scale: Image | None


class FitState:
    """The working arrays of one fit.

    Stars are sorted by place and count from the corner of the images' margin. Those whose stamp
    does not touch the image only shine.
    """

    def __init__(
        self, scene: Scene, psf: FieldPsf, settings: FitSettings, workers: Workers
    ) -> None:
        self.scene, self.psf, self.settings, self.workers = scene, psf, settings, workers
        self.background = np.array(scene.background, np.float32)
        self.noise2 = max(scene.read_noise, 0.1) ** 2
        self.fwhm = psf.fwhm
        thinned = self.background[::8, ::8]
        self.level = max(float(np.median(thinned)), 0.0) if thinned.size else 0.0
        self.row_parts = split(self.background.shape[0], ROWS)

    def place(self, x: Float, y: Float, flux: Float, prior: tuple[Float, Float] | None) -> None:
        """Sort the stars, anchor their stamps, find the overlapping pairs."""
        self.total, self.start = x.size, (x, y, flux)
        half = self._fit_halves(flux)
        self.margin = 2 * int(half.max(initial=0)) + 1 + LANES
        self._sort(x, y, half)
        keep = self.order
        centre = (x, y) if prior is None else (np.asarray(v, np.float64) for v in prior)
        self.x, self.y, self.flux = x[keep] + self.margin, y[keep] + self.margin, flux[keep]
        self.x0, self.y0 = (v[keep] + self.margin for v in centre)
        self.mix = self.psf.weights(x[keep], y[keep])
        self.pairs = normal.find_pairs(self.places)
        self._allocate()
        self._prepare_wings()

    def _fit_halves(self, flux: Float) -> Int:
        s = self.settings
        base = max(s.fit_half_least, int(np.ceil(s.fit_half_fwhm * self.fwhm)))
        bright = flux > self._flux_at_snr(s.bright_snr)
        half = np.where(bright, (4 * base + 2) // 3, base)
        return np.minimum(half, self.psf.half_width).astype(np.int64)

    def _flux_at_snr(self, snr: float) -> float:
        """Flux of an isolated star of signal-to-noise ``snr`` [electron]."""
        area = 4.0 * np.pi * (self.fwhm / 2.3548) ** 2
        sky = area * (self.level + self.noise2)
        return 0.5 * snr * (snr + float(np.sqrt(snr * snr + 4.0 * sky)))

    def _sort(self, x: Float, y: Float, half: Int) -> None:
        """Choose the stars that touch the image, and order them by cells."""
        ny, nx = self.background.shape
        column, row = np.rint(x).astype(np.int64), np.rint(y).astype(np.int64)
        touching = (column + half >= 0) & (column - half < nx)
        touching &= (row + half >= 0) & (row - half < ny)
        chosen = np.flatnonzero(touching)
        if chosen.size:
            self.cell = 2 * int(half.max()) + 1
            chosen = chosen[normal.sort_by_cell(column[chosen], row[chosen], self.cell)]
        self.order, self.away = chosen, np.flatnonzero(~touching)
        h = half[chosen]
        area = 3 * (2 * h + 1) * kernels.row_width(h)
        offset = np.concatenate([[0], np.cumsum(area)]).astype(np.int64)
        self.places = Places(column[chosen] + self.margin, row[chosen] + self.margin, h, offset)

    def _allocate(self) -> None:
        ny, nx = self.background.shape
        n, shape = self.order.size, (ny + 2 * self.margin, nx + 2 * self.margin)
        self.model, self.wings, self.residual, self.weight = (
            np.zeros(shape, np.float32) for _ in range(4)
        )
        self.stamps = np.empty(int(self.places.offset[-1]), np.float32)
        self.blocks = np.empty((self.pairs.other.size, 3, 3), np.float32)
        self.gradient, self.diagonal = np.zeros((n, 3)), np.zeros((n, 3, 3))
        self.root, self.step = np.zeros((n, 3, 3)), np.zeros((n, 3))
        widest = int(self.places.half.max(initial=0)) + int(np.ceil(self.settings.max_shift))
        self.table = stamp_table(self.psf, widest)
        self.star_parts = split(n, STARS)
        self.bands = self._bands(self.places.y, int(self.places.half.max(initial=0)), shape[0])

    def _bands(self, y: Int, reach: int, rows: int) -> list[tuple[int, int, int, int]]:
        """Return (first, last, low, high): rows [low, high) and the stars that can reach them."""
        if y.size == 0:
            return []
        # Stars are sorted by rows of cells, not by y: take whole rows of cells.
        lowest = int(self.places.y.min())
        row = (y - lowest) // self.cell
        bands = []
        for low, high in split(rows, ROWS):
            first = np.searchsorted(row, (low - reach - lowest) // self.cell)
            last = np.searchsorted(row, (high + reach - lowest) // self.cell, side="right")
            if first < last:
                bands.append((int(first), int(last), low, high))
        return bands

    def _prepare_wings(self) -> None:
        """Choose the stars that shine beyond their fit stamps."""
        x, y, _ = self.start
        stars = np.concatenate([self.order, self.away])
        halves = self.render_halves(self.start[2][stars])
        hole = np.concatenate([self.places.half, np.full(self.away.size, -1)])
        wide = np.flatnonzero(halves > hole)
        column = np.rint(x[stars[wide]]).astype(np.int64) + self.margin
        row = np.rint(y[stars[wide]]).astype(np.int64) + self.margin
        wide = wide[np.argsort(row, kind="stable")]
        reach = int(halves[wide].max(initial=0))
        chosen = stars[wide]
        self.wing_table, which = wing_tables(self.psf, x[chosen], y[chosen], reach)
        column, row = (np.rint(v[chosen]).astype(np.int64) + self.margin for v in (x, y))
        self.wide, self.wing_places = chosen, (column, row, halves[wide], hole[wide])
        self.which, self.wing_reach, self.wing_rows = which, reach, row

    def render_halves(self, flux: Float) -> Int:
        """Half-widths over which stars shine: 6, 12, 24, 40 pixels for a FWHM of two."""
        edges = [self._flux_at_snr(snr) for snr in WING_SNR]
        steps = np.array(WING_STEPS) * max(self.fwhm, 2.0)
        half = np.ceil(steps[np.searchsorted(edges, flux)]).astype(np.int64)
        return np.minimum(half, self.psf.half_width)

    def evaluate(self, wings: bool) -> None:
        """Render the stars; from them the residual and the weights.

        Within the fit stamps the model is always new; what bright stars shed beyond theirs
        hardly changes, and is rendered again only if ``wings``.
        """
        stars = (self.x, self.y, self.places, self.stamps)
        self._over_stars(lambda *part: kernels.fill_stamps(self.table, self.mix, *stars, *part))
        if wings:
            self._render_wings()
        self.model[:] = self.wings
        self.workers.run(
            lambda *band: kernels.add_stamps(
                self.model, self.flux, self.places, self.stamps, *band
            ),
            self.bands,
        )
        self.workers.run(self._weigh, self.row_parts)

    def _weigh(self, low: int, high: int) -> None:
        kernels.residual_and_weight(
            self.scene.image,
            self.scene.mask,
            self.background,
            self.model,
            self.noise2,
            self.settings.psf_error,
            self.residual,
            self.weight,
            low,
            high,
        )
        if self.scene.noise_scale is not None:
            kernels.scale_weight(self.weight, self.scene.noise_scale, low, high)

    def _render_wings(self) -> None:
        self.wings[:] = 0.0
        x, y, flux = (v[self.wide] for v in self.solution())
        x, y = x + self.margin, y + self.margin
        stars = (self.wing_table, self.which, x, y, flux, *self.wing_places)
        bands = []
        for low, high in split(self.wings.shape[0], ROWS):
            first = int(np.searchsorted(self.wing_rows, low - self.wing_reach))
            last = int(np.searchsorted(self.wing_rows, high + self.wing_reach, side="right"))
            if first < last:
                bands.append((first, last, low, high))
        self.workers.run(lambda *band: kernels.render_wings(self.wings, *stars, *band), bands)

    def correct_sky(self) -> None:
        """Move the smooth part of the residual to the sky."""
        mesh = self.settings.background_mesh
        if mesh > 0:
            correct_from_residual(
                self.background, self.residual, self.scene.mask, mesh, workers=self.workers
            )

    def assemble(self, matrix: bool) -> None:
        """Build the gradient and, if ``matrix``, the normal matrix; the position prior included."""
        stars, prior = (self.flux, self.places, self.stamps), self.prior
        self._over_stars(
            lambda *part: normal.gradient(self.residual, self.weight, *stars, self.gradient, *part)
        )
        self.gradient[:, 1] += prior * (self.x0 - self.x)
        self.gradient[:, 2] += prior * (self.y0 - self.y)
        if not matrix:
            return
        blocks = (self.pairs, self.diagonal, self.blocks)
        self._over_stars(
            lambda *part: normal.own_and_pair_blocks(self.weight, *stars, *blocks, *part)
        )
        self._over_stars(
            lambda *part: normal.root_blocks(self.diagonal, self.flux, prior, self.root, *part)
        )
        self._over_stars(
            lambda *part: normal.whiten(self.blocks, self.root, self.flux, self.pairs, *part)
        )

    @property
    def prior(self) -> float:
        """Weight of the position prior [1/pixel²]."""
        return 1.0 / self.settings.position_prior**2

    def advance(self) -> float:
        """Take one damped Gauss–Newton step; return the share of stars still moving."""
        s = self.settings
        white = np.einsum("nij,nj->ni", self.root, self.gradient)
        solved, _ = solve(
            self.blocks,
            self.pairs,
            white,
            self.star_parts,
            self.workers,
            most=s.cg_iterations,
            tolerance=s.cg_tolerance,
        )
        step = np.einsum("nji,nj->ni", self.root, solved)
        step[:, 1:] = np.clip(step[:, 1:], -s.max_step, s.max_step)
        turned = step * self.step < 0.0
        turned[:, 0] = False
        self.step = step = np.where(turned, 0.5 * step, step)
        self.flux += step[:, 0]
        limit, places = s.max_shift, self.places
        self.x = np.clip(self.x + step[:, 1], places.x - limit, places.x + limit)
        self.y = np.clip(self.y + step[:, 2], places.y - limit, places.y + limit)
        return float(np.mean(np.abs(solved[:, 0]) > MOVING)) if step.size else 0.0

    def errors(self) -> Float:
        """Standard errors (n, 3) of flux, x, y of the sorted stars."""
        s = self.settings
        errors = np.full((self.order.size, 3), np.nan)
        radius = s.error_radius_fwhm * max(self.fwhm, 1.8)
        fixed = (radius, s.error_neighbours, fit_errors.SINGLE, errors)
        matrix = (self.blocks, self.root, self.pairs)
        self._over_stars(
            lambda *part: fit_errors.local_errors(*matrix, self.x, self.y, *fixed, *part)
        )
        return errors

    def quality(self) -> Float:
        """What tells how far the sorted stars can be trusted, (n, 4)."""
        quality = np.zeros((self.order.size, 4))
        images, stars = (self.residual, self.model, self.weight), (self.flux, self.places)
        core = max(self.fwhm, 1.5)
        self._over_stars(
            lambda *part: fit_errors.star_quality(
                *images, *stars, self.stamps, core, quality, *part
            )
        )
        return quality

    def solution(self) -> tuple[Float, Float, Float]:
        """x, y [pixel] and flux of all stars, in the order given."""
        x, y, flux = (column.copy() for column in self.start)
        x[self.order], y[self.order] = self.x - self.margin, self.y - self.margin
        flux[self.order] = self.flux
        return x, y, flux

    def in_order(self, values: Float, missing: float = np.nan) -> Float:
        """Values (n,) of the sorted stars in the order given; ``missing`` for the others."""
        out = np.full(self.total, missing)
        out[self.order] = values
        return out

    def image_of(self, padded: Image) -> Image:
        """Return an image without its margin."""
        m = self.margin
        return np.ascontiguousarray(padded[m:-m, m:-m])

    def forget_stamps(self) -> None:
        """Give the largest arrays back."""
        del self.stamps, self.blocks, self.model, self.wings

    def _over_stars(self, kernel: object) -> None:
        self.workers.run(kernel, self.star_parts)  # type: ignore[arg-type]
