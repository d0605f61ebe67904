"""A PSF's width and ellipticity changed by a Gaussian blur, of either sign.

Multiplying a table's transform by exp(−2π² fᵀ S f) convolves it with a Gaussian of covariance S
= (Sxx, Sxy, Syy) [pixel²]; a negative S sharpens. To first order in S that adds
½Sxx ∂²/∂x² + Sxy ∂²/∂x∂y + ½Syy ∂²/∂y² of the table.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt
import scipy.fft

from csstream.imaging.psf.field_psf import FieldPsf
from csstream.imaging.psf.pixel_psf import PixelPsf

Float = npt.NDArray[np.float64]

REACH_FWHM = 8.0  # [FWHM] beyond, a blur changes nothing
LEAST_REACH = 16  # [pixel]
FADE = 0.25  # outer share of the reach over which the change fades out
MOST_GAIN = 12.0  # of a frequency: sharpening must not raise a table's rounding errors
NODES = (-0.85, 0.0, 0.85)  # [unit of the field] where a varying blur is exact


def core_of(psf: PixelPsf) -> slice:
    """Rows and columns of the table that a blur touches."""
    reach = min(max(LEAST_REACH, int(np.ceil(REACH_FWHM * psf.fwhm))), psf.half_width)
    centre = psf.samples.shape[0] // 2
    half = reach * psf.oversampling
    return slice(centre - half, centre + half + 1)


def blur_change(table: Float, oversampling: int, covariance: npt.ArrayLike) -> Float:
    """Return what a blur by (Sxx, Sxy, Syy) [pixel²] adds to a table (k, k).

    A frequency is raised at most by ``MOST_GAIN`` where the covariance is negative.
    """
    xx, xy, yy = np.asarray(covariance, np.float64)
    squares, size = _squares(table.shape[0], oversampling)
    exponent = -2.0 * np.pi**2 * (xx * squares[0] + xy * squares[1] + yy * squares[2])
    factor = np.exp(np.minimum(exponent, np.log(MOST_GAIN))) - 1.0
    return _filtered(table, factor, size) * _fade(table.shape[0])


def blur_modes(table: Float, oversampling: int) -> Float:
    """Return a table's first-order changes by Sxx, Sxy, Syy [1/pixel²]; (3, k, k)."""
    squares, size = _squares(table.shape[0], oversampling)
    changes = [_filtered(table, -2.0 * np.pi**2 * square, size) for square in squares]
    return np.stack(changes) * _fade(table.shape[0])


def light_of(psf: PixelPsf) -> float:
    """Return the share of a star's light that a table holds."""
    return float(psf.samples.sum()) / psf.oversampling**2


def whole(psf: PixelPsf, light: float) -> PixelPsf:
    """See that a star gives the same light wherever it falls on a pixel.

    Samples a whole pixel apart are one star's pixels: each such set sums to ``light``.
    Without that, stars at one sub-pixel phase would get another flux scale than those at the next.
    """
    samples = psf.samples.copy()
    step = psf.oversampling
    for j in range(step):
        for i in range(step):
            samples[j::step, i::step] *= light / samples[j::step, i::step].sum()
    return PixelPsf(samples, step)


def exponents(degree: int) -> list[tuple[int, int]]:
    """Return the powers (i, j) of u and v in the order of a :class:`FieldPsf`'s terms."""
    powers = range(degree + 1)
    return [(i, j) for j in powers for i in powers if i + j <= degree]


def framed(psf: FieldPsf, shape: tuple[int, int]) -> FieldPsf:
    """Return a PSF whose polynomials, if it has none, have the unit of a frame (ny, nx)."""
    if psf.degree > 0:
        return psf
    ny, nx = shape
    origin = (0.5 * (nx - 1), 0.5 * (ny - 1))
    return replace(psf, origin=origin, scale=(max(0.5 * nx, 1.0), max(0.5 * ny, 1.0)))


def blurred(psf: PixelPsf, covariance: npt.ArrayLike) -> PixelPsf:
    """Return the PSF blurred by (Sxx, Sxy, Syy) [pixel²]."""
    column = np.asarray(covariance, np.float64)[:, None]
    return blurred_field(FieldPsf.constant(psf), column, 0).central


def blurred_field(psf: FieldPsf, covariance: Float, degree: int) -> FieldPsf:
    """Return a PSF blurred by a covariance that is a polynomial of the field position.

    Parameters
    ----------
    covariance : ndarray, (3, K) [pixel²]
        Coefficients of (Sxx, Sxy, Syy) for the monomials of ``degree``, in the PSF's own
        origin and unit.

    Notes
    -----
    A blur is not linear in its covariance. Where it varies, the change is the polynomial of
    degree two (or the PSF's own) that lies nearest to the exact one at three by three places.
    """
    core, step = core_of(psf.central), psf.oversampling
    if degree == 0:
        tables = [term.samples[core, core] for term in psf.terms]
        changes = np.stack([blur_change(table, step, covariance[:, 0]) for table in tables])
        return with_changes(psf, psf.degree, changes)
    u, v = (axis.ravel() for axis in np.meshgrid(NODES, NODES))
    order = max(psf.degree, 2)
    basis = np.stack([u**i * v**j for i, j in exponents(order)], axis=1)
    local = covariance @ np.stack([u**i * v**j for i, j in exponents(degree)])
    x, y = psf.origin[0] + u * psf.scale[0], psf.origin[1] + v * psf.scale[1]
    tables = [psf.at(float(a), float(b)).samples[core, core] for a, b in zip(x, y, strict=True)]
    exact = [blur_change(table, step, local[:, k]) for k, table in enumerate(tables)]
    return with_changes(psf, order, np.tensordot(np.linalg.pinv(basis), np.stack(exact), 1))


def with_changes(psf: FieldPsf, degree: int, changes: Float) -> FieldPsf:
    """Add tables (K, k, k), given within :func:`core_of`, to the terms of ``degree``."""
    core = core_of(psf.central)
    known = dict(zip(exponents(psf.degree), psf.terms, strict=True))
    added = dict(zip(exponents(degree), changes, strict=True))
    nothing = np.zeros_like(psf.terms[0].samples)
    degree = max(degree, psf.degree)
    terms = []
    for power in exponents(degree):
        samples = known[power].samples.copy() if power in known else nothing.copy()
        if power in added:
            samples[core, core] += added[power]
        terms.append(PixelPsf(samples, psf.oversampling))
    terms[0] = whole(terms[0], light_of(psf.terms[0]))
    terms[1:] = [_lightless(term) for term in terms[1:]]
    return replace(psf, terms=tuple(terms), degree=degree)


def _lightless(term: PixelPsf) -> PixelPsf:
    """Take the sum over each sub-pixel phase out of a term, in proportion to its size."""
    samples, step = term.samples.copy(), term.oversampling
    for j in range(step):
        for i in range(step):
            part = samples[j::step, i::step]
            size = np.abs(part)
            total = float(size.sum())
            if total > 0.0:
                part -= size * (part.sum() / total)
    return PixelPsf(samples, step)


def _squares(side: int, oversampling: int) -> tuple[Float, int]:
    """fx², 2 fx fy, fy² [(cycle/pixel)²] on the half-plane of a real transform, and its side."""
    size = int(scipy.fft.next_fast_len(side, real=True))
    fx = scipy.fft.rfftfreq(size, d=1.0 / oversampling)[None, :]
    fy = scipy.fft.fftfreq(size, d=1.0 / oversampling)[:, None]
    return np.stack(np.broadcast_arrays(fx * fx, 2.0 * fx * fy, fy * fy)), size


def _filtered(table: Float, factor: Float, size: int) -> Float:
    side = table.shape[0]
    transform = scipy.fft.rfft2(table, s=(size, size))
    return np.asarray(scipy.fft.irfft2(transform * factor, s=(size, size))[:side, :side])


def _fade(side: int) -> Float:
    """One in the middle, falling to zero towards the circle within the square (side, side)."""
    axis = np.linspace(-1.0, 1.0, side)
    radius = np.hypot(axis[:, None], axis[None, :])
    t = np.clip((1.0 - radius) / FADE, 0.0, 1.0)
    return np.asarray(t * t * (3.0 - 2.0 * t))
