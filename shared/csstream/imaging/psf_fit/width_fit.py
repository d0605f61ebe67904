"""A PSF's width and shape from the residuals around a frame's bright stars.

All patches' normal equations are summed, with each star's flux and position and its neighbours'
projected out (variable projection: Golub & Pereyra 2003, Inverse Problems 19, R1), so that blends
do not pull the width. Patches that no PSF explains are left out.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from csstream.imaging.psf.blur import blur_modes, blurred_field, core_of, exponents
from csstream.imaging.psf.field_psf import FieldPsf
from csstream.imaging.psf_fit.patches import Patches, PatchSystems, advance, systems

Float = npt.NDArray[np.float64]

ROUNDS = 6
LINEAR = 0.03  # of the PSF's variance: after a smaller step another would change nothing
STILL = 0.03  # [pixel] the same, of the bright stars' typical shift
LEAST_TOLERANCE = 0.003  # relative error of a profile beyond the noise
MAX_STEP = 0.3  # of the PSF's variance, per round
STARS_PER_DEGREE = (0, 40, 100)
GAIN_PER_NUMBER = 8.0  # of chi2, that a higher degree must bring for each of its numbers
LEAST_FOR_SLOPE = 4  # patches
SURE = 3.0  # [sigma]
UNLISTED = 0.3  # of the degrees of freedom: sigma of the chi2 that unlisted stars add
BEST_SHARE = 0.25  # of the patches, that say how well a PSF can fit
CLIP = 3.0  # [sigma] of the patches' chi2


@dataclass(frozen=True, eq=False)
class WidthFit:
    """What the bright stars say about a PSF."""

    psf: FieldPsf
    patches: Patches  # with the stars' values under that PSF
    used: npt.NDArray[np.bool_]  # (n,) patches that the PSF explains
    error: float  # relative error of the PSF's values in the core, from what is left
    sure: float  # of it, what noise alone would hardly make


def fit_width(
    psf: FieldPsf, patches: Patches, tolerance: float, doubt: float, most_degree: int = 2
) -> WidthFit:
    """Fit a blur of the PSF, varying over the field where the stars show it.

    Parameters
    ----------
    psf : FieldPsf
        Its origin and scale must be those of the frame, see ``framed``.
    tolerance : float
        Relative error that the PSF's values may have at the start.
    doubt : float
        Sigma of the prior of the blur in units of the PSF's own variance.
    most_degree : int
        Of the polynomials by which the blur may vary over the field.
    """
    variance = (psf.fwhm / 2.3548) ** 2
    places = patches.places()
    for _ in range(ROUNDS):
        core = core_of(psf.central)
        modes = blur_modes(psf.central.samples[core, core], psf.oversampling)
        slope = _peak_slopes(psf, modes)
        solved = systems(patches, psf, modes, tolerance)
        used = explained(solved)
        degree, blur = _best_blur(psf, solved, used, places, doubt * variance, most_degree)
        blur = np.clip(blur, -MAX_STEP * variance, MAX_STEP * variance)
        amounts = field_basis(psf, places, degree) @ blur.T
        psf = blurred_field(psf, blur, degree)
        moved = advance(patches, solved, amounts)
        left = _after(solved, amounts)
        if np.abs(amounts).max() < LINEAR * variance and moved < STILL:
            break
        error = _left_error(left, used, patches.all_listed)
        tolerance = max(min(2.0 * error, tolerance), LEAST_TOLERANCE)
    used = explained(left)
    error = _left_error(left, used, patches.all_listed)
    error = np.hypot(error, _blur_error(slope, left, used))
    return WidthFit(psf, patches, used, float(error), profile_error(left, used)[1])


def explained(solved: PatchSystems) -> npt.NDArray[np.bool_]:
    """Patches that fit the PSF not much worse than the best quarter of them; (n,).

    Hidden neighbours make stars wider, never narrower: the middle of all stars would be biased.
    What is compared is the relative error of the profile, which a wrong PSF gives to all stars.
    """
    known = (solved.freedom > 0.0) & (solved.signal > 0.0)
    if not known.any():
        return known
    excess, spread = _excess(solved, known)
    bound = 2.0 * max(float(np.quantile(excess[known], BEST_SHARE)), 0.0) + CLIP * spread
    return known & (excess < bound)


def profile_error(solved: PatchSystems, used: npt.NDArray[np.bool_]) -> tuple[float, float]:
    """Relative error of the profile that explains what chi2 is left; and what is sure of it.

    Light of stars that no list holds adds the same to bright and faint stars, an error of the PSF
    adds in proportion to the signal: the slope of a line through the patches is what counts. Sure
    is what lies three of its sigmas above nothing.
    """
    if np.count_nonzero(used) < LEAST_FOR_SLOPE:
        return np.inf, np.inf
    signal, freedom = solved.signal[used], solved.freedom[used]
    left, held = solved.chi2[used] - freedom, (UNLISTED * float(np.mean(freedom))) ** -2
    slope, sigma = 0.0, 0.0
    for _ in range(3):
        weight = 1.0 / (2.0 * freedom + (0.5 * slope * signal) ** 2)
        normal = np.array(
            [[weight.sum() + held, weight @ signal], [weight @ signal, weight @ signal**2]]
        )
        inverse = np.linalg.inv(normal)
        slope = max(float(inverse[1] @ [weight @ left, weight @ (signal * left)]), 0.0)
        sigma = float(np.sqrt(inverse[1, 1]))
    return float(np.sqrt(slope)), float(np.sqrt(max(slope - SURE * sigma, 0.0)))


def _left_error(solved: PatchSystems, used: npt.NDArray[np.bool_], all_listed: bool) -> float:
    """Error of the profile; where neighbours are not listed the best quarter of stars says it."""
    error, _ = profile_error(solved, used)
    if all_listed or not np.isfinite(error):
        return error
    excess, _ = _excess(solved, used)
    bright = used & (solved.signal >= np.quantile(solved.signal[used], 0.5))
    least = max(float(np.quantile(excess[bright], BEST_SHARE)), 0.0)
    return min(error, float(np.sqrt(least)))


def _excess(solved: PatchSystems, known: npt.NDArray[np.bool_]) -> tuple[Float, Float]:
    """Return the squared relative error of each profile, and its sigma from noise alone; (n,)."""
    freedom = np.where(known, solved.freedom, 1.0)
    signal = np.where(known, solved.signal, 1.0)
    noise = max(1.0, float(np.quantile((solved.chi2 / freedom)[known], 0.1)))
    return (solved.chi2 - noise * freedom) / signal, noise * np.sqrt(2.0 * freedom) / signal


def misfit(solved: PatchSystems, used: npt.NDArray[np.bool_]) -> float:
    """Return the median reduced chi2 of the patches, at least one."""
    if not used.any():
        return 1.0
    return max(float(np.median((solved.chi2 / solved.freedom)[used])), 1.0)


def _after(solved: PatchSystems, amounts: Float) -> PatchSystems:
    """Return the systems with the chi2 that is left once the modes took ``amounts`` (n, q)."""
    pulled = np.einsum("nq,nq->n", amounts, solved.gradient)
    held = np.einsum("na,nab,nb->n", amounts, solved.normal, amounts)
    return replace(solved, chi2=solved.chi2 - 2.0 * pulled + held)


def _peak_slopes(psf: FieldPsf, modes: Float) -> Float:
    """Relative change of the PSF's peak by each mode (3, k, k) [1/pixel²]."""
    middle, centre = modes.shape[1] // 2, psf.central.samples.shape[0] // 2
    return np.asarray(modes[:, middle, middle] / psf.central.samples[centre, centre])


def _blur_error(slope: Float, solved: PatchSystems, used: npt.NDArray[np.bool_]) -> float:
    """Relative error of the PSF's peak that the blur's own error makes."""
    if not used.any():
        return np.inf
    normal = solved.normal[used].sum(axis=0)
    normal += 1e-12 * np.trace(normal) * np.eye(normal.shape[0])
    return math.sqrt(max(float(slope @ np.linalg.solve(normal, slope)), 0.0))


def field_basis(psf: FieldPsf, places: tuple[Float, Float], degree: int) -> Float:
    """Return the field's monomials of ``degree`` at places (n,) [pixel]; (n, K)."""
    u = (places[0] - psf.origin[0]) / psf.scale[0]
    v = (places[1] - psf.origin[1]) / psf.scale[1]
    return np.stack([u**i * v**j for i, j in exponents(degree)], axis=1)


def _best_blur(
    psf: FieldPsf,
    solved: PatchSystems,
    used: npt.NDArray[np.bool_],
    places: tuple[Float, Float],
    sigma: float,
    most_degree: int,
) -> tuple[int, Float]:
    """Return the degree in the field and the blur (3, K) that the patches ask for."""
    best, gain = (0, np.zeros((3, 1))), 0.0
    noise = misfit(solved, used)
    for degree, least in enumerate(STARS_PER_DEGREE[: most_degree + 1]):
        if np.count_nonzero(used) < least:
            break
        basis = field_basis(psf, places, degree)[used]
        amounts, better = _solve_field(solved, used, basis, noise / sigma**2)
        numbers = amounts.size - best[1].size if degree else 0
        if degree == 0 or better - gain > GAIN_PER_NUMBER * noise * numbers:
            best, gain = (degree, amounts), better
    return best


def _solve_field(
    solved: PatchSystems, used: npt.NDArray[np.bool_], basis: Float, prior: float
) -> tuple[Float, float]:
    """Solve for the modes' polynomials; return (q, K) and how much chi2 they take away."""
    q, k = solved.gradient.shape[1], basis.shape[1]
    normal = np.einsum("nab,ni,nj->aibj", solved.normal[used], basis, basis).reshape(q * k, q * k)
    gradient = np.einsum("na,ni->ai", solved.gradient[used], basis).ravel()
    normal[np.diag_indices(q * k)] += prior
    amounts = np.linalg.solve(normal, gradient)
    return amounts.reshape(q, k), float(gradient @ amounts)
