"""The working arrays of one joint fit, and the steps on them."""

from __future__ import annotations

from functools import partial
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from csstream.imaging.fit import errors as fit_errors
from csstream.imaging.fit import kernels, whitening
from csstream.imaging.fit import normal_matrix as normal
from csstream.imaging.fit.conjugate_gradients import solve
from csstream.imaging.fit.lanes import LANES
from csstream.imaging.fit.pairs import find_pairs, plan_tiles, sort_by_cell
from csstream.imaging.fit.settings import FitSettings
from csstream.imaging.fit.stamp_kernels import Places
from csstream.imaging.fit.stamp_tables import local_field
from csstream.imaging.fit.wings import Wings
from csstream.imaging.frames.background import correct_from_residual
from csstream.imaging.frames.frame import Image, Mask
from csstream.imaging.psf.field_psf import FieldPsf
from csstream.numerics.workers import Workers, split

Float = npt.NDArray[np.float64]
Int = npt.NDArray[np.int64]

TILE = 96  # [pixel] the stamps of a tile's stars fit into a processor's cache
TILES = 8  # treated at a time by one thread
STARS = 2048  # the same
ROWS = 96  # of an image, the same
WING_STEPS = (1.0, 6.0, 12.0, 20.0)  # [FWHM] half-widths over which stars shine
WING_SNR = (25.0, 80.0, 300.0)  # between the steps
STALE = 3e-3  # [sigma of a sky pixel] by which wings may be wrong at the fit stamp's edge
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

    Stars are sorted by tiles and count from the corner of the images' margin. Those whose fit
    stamp does not touch the image only shine.
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

    def place(self, x: Float, y: Float, flux: Float, prior: tuple[Float, Float] | None) -> None:
        """Sort the stars, anchor their stamps, find the overlapping pairs."""
        self.total, self.start = x.size, (x, y, flux)
        half = self._fit_halves(x, y)
        self.margin = 2 * (int(half.max(initial=0)) + LANES)
        self._sort(x, y, half)
        keep, m = self.order, self.margin
        centre = (x, y) if prior is None else (np.asarray(v, np.float64) for v in prior)
        self.x, self.y, self.flux = x[keep] + m, y[keep] + m, flux[keep]
        self.x0, self.y0 = (v[keep] + m for v in centre)
        widest = int(half.max(initial=0) + np.ceil(self.settings.max_shift))
        centres = self._tile_centres()
        self.field = local_field(self.psf, widest, x[keep], y[keep], centres)
        self.field = self.field._replace(centre=centres + m)
        self._allocate()
        self._place_wings(half)

    def _fit_halves(self, x: Float, y: Float) -> Int:
        """Half-widths of the fit stamps: wide for stars that only their wings can tell of."""
        s, (ny, nx) = self.settings, self.background.shape
        base = max(s.fit_half_least, int(np.ceil(s.fit_half_fwhm * self.fwhm)))
        wide = max(base, int(np.ceil(s.masked_half_fwhm * self.fwhm)))
        i, j = np.rint(x).astype(np.int64), np.rint(y).astype(np.int64)
        inside = (i >= 0) & (i < nx) & (j >= 0) & (j < ny)
        masked = np.zeros(x.size, bool)
        masked[inside] = self.scene.mask[j[inside], i[inside]]
        return np.minimum(np.where(masked, wide, base), self.psf.half_width).astype(np.int64)

    def _flux_at_snr(self, snr: float) -> float:
        """Flux of an isolated star of signal-to-noise ``snr`` [electron]."""
        area = 4.0 * np.pi * (self.fwhm / 2.3548) ** 2
        sky = area * (self.level + self.noise2)
        return 0.5 * snr * (snr + float(np.sqrt(snr * snr + 4.0 * sky)))

    def _sort(self, x: Float, y: Float, half: Int) -> None:
        """Choose the stars that touch the image, order them by tiles, find pairs and tiles."""
        ny, nx = self.background.shape
        column, row = np.rint(x).astype(np.int64), np.rint(y).astype(np.int64)
        touching = (column + half >= 0) & (column - half < nx)
        touching &= (row + half >= 0) & (row - half < ny)
        chosen = np.flatnonzero(touching)
        own = np.zeros(1, np.int64)
        if chosen.size:
            order, tile = sort_by_cell(column[chosen], row[chosen], TILE)
            chosen = chosen[order]
            own = np.concatenate([[0], np.flatnonzero(np.diff(tile)) + 1, [tile.size]])
        self.order, self.away = chosen, np.flatnonzero(~touching)
        m = self.margin
        self.places = Places(column[chosen] + m, row[chosen] + m, half[chosen])
        self.pairs = find_pairs(self.places)
        self.tiles = plan_tiles(own.astype(np.int64), self.places, self.pairs)

    def _tile_centres(self) -> Float:
        """Centres (tiles, 2) of the tiles' stars [pixel], from the image's corner."""
        number = np.diff(self.tiles.own)
        index = np.repeat(np.arange(number.size), number)
        sums = [np.bincount(index, v, number.size) for v in (self.places.x, self.places.y)]
        return np.column_stack(sums) / np.maximum(number, 1)[:, None] - self.margin

    def _allocate(self) -> None:
        ny, nx = self.background.shape
        n, shape = self.order.size, (ny + 2 * self.margin, nx + 2 * self.margin)
        self.model, self.residual, self.weight = (np.zeros(shape, np.float32) for _ in range(3))
        self.blocks = np.empty((self.pairs.other.size, 3, 3), np.float32)
        self.gradient, self.step = np.zeros((2, n, 3))
        self.diagonal, self.root = np.zeros((2, n, 3, 3))
        self.star_parts = split(n, STARS)
        self.tile_parts = split(self.tiles.own.size - 1, TILES)
        self.bands = self._bands(shape[0])

    def _bands(self, rows: int) -> list[tuple[int, int, int, int]]:
        """Return (first, last, low, high): rows [low, high) and the tiles that can reach them."""
        reach = int(self.places.half.max(initial=0))
        lowest = int(self.places.y.min(initial=rows))
        row = (self.places.y[self.tiles.own[:-1]] - lowest) // TILE
        bands = []
        for low, high in split(rows, ROWS):
            first = np.searchsorted(row, (low - reach - lowest) // TILE)
            last = np.searchsorted(row, (high + reach - lowest) // TILE, side="right")
            bands.append((int(first), int(last), low, high))
        return bands

    def _place_wings(self, half: Int) -> None:
        """Choose the stars that shine beyond their fit stamps."""
        x, y, flux = self.start
        reach, hole = self.render_halves(flux), half.copy()
        hole[self.away] = -1
        wide = np.flatnonzero(reach > hole)
        self.wide = wide[np.argsort(np.rint(y[wide]), kind="stable")]
        w, m = self.wide, self.margin
        self.wings = Wings(self.psf, self.model.shape, m, self.workers)
        self.wings.place(x[w] + m, y[w] + m, reach[w], hole[w])
        edge = float(self.psf.central.evaluate(half.min(initial=6), 0.0))
        self.stale = STALE * np.sqrt(self.level + self.noise2) / max(edge, 1e-12)

    def render_halves(self, flux: Float) -> Int:
        """Half-widths over which stars shine: 3, 13, 25, 42 pixels for a FWHM of two."""
        edges = [self._flux_at_snr(snr) for snr in WING_SNR]
        steps = np.array(WING_STEPS) * max(self.fwhm, 2.0)
        half = np.ceil(steps[np.searchsorted(edges, flux)]).astype(np.int64)
        return np.minimum(half, self.psf.half_width)

    def evaluate(self, wings: bool, weights: bool = True) -> None:
        """Render the stars; from them the residual and the weights.

        Within the fit stamps the model is always new; what bright stars shed beyond theirs
        hardly changes, and is renewed only if ``wings``. The weights stay unless ``weights``.
        """
        if wings:
            x, y, flux = (v[self.wide] for v in self.solution())
            self.wings.renew(x + self.margin, y + self.margin, flux, self.stale)
        self.workers.run(partial(self._expose, weights), self.bands)

    def _expose(self, weights: bool, first: int, last: int, low: int, high: int) -> None:
        """Make model, residual and weights of the rows [low, high), margin included."""
        self.model[low:high] = self.wings.image[low:high]
        stars = (self.field, self.x, self.y, self.flux, self.places, self.tiles.own)
        kernels.add_stars(self.model, *stars, first, last, low, high)
        scene, rows = self.scene, self.background.shape[0]
        part = max(low - self.margin, 0), min(high - self.margin, rows)
        if not weights:
            images = (scene.image, scene.mask, self.background, self.model, self.residual)
            kernels.residual_alone(*images, *part)
            return
        sky = (self.background, self.model, self.noise2, self.settings.psf_error)
        out = (self.residual, self.weight)
        kernels.residual_and_weight(scene.image, scene.mask, *sky, *out, *part)
        if scene.noise_scale is not None:
            kernels.scale_weight(self.weight, scene.noise_scale, *part)

    def drop(self, pixels: Mask) -> None:
        """Mask more pixels, (ny, nx)."""
        m, (ny, nx) = self.margin, pixels.shape
        self.scene = self.scene._replace(mask=self.scene.mask | pixels)
        for image in (self.residual, self.weight):
            image[m : m + ny, m : m + nx][pixels] = 0.0

    def correct_sky(self) -> None:
        """Move the smooth part of the residual to the sky."""
        mesh = self.settings.background_mesh
        if mesh > 0:
            level, rest = self.background, self.residual
            correct_from_residual(level, rest, self.scene.mask, mesh, workers=self.workers)

    def assemble(self) -> None:
        """Build gradient and normal matrix, the position prior included."""
        images, stars = (self.residual, self.weight), (self.field, self.x, self.y)
        plan = (self.places, self.pairs, self.tiles)
        out = (self.gradient, self.diagonal, self.blocks)
        self.workers.run(
            lambda *part: normal.assemble(*images, *stars, *plan, *out, *part), self.tile_parts
        )
        self._finish_gradient()
        prior, root, f = 1.0 / self.settings.position_prior**2, self.root, self.flux.copy()
        self.assembled = f
        parts = self.star_parts
        self.workers.run(
            lambda *part: whitening.root_blocks(self.diagonal, f, prior, root, *part), parts
        )
        matrix = (self.blocks, root, f, self.pairs)
        self.workers.run(lambda *part: whitening.whiten(*matrix, *part), parts)

    def renew_gradient(self) -> None:
        """Build the gradient alone, and keep the normal matrix."""
        images, stars = (self.residual, self.weight), (self.field, self.x, self.y)
        out = (self.places, self.tiles.own, self.gradient)
        self.workers.run(
            lambda *part: normal.gradients(*images, *stars, *out, *part), self.tile_parts
        )
        self._finish_gradient()

    def _finish_gradient(self) -> None:
        """Bring fluxes and the position prior into the gradient."""
        prior = 1.0 / self.settings.position_prior**2
        self.gradient[:, 1:] *= np.maximum(self.flux, 0.0)[:, None]
        self.gradient[:, 1] += prior * (self.x0 - self.x)
        self.gradient[:, 2] += prior * (self.y0 - self.y)

    def advance(self, tolerance: float) -> float:
        """Take one damped Gauss–Newton step; return the share of stars still moving."""
        s, places, system = self.settings, self.places, (self.blocks, self.pairs)
        white = np.einsum("nij,nj->ni", self.root, self.gradient)
        work = (self.star_parts, self.workers)
        solved, _ = solve(*system, white, *work, most=s.cg_iterations, tolerance=tolerance)
        step = np.einsum("nji,nj->ni", self.root, solved)
        step[:, 1:] = np.clip(step[:, 1:], -s.max_step, s.max_step)
        turned = step * self.step < 0.0
        turned[:, 0] = False
        self.step = step = np.where(turned, 0.5 * step, step)
        self.flux += step[:, 0]
        self.x = np.clip(self.x + step[:, 1], places.x - s.max_shift, places.x + s.max_shift)
        self.y = np.clip(self.y + step[:, 2], places.y - s.max_shift, places.y + s.max_shift)
        return float(np.mean(np.abs(solved[:, 0]) > MOVING)) if step.size else 0.0

    def errors(self) -> Float:
        """Standard errors (n, 3) of flux, x, y of the sorted stars."""
        s = self.settings
        errors = np.full((self.order.size, 3), np.nan)
        radius = s.error_radius_fwhm * max(self.fwhm, 1.8)
        fixed = (radius, s.error_neighbours, fit_errors.SINGLE, errors)
        stars = (self.blocks, self.root, self.pairs, self.x, self.y)
        self.workers.run(
            lambda *part: fit_errors.local_errors(*stars, *fixed, *part), self.star_parts
        )
        return errors

    def quality(self) -> Float:
        """What tells how far the sorted stars can be trusted, (n, 5)."""
        quality = np.zeros((self.order.size, 5))
        images = (self.residual, self.model, self.weight)
        stars = (self.field, self.x, self.y, self.flux, self.places, self.tiles.own)
        out = (max(self.fwhm, 1.5), quality)
        self.workers.run(
            lambda *part: fit_errors.star_quality(*images, *stars, *out, *part), self.tile_parts
        )
        return quality

    def change(self) -> Float:
        """How much the sorted stars' fluxes differ from those that the weights knew, (n,)."""
        return self.flux - self.assembled

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
