"""A PSF's shape beyond its width: relative corrections on rings and angles around the centre.

The modes are hat functions of the radius times cos and sin of multiples of the angle times the
PSF's own azimuthal mean, convolved with the pixel. How large they may become is a Gaussian prior;
its width is the one that best predicts stars left out (four-fold cross-validation), and where no
width predicts better than nothing, nothing is corrected.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy.ndimage import convolve1d

from csstream.imaging.field_psf import FieldPsf
from csstream.imaging.psf import PixelPsf
from csstream.imaging.psf_blur import core_of, with_changes
from csstream.imaging.psf_patches import Patches, PatchSystems, advance, systems

Float = npt.NDArray[np.float64]

KNOTS = (0.0, 0.25, 0.5, 0.75, 1.0, 1.35, 1.8, 2.4, 3.2, 4.2)  # [FWHM] the last is zero
FIRST_KNOT = (0, 1, 1, 2, 2)  # of each multiple of the angle: it vanishes at the centre
LAST_KNOT = (9, 8, 8, 6, 6)
FLOOR = 1e-4  # of the peak, added to the profile that the modes are relative to
SIGMAS = (0.003, 0.01, 0.03, 0.1, 0.3)  # widths of the prior that are tried
FOLDS = 4


def shape_modes(psf: PixelPsf) -> Float:
    """Return the modes as B-spline coefficients within the core, (q, k, k)."""
    core, step = core_of(psf), psf.oversampling
    half = (psf.samples[core, core].shape[0] - 1) // 2
    j, i = np.mgrid[-half : half + 1, -half : half + 1] / step
    radius, angle = np.hypot(i, j), np.arctan2(j, i)
    envelope = _azimuthal_mean(psf, radius)
    rings = _hats(radius / psf.fwhm)
    tables = []
    for m, (first, last) in enumerate(zip(FIRST_KNOT, LAST_KNOT, strict=True)):
        for turn in (np.cos(m * angle), np.sin(m * angle))[: 1 if m == 0 else 2]:
            tables += [envelope * ring * turn for ring in rings[first:last]]
    return _over_pixel(np.stack(tables), step)


def corrected(psf: FieldPsf, modes: Float, amounts: Float) -> FieldPsf:
    """Return the PSF with ``amounts`` (q,) of its shape modes added everywhere in the field."""
    change = np.tensordot(amounts, modes, 1)
    for axis in (0, 1):  # the spline's samples from its coefficients
        change = convolve1d(change, [1.0 / 6.0, 2.0 / 3.0, 1.0 / 6.0], axis, mode="constant")
    rest = np.zeros((len(psf.terms) - 1, *change.shape))
    return with_changes(psf, psf.degree, np.concatenate([change[None], rest]))


def refine_shape(
    psf: FieldPsf, patches: Patches, used: npt.NDArray[np.bool_], tolerance: float
) -> FieldPsf:
    """Return the PSF with the shape that its bright stars show, the patches moved along."""
    modes = shape_modes(psf.central)
    solved = systems(patches, psf, modes, tolerance)
    amounts, gain = best_shape(solved, used)
    if gain <= 0.0:
        return psf
    advance(patches, solved, np.broadcast_to(amounts, solved.gradient.shape))
    return corrected(psf, modes, amounts)


def best_shape(solved: PatchSystems, used: npt.NDArray[np.bool_]) -> tuple[Float, float]:
    """Return the modes' amounts (q,), and the share of chi2 that they take from stars left out.

    All amounts are zero where no prior predicts stars that were left out.
    """
    normal, gradient = solved.normal[used], solved.gradient[used]
    fold = np.arange(normal.shape[0]) % FOLDS
    nothing = np.zeros(gradient.shape[1])
    if normal.shape[0] < 2 * FOLDS:
        return nothing, 0.0
    noise = max(float(np.median((solved.chi2 / solved.freedom)[used])), 1.0)
    sums = [(normal[fold == k].sum(axis=0), gradient[fold == k].sum(axis=0)) for k in range(FOLDS)]
    total = (normal.sum(axis=0), gradient.sum(axis=0))
    gains = [_gain(sums, total, noise / sigma**2) for sigma in SIGMAS]
    best = int(np.argmax(gains))
    if gains[best] <= 0.0:
        return nothing, 0.0
    amounts = _solve(*total, noise / SIGMAS[best] ** 2)
    return amounts, gains[best] / float(solved.chi2[used].sum())


def _gain(sums: list[tuple[Float, Float]], total: tuple[Float, Float], prior: float) -> float:
    """How much chi2 the modes, fitted without them, take from the stars left out."""
    gain = 0.0
    for normal, gradient in sums:
        amounts = _solve(total[0] - normal, total[1] - gradient, prior)
        gain += float(2.0 * gradient @ amounts - amounts @ normal @ amounts)
    return gain


def _solve(normal: Float, gradient: Float, prior: float) -> Float:
    return np.asarray(np.linalg.solve(normal + prior * np.eye(gradient.size), gradient))


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
