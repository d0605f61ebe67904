"""A PSF's shape beyond its width: modes whose amounts the bright stars give.

Two kinds of modes: what aberrations do to a diffraction PSF, and, for any PSF, relative
corrections on rings and angles around the centre. How large they may become is a Gaussian prior;
its width, and how they vary over the field, are what best predicts stars left out (four-fold
cross-validation). Where nothing predicts better than nothing, nothing is corrected.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.ndimage import convolve1d

from csstream.imaging.psf.blur import blur_change, core_of, with_changes
from csstream.imaging.psf.family import aberration_modes, gaussian_variance, without_known
from csstream.imaging.psf.field_psf import FieldPsf
from csstream.imaging.psf.pixel_psf import PixelPsf
from csstream.imaging.psf_fit.patches import Patches, PatchSystems, advance, systems
from csstream.imaging.psf_fit.width_fit import field_basis, misfit

Float = npt.NDArray[np.float64]

KNOTS = (0.0, 0.25, 0.5, 0.75, 1.0, 1.35, 1.8, 2.3, 2.8)  # [FWHM] the last is zero
FIRST_KNOT = (0, 1, 1, 2, 2)  # of each multiple of the angle: it vanishes at the centre
LAST_KNOT = (8, 8, 8, 7, 7)
FLOOR = 1e-4  # of the peak, added to the profile that the modes are relative to
WIDTHS = (0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0)  # of the prior over the modes' own sigmas
STARS_PER_DEGREE = (8, 60, 120)
FOLDS = 4


@dataclass(frozen=True, eq=False)
class Shapes:
    """Modes as B-spline coefficients within the PSF's core (q, k, k), and their sigmas (q,)."""

    modes: Float
    sigma: Float


def refine_shape(
    psf: FieldPsf,
    patches: Patches,
    used: npt.NDArray[np.bool_],
    tolerance: float,
    shapes: Shapes,
    most_degree: int = 2,
) -> FieldPsf:
    """Return the PSF with the shape that its bright stars show, the patches moved along."""
    solved = systems(patches, psf, shapes.modes, tolerance)
    degree, amounts = best_shape(solved, used, shapes.sigma, psf, patches, most_degree)
    if not amounts.any():
        return psf
    advance(patches, solved, field_basis(psf, patches.places(), degree) @ amounts.T)
    return corrected(psf, shapes.modes, amounts, degree)


def ring_shapes(psf: PixelPsf) -> Shapes:
    """Relative corrections on rings and angles, good for any PSF."""
    core, step = core_of(psf), psf.oversampling
    table = psf.samples[core, core]
    half = (table.shape[0] - 1) // 2
    j, i = np.mgrid[-half : half + 1, -half : half + 1] / step
    radius, angle = np.hypot(i, j), np.arctan2(j, i)
    envelope = _azimuthal_mean(psf, radius)
    rings = _hats(radius / psf.fwhm)
    tables = []
    for m, (first, last) in enumerate(zip(FIRST_KNOT, LAST_KNOT, strict=True)):
        for turn in (np.cos(m * angle), np.sin(m * angle))[: 1 if m == 0 else 2]:
            tables += [envelope * ring * turn for ring in rings[first:last]]
    modes = without_known(_over_pixel(np.stack(tables), step), table, step)
    return Shapes(modes, np.ones(modes.shape[0]))


def aberration_shapes(nominal: PixelPsf, psf: PixelPsf) -> Shapes:
    """Return what aberrations do to a diffraction PSF, blurred as ``psf`` is by now.

    ``nominal`` must know its band limit.
    """
    modes, sigma = aberration_modes(nominal)
    more = gaussian_variance(psf, nominal.band_limit) - gaussian_variance(nominal)
    blurs = [mode + blur_change(mode, psf.oversampling, (more, 0.0, more)) for mode in modes]
    side = psf.samples[core_of(psf), core_of(psf)].shape[0]
    return Shapes(np.stack([_resized(mode, side) for mode in blurs]), sigma)


def corrected(psf: FieldPsf, modes: Float, amounts: Float, degree: int) -> FieldPsf:
    """Return the PSF with ``amounts`` (q, K) of its shape modes added."""
    changes = np.tensordot(amounts.T, modes, 1)
    for axis in (1, 2):  # the spline's samples from its coefficients
        changes = convolve1d(changes, [1.0 / 6.0, 2.0 / 3.0, 1.0 / 6.0], axis, mode="constant")
    return with_changes(psf, degree, changes)


def best_shape(
    solved: PatchSystems,
    used: npt.NDArray[np.bool_],
    sigma: Float,
    psf: FieldPsf,
    patches: Patches,
    most_degree: int,
) -> tuple[int, Float]:
    """Return the degree in the field and the modes' amounts (q, K) that predict best.

    All amounts are zero where none predicts better than nothing stars that were left out.
    """
    places = patches.places()
    best, amounts, top = 0, np.zeros((sigma.size, 1)), 0.0
    if not used.any():
        return best, amounts
    noise = misfit(solved, used)
    for degree, least in enumerate(STARS_PER_DEGREE[: most_degree + 1]):
        if np.count_nonzero(used) < least:
            break
        folds = _folds(solved, used, field_basis(psf, places, degree))
        for width in WIDTHS:
            prior = np.repeat(noise / (width * sigma) ** 2, folds[0][1].size // sigma.size)
            gain = _gain(folds, prior)
            if gain > top:
                best, top = degree, gain
                amounts = _solve(*_total(folds), prior).reshape(sigma.size, -1)
    return best, amounts


def _folds(
    solved: PatchSystems, used: npt.NDArray[np.bool_], basis: Float
) -> list[tuple[Float, Float]]:
    """Sum the normal equations of the modes' polynomials over every fourth star."""
    chosen, size = np.flatnonzero(used), solved.gradient.shape[1] * basis.shape[1]
    folds = []
    for k in range(FOLDS):
        part = chosen[k::FOLDS]
        b = basis[part]
        squares = (b[:, :, None] * b[:, None, :]).reshape(part.size, -1)
        normal = np.tensordot(squares.T, solved.normal[part], 1)
        normal = normal.reshape(b.shape[1], b.shape[1], *solved.normal.shape[1:])
        gradient = np.einsum("na,ni->ai", solved.gradient[part], b)
        folds.append((normal.transpose(2, 0, 3, 1).reshape(size, size), gradient.ravel()))
    return folds


def _gain(folds: list[tuple[Float, Float]], prior: Float) -> float:
    """How much chi2 the modes, fitted without them, take from the stars left out."""
    gain = 0.0
    for k, (normal, gradient) in enumerate(folds):
        others = [fold for m, fold in enumerate(folds) if m != k]
        amounts = _solve(*_total(others), prior)
        gain += float(2.0 * gradient @ amounts - amounts @ normal @ amounts)
    return gain


def _total(folds: list[tuple[Float, Float]]) -> tuple[Float, Float]:
    normals, gradients = zip(*folds, strict=True)
    return np.sum(normals, axis=0), np.sum(gradients, axis=0)


def _solve(normal: Float, gradient: Float, prior: Float) -> Float:
    return np.asarray(np.linalg.solve(normal + np.diag(prior), gradient))


def _resized(mode: Float, side: int) -> Float:
    """Cut or pad a centred table to (side, side)."""
    more = (side - mode.shape[0]) // 2
    if more >= 0:
        return np.pad(mode, more)
    return mode[-more:more, -more:more]


def _azimuthal_mean(psf: PixelPsf, radius: Float) -> Float:
    edges = np.arange(0.0, radius.max() + 0.25, 0.25)
    turn = np.linspace(0.0, 2.0 * np.pi, 24, endpoint=False)
    mean = psf.evaluate(np.outer(np.cos(turn), edges), np.outer(np.sin(turn), edges)).mean(axis=0)
    mean = np.maximum(mean, 0.0) + FLOOR * mean[0]
    return np.asarray(np.exp(np.interp(radius, edges, np.log(mean))))


def _hats(radius: Float) -> list[Float]:
    """Hat functions of the radius [FWHM] on the knots, the last knot's left out."""
    rings = []
    for k in range(len(KNOTS) - 1):
        values = np.zeros(len(KNOTS))
        values[k] = 1.0
        rings.append(np.interp(radius, KNOTS, values, right=0.0))
    return rings


def _over_pixel(tables: Float, step: int) -> Float:
    """Average over a pixel, so that samples a pixel apart keep one sum at every phase."""
    if step % 2:
        box = np.full(step, 1.0 / step)
    else:
        box = np.concatenate([[0.5], np.ones(step - 1), [0.5]]) / step
    for axis in (1, 2):
        tables = convolve1d(tables, box, axis, mode="constant")
    return tables
