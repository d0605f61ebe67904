"""The surroundings of a frame's bright stars, from which the PSF is fitted."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.spatial import cKDTree

from csstream.imaging.fit.joint_fit import FitResult
from csstream.imaging.frames.frame import Frame, Image
from csstream.imaging.psf.blur import core_of
from csstream.imaging.psf.field_psf import FieldPsf
from csstream.imaging.psf.pixel_psf import PixelPsf
from csstream.imaging.psf_fit.patch_light import Members, Optics, cut_image, cut_patches
from csstream.imaging.psf_fit.patch_solve import solve_patches

Float = npt.NDArray[np.float64]
Int = npt.NDArray[np.int64]

HALF_FWHM = 2.4  # [FWHM] half-width of a patch
FIRST_HALF_FWHM = 1.9  # where only some neighbours are known
LEAST_HALF = 4  # [pixel]
MARGIN = 1.5  # [pixel] stars this far outside a patch are fitted along
FAR_FWHM = 3.0  # [FWHM] beyond, a star's light hardly changes with the PSF
MOST_FREE = 12  # stars of a patch that are fitted along
SKY_PRIOR = 0.3  # sigma of a patch's constant in units of a sky pixel's noise
LOOSE_SKY_PRIOR = 10.0  # the same where faint stars are part of the sky
MAX_STEP = 0.5  # [pixel]
LINEAR_SHARE = 0.8  # of saturation: brighter pixels are not trusted for the PSF
LEAST_SNR = 30.0
MOST_BLENDED = 0.3  # light of others seen through a star's profile, over its own
CELLS = 4  # parts of an image a side, each of which gives its brightest stars


@dataclass(frozen=True, eq=False)
class Photons:
    """What a fit's weights were made of."""

    image: Image  # (ny, nx) [electron]
    read_noise: float  # [electron]
    psf_error: float  # relative, of the PSF's values


@dataclass(eq=False)
class Patches:
    """Squares of pixels around bright stars, and the stars in and about them."""

    half: int  # [pixel]
    anchor_x: Int  # (n,) central pixel
    anchor_y: Int
    start: Int  # (n + 1,) first member of each patch
    free: Int  # (n,) members that are fitted along; they come first
    x: Float  # (members,) [pixel]
    y: Float
    flux: Float  # [electron]
    bare: Float  # (n, side, side) image without sky and without stars that are no members
    weight: Float  # (n, side, side)
    all_listed: bool = True  # neighbours: else many a star is a blend that nobody knows
    sky_prior: float = SKY_PRIOR  # sigma of a patch's constant in units of a sky pixel's noise

    @property
    def members(self) -> Members:
        """The stars that shine into the patches."""
        return Members(self.start, self.x, self.y, self.flux)

    @property
    def stars(self) -> tuple[Float, Float, Float]:
        """Position and flux of the bright star of each patch; (n,) each."""
        first = self.start[:-1]
        return self.x[first], self.y[first], self.flux[first]

    def shifted(self, dx: int, dy: int) -> Patches:
        """Return the patches of a part of a frame in the frame's own pixels."""
        return replace(
            self, anchor_x=self.anchor_x + dx, anchor_y=self.anchor_y + dy,
            x=self.x + dx, y=self.y + dy,
        )  # fmt: skip

    def places(self) -> tuple[Float, Float]:
        """Return the patches' places in the field [pixel]."""
        return self.anchor_x.astype(np.float64), self.anchor_y.astype(np.float64)


@dataclass(frozen=True, eq=False)
class PatchSystems:
    """The modes' normal equations of each patch, everything else projected out."""

    normal: Float  # (n, q, q)
    gradient: Float  # (n, q)
    chi2: Float  # (n,) with the members' best values and the modes at zero
    freedom: Float  # (n,)
    signal: Float  # (n,) Σ weight (flux × profile)²
    own: Float  # (members, 3)
    by_mode: Float  # (members, 3, q)


def psf_stars(fit: FitResult, image: Image, saturation: float, most: int) -> Int:
    """Return which stars shape the PSF: bright, whole, linear, little disturbed.

    At most ``most``, the brightest of each part of the image.
    """
    ny, nx = image.shape
    i = np.clip(np.rint(fit.x).astype(np.int64), 0, nx - 1)
    j = np.clip(np.rint(fit.y).astype(np.int64), 0, ny - 1)
    good = (np.abs(i - fit.x) <= 0.5) & (np.abs(j - fit.y) <= 0.5)
    with np.errstate(invalid="ignore"):
        good &= (fit.flux > LEAST_SNR * fit.flux_err) & (fit.share > 0.98)
    good &= fit.contamination < MOST_BLENDED * fit.flux
    good &= image[j, i] < LINEAR_SHARE * saturation
    return spread_out(np.flatnonzero(good), i, j, fit.flux, image.shape, most)


def spread_out(good: Int, i: Int, j: Int, flux: Float, shape: tuple[int, ...], most: int) -> Int:
    """Return at most ``most`` of the stars ``good``, the brightest of each part of an image.

    ``i``, ``j`` (n,) are the stars' pixels in an image of ``shape``.
    """
    order = good[np.argsort(-flux[good], kind="stable")]
    cell = CELLS * (j[order] * CELLS // shape[0]) + i[order] * CELLS // shape[1]
    by_cell = np.argsort(cell, kind="stable")
    first = np.searchsorted(cell[by_cell], cell[by_cell])
    rank = np.empty(order.size, np.int64)
    rank[by_cell] = np.arange(order.size) - first
    return np.sort(order[np.argsort(rank, kind="stable")[:most]])


def half_width(fwhm: float, in_fwhm: float = HALF_FWHM) -> int:
    """Half-width of a patch for a PSF of ``fwhm`` [pixel]."""
    return max(LEAST_HALF, round(in_fwhm * fwhm))


def joined(parts: list[Patches]) -> Patches:
    """Return the patches of a first look's parts, of one size, as one."""
    offset = np.cumsum([0, *(part.x.size for part in parts)])
    starts = [part.start[:-1] + offset[k] for k, part in enumerate(parts)]
    names = ("anchor_x", "anchor_y", "free", "x", "y", "flux", "bare", "weight")
    columns: dict[str, Any] = {
        name: np.concatenate([getattr(part, name) for part in parts]) for name in names
    }
    start = np.concatenate([*starts, offset[-1:]]).astype(np.int64)
    return Patches(half=parts[0].half, start=start, all_listed=False, **columns)


def cut(
    fit: FitResult,
    psf: FieldPsf,
    chosen: Int,
    half: int,
    photons: Photons,
    faint: float = 0.0,
) -> Patches:
    """Cut the patches of the ``chosen`` stars out of a fit made with ``psf``.

    Members fainter than ``faint`` of the bright star are put back into the image and forgotten:
    where a PSF is not known well, they may be its errors.
    """
    stars = (fit.x, fit.y, fit.flux)
    patches, forgotten = _empty_patches(stars, psf, chosen, half, faint, MOST_FREE)
    cut_patches(
        photons.image, fit.background, fit.residual, fit.weight,
        max(photons.read_noise, 0.1) ** 2, photons.psf_error, _optics(psf, patches),
        patches.anchor_x, patches.anchor_y, patches.members, patches.bare, patches.weight,
    )  # fmt: skip
    patches.flux = np.where(forgotten, 0.0, patches.flux)
    return patches


def cut_from_frame(
    frame: Frame,
    level: Image,
    stars: tuple[Float, Float, Float],
    psf: FieldPsf,
    chosen: Int,
    half: int,
    most_free: int,
) -> Patches:
    """Cut the patches of the ``chosen`` of known stars (x, y, flux) out of a frame.

    No fit need have been made. ``level`` (ny, nx) [electron] may be off by the light of faint
    stars: each patch has a constant of its own.
    """
    patches, _ = _empty_patches(stars, psf, chosen, half, 0.0, most_free)
    patches.sky_prior = LOOSE_SKY_PRIOR
    cut_image(
        frame.image, frame.mask, level, max(frame.read_noise, 0.1) ** 2, _optics(psf, patches),
        patches.anchor_x, patches.anchor_y, patches.members, patches.bare, patches.weight,
    )  # fmt: skip
    return patches


def _empty_patches(
    stars: tuple[Float, Float, Float],
    psf: FieldPsf,
    chosen: Int,
    half: int,
    faint: float,
    most_free: int,
) -> tuple[Patches, npt.NDArray[np.bool_]]:
    """Return patches whose pixels are still to be written, and which members are too faint."""
    x, y, flux = stars
    far = half * np.sqrt(2.0) + FAR_FWHM * psf.fwhm
    start, member, free, forgotten = _members(stars, chosen, half, far, faint, most_free)
    n, side = chosen.size, 2 * half + 1
    patches = Patches(
        half=half,
        anchor_x=np.rint(x[chosen]).astype(np.int64),
        anchor_y=np.rint(y[chosen]).astype(np.int64),
        start=start,
        free=free,
        x=x[member],
        y=y[member],
        flux=flux[member],
        bare=np.empty((n, side, side)),
        weight=np.empty((n, side, side)),
        sky_prior=LOOSE_SKY_PRIOR if faint > 0.0 else SKY_PRIOR,
    )
    return patches, forgotten


def systems(patches: Patches, psf: FieldPsf, modes: Float, tolerance: float) -> PatchSystems:
    """Return the normal equations of ``modes`` (q, k, k): coefficients within the PSF's core.

    ``tolerance`` is the relative error of the profile beyond the noise at which a pixel begins
    to count less.
    """
    n, q, members = patches.free.size, modes.shape[0], patches.x.size
    normal, gradient = np.empty((n, q, q)), np.empty((n, q))
    quality, own = np.empty((n, 4)), np.zeros((members, 3))
    by_mode = np.zeros((members, 3, q))
    optics = _optics(psf, patches)
    before = optics.centre - modes.shape[1] // 2
    after = optics.terms.shape[1] - modes.shape[1] - before
    padded = np.pad(modes, ((0, 0), (before, after), (before, after)))
    solve_patches(
        patches.bare, patches.weight, optics, np.ascontiguousarray(padded.transpose(1, 2, 0)),
        patches.anchor_x, patches.anchor_y, patches.members, patches.free,
        tolerance, patches.sky_prior,
        normal, gradient, quality, own, by_mode,
    )  # fmt: skip
    chi2, freedom, signal = quality[:, 0], quality[:, 1], quality[:, 2]
    return PatchSystems(normal, gradient, chi2, freedom, signal, own, by_mode)


def advance(patches: Patches, solved: PatchSystems, amounts: Float) -> float:
    """Move the members to their best values after the modes have taken ``amounts`` (n, q).

    Returns the typical shift of the bright stars [pixel].
    """
    patch = np.repeat(np.arange(patches.free.size), np.diff(patches.start))
    step = solved.own - np.einsum("mcq,mq->mc", solved.by_mode, amounts[patch])
    patches.flux = patches.flux + step[:, 0]
    patches.x = patches.x + np.clip(step[:, 1], -MAX_STEP, MAX_STEP)
    patches.y = patches.y + np.clip(step[:, 2], -MAX_STEP, MAX_STEP)
    own = np.abs(step[patches.start[:-1], 1:])
    return float(np.median(own)) if own.size else 0.0


def _optics(psf: FieldPsf, patches: Patches) -> Optics:
    """Return the core of the PSF at the patches."""
    core = core_of(psf.central)
    tables = [PixelPsf(term.samples[core, core], psf.oversampling) for term in psf.terms]
    terms = np.stack([table.coefficients for table in tables])
    return Optics(terms, psf.weights(*patches.places()), psf.oversampling, tables[0].centre)


def _members(
    stars: tuple[Float, Float, Float],
    chosen: Int,
    half: int,
    far: float,
    faint: float,
    most_free: int,
) -> tuple[Int, Int, Int, npt.NDArray[np.bool_]]:
    """Members of each patch: the star itself, then the free ones, brightest first, then others."""
    x, y, flux = stars
    tree = cKDTree(np.column_stack([x, y]))
    rows = tree.query_ball_point(np.column_stack([x[chosen], y[chosen]]), far, return_sorted=True)
    start = np.concatenate([[0], np.cumsum([len(row) for row in rows])]).astype(np.int64)
    member = np.concatenate([np.asarray(row, np.int64) for row in rows])
    patch = np.repeat(np.arange(chosen.size), np.diff(start))
    star = chosen[patch]
    off = np.maximum(np.abs(x[member] - x[star]), np.abs(y[member] - y[star]))
    forgotten = flux[member] < faint * flux[star]
    rank = np.where(member == star, 0, np.where((off < half + MARGIN) & ~forgotten, 1, 2))
    order = np.lexsort((member, -flux[member], rank, patch))
    near = np.bincount(patch[rank < 2], minlength=chosen.size)
    return start, member[order], np.minimum(near, most_free).astype(np.int64), forgotten[order]
