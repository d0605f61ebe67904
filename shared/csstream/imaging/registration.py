"""Frames without a celestial WCS: registered to a reference frame by their pattern of stars.

Every pair of bright stars votes for a shift, first of the frame as it is and then turned by up to
three degrees. Where no shift convinces, triangles of bright stars (astroalign; Beroiz et al. 2020,
A&C 32, 100384) give a similarity transform of any angle. What is found is refined to an affine map
on all stars and accepted only if many more stars agree than by chance. Votes come first because
they depend on the stars alone; astroalign tries triangles in random order.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from astropy.wcs import WCS
from scipy.special import gammainc

from csstream.imaging.errors import FrameError
from csstream.imaging.matching import match_pixels

Float = npt.NDArray[np.float64]

TRIANGLE_STARS = 60
VOTING_STARS = 150
VOTE_BIN = 6.0  # [pixel]
LARGEST_TURN = 0.055  # [rad] that votes look for
GROWTH_STEPS = 20  # matchings at most, while more stars agree each time
LEAST_MATCHES = 6
MAX_SCALE_ERROR = 0.05
MAPS_TRIED = 1e4  # turns and affine terms tried for each shift, in order of magnitude
LARGEST_CHANCE = 1e-4  # of accepting a field that is another


@dataclass(frozen=True, eq=False)
class Affine:
    """A map of the plane: ``target = matrix @ source + shift``, pixels."""

    matrix: Float  # (2, 2)
    shift: Float  # (2,)
    matched: int = 0  # stars that agree
    rms: float = math.nan  # [pixel] of their residuals, per axis

    def apply(self, x: npt.ArrayLike, y: npt.ArrayLike) -> tuple[Float, Float]:
        """Map positions (n,) of the source frame to the target frame."""
        points = np.stack([np.atleast_1d(x), np.atleast_1d(y)]).astype(np.float64)
        moved = self.matrix @ points + self.shift[:, None]
        return moved[0], moved[1]


def register(
    x: npt.ArrayLike,
    y: npt.ArrayLike,
    flux: npt.ArrayLike,
    reference_x: npt.ArrayLike,
    reference_y: npt.ArrayLike,
    reference_flux: npt.ArrayLike,
    *,
    tolerance: float = 1.5,
) -> Affine:
    """Find the map from a frame's pixels to those of a reference frame.

    Parameters
    ----------
    x, y, flux : array, (n,)
        Stars of the frame [pixel, any unit].
    reference_x, reference_y, reference_flux : array, (m,)
        Stars of the reference frame.
    tolerance : float [pixel]
        Stars closer than this after the map agree.

    Raises
    ------
    FrameError
        ``not_registered``: no map brings enough stars together.

    Notes
    -----
    Shifts by half a field and rotations are allowed; the scale may differ by 5 %.
    """
    own = _sorted_by_flux(x, y, flux)
    other = _sorted_by_flux(reference_x, reference_y, reference_flux)
    best: Affine | None = None
    for guess in _guesses(own, other):
        found = _refined(guess, own, other, tolerance)
        if found is not None and (best is None or found.matched > best.matched):
            best = found
        if best is not None and _complete(best, own, other):
            break
    if best is None:
        raise FrameError(
            "not_registered",
            f"the pattern of {len(own)} stars was not found among the {len(other)} stars of the "
            "reference frame: another field, too few stars, or too small an overlap",
        )
    return best


def wcs_from_registration(affine: Affine, reference_wcs: Any, shape: tuple[int, int]) -> Any:
    """Compose a TAN WCS for a frame from its map to a reference frame that has a WCS.

    With x_ref = A x + b the frame has CD' = CD·A and CRPIX' = A⁻¹(CRPIX − b). A reference with
    another projection or distortions is first replaced by the TAN plane that touches it at the
    frame's centre.
    """
    if not _is_plain_tan(reference_wcs):
        reference_wcs = _tangent_wcs(reference_wcs, affine, shape)
    # FITS pixels are 1-based: shift both frames by one.
    shift = affine.shift + 1.0 - affine.matrix @ np.ones(2)
    wcs = WCS(naxis=2)
    wcs.wcs.ctype = list(reference_wcs.wcs.ctype)
    wcs.wcs.crval = np.array(reference_wcs.wcs.crval)
    wcs.wcs.cd = reference_wcs.pixel_scale_matrix @ affine.matrix
    wcs.wcs.crpix = np.linalg.solve(affine.matrix, np.array(reference_wcs.wcs.crpix) - shift)
    wcs.wcs.radesys = reference_wcs.wcs.radesys or "ICRS"
    if reference_wcs.wcs.radesys == "FK5":
        wcs.wcs.equinox = reference_wcs.wcs.equinox
    wcs.wcs.set()
    return wcs


def nominal_wcs(pointing: tuple[float, float], scale_arcsec: float, shape: tuple[int, int]) -> Any:
    """Return a TAN WCS with the pointing [deg] at the frame's centre: north up, east left.

    It is as right as the pointing is; only positions relative to each other can be trusted.
    Raises :class:`FrameError` ``missing_keyword`` when the pointing is not known.
    """
    ra, dec = pointing
    if not (math.isfinite(ra) and math.isfinite(dec)):
        raise FrameError("missing_keyword", "no celestial WCS, and no RA and DEC to make one of")
    ny, nx = shape
    wcs = WCS(naxis=2)
    wcs.wcs.ctype = ["RA---TAN", "DEC--TAN"]
    wcs.wcs.crval = [ra, dec]
    wcs.wcs.crpix = [0.5 * (nx + 1), 0.5 * (ny + 1)]
    wcs.wcs.cdelt = [-scale_arcsec / 3600.0, scale_arcsec / 3600.0]
    wcs.wcs.radesys = "ICRS"
    wcs.wcs.set()
    return wcs


def _sorted_by_flux(x: npt.ArrayLike, y: npt.ArrayLike, flux: npt.ArrayLike) -> Float:
    points = np.stack([np.atleast_1d(x), np.atleast_1d(y)], axis=1).astype(np.float64)
    brightness = np.atleast_1d(np.asarray(flux, np.float64))
    good = np.isfinite(points).all(axis=1) & np.isfinite(brightness)
    order = np.argsort(-brightness[good], kind="stable")
    return points[good][order]


def _by_triangles(own: Float, other: Float) -> Affine | None:
    import astroalign

    if min(len(own), len(other)) < 5:
        return None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            found, _ = astroalign.find_transform(own[:TRIANGLE_STARS], other[:TRIANGLE_STARS])
    except Exception:  # it raises its own, numpy's and skimage's errors when it finds nothing
        return None
    matrix = np.asarray(found.params)
    return Affine(matrix[:2, :2], matrix[:2, 2])


def _guesses(own: Float, other: Float) -> Iterator[Affine]:
    """First maps, the cheapest first."""
    if min(len(own), len(other)) < LEAST_MATCHES:
        return
    yield _by_votes(own, other, np.zeros(1))
    size = float(np.hypot(*np.ptp(own, axis=0)))
    steps = math.ceil(LARGEST_TURN * 0.5 * size / (0.5 * VOTE_BIN))
    yield _by_votes(own, other, np.linspace(-LARGEST_TURN, LARGEST_TURN, 2 * steps + 1))
    found = _by_triangles(own, other)
    if found is not None:
        yield found


def _by_votes(own: Float, other: Float, angles: Float) -> Affine:
    """The turn [rad] and the shift for which most pairs of bright stars vote."""
    a, b = own[:VOTING_STARS], other[:VOTING_STARS]
    best, most = Affine(np.eye(2), np.zeros(2)), 0
    for angle in angles:
        turn = np.array([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
        shifts = (b[None, :, :] - (a @ turn.T)[:, None, :]).reshape(-1, 2)
        shift, votes = _densest(shifts)
        if votes > most:
            best, most = Affine(turn, shift), votes
    return best


def _densest(shifts: Float) -> tuple[Float, int]:
    """Mean of the shifts (n, 2) in the fullest bin, and their number.

    The bins lie four times, half a bin apart, so that no group is cut by an edge.
    """
    best, most = shifts[0], 0
    for offset in np.ndindex(2, 2):
        cells = np.floor(shifts / VOTE_BIN + 0.5 * np.array(offset)).astype(np.int64)
        keys = cells[:, 0] * (1 << 32) + cells[:, 1]
        names, counts = np.unique(keys, return_counts=True)
        top = int(np.argmax(counts))
        if counts[top] > most:
            best, most = shifts[keys == names[top]].mean(axis=0), int(counts[top])
    return best, most


def _refined(guess: Affine, own: Float, other: Float, tolerance: float) -> Affine | None:
    """Iterate matching and an affine fit, from wide to narrow; None if not convincing.

    The last radius is kept while more stars agree each time: a map that began on a few stars in
    one corner so grows over the whole overlap.
    """
    current = guess
    for radius in (3.0, 2.0, *([1.0] * GROWTH_STEPS)):
        x, y = current.apply(own[:, 0], own[:, 1])
        mine, theirs, _ = match_pixels(x, y, other[:, 0], other[:, 1], radius * tolerance)
        if mine.size < LEAST_MATCHES:
            return None
        before, current = current, _fit_affine(own[mine], other[theirs])
        if radius == 1.0 and current.matched <= before.matched:
            break
    return current if _convincing(current, own, other, tolerance) else None


def _fit_affine(source: Float, target: Float) -> Affine:
    design = np.column_stack([source, np.ones(len(source))])
    keep = np.ones(len(source), bool)
    for _ in range(3):
        solution, *_ = np.linalg.lstsq(design[keep], target[keep], rcond=None)
        miss = np.hypot(*(design @ solution - target).T)
        keep = miss <= max(3.0 * float(np.median(miss[keep])), 1e-9)
        if keep.sum() < LEAST_MATCHES:
            break
    rms = float(np.sqrt(0.5 * np.mean(miss[keep] ** 2))) if keep.any() else math.nan
    matrix, shift = np.array(solution[:2].T, np.float64), np.array(solution[2], np.float64)
    return Affine(matrix, shift, int(keep.sum()), rms)


def _convincing(found: Affine, own: Float, other: Float, tolerance: float) -> bool:
    """Whether the scale is right and far more stars agree than would by chance."""
    if found.matched < LEAST_MATCHES:
        return False
    stretch = np.linalg.svd(found.matrix, compute_uv=False)
    if np.any(np.abs(stretch - 1.0) > MAX_SCALE_ERROR):
        return False
    low, high = other.min(axis=0), other.max(axis=0)
    places = float(np.prod(np.maximum(high - low, 1.0))) / (math.pi * tolerance**2)
    chance = _inside(found, own, other) * min(1.0, len(other) / places)
    # Poisson's probability of so many by chance, for one map; the best of many was chosen.
    return float(gammainc(found.matched, chance)) * places * MAPS_TRIED < LARGEST_CHANCE


def _complete(found: Affine, own: Float, other: Float) -> bool:
    """Whether so many stars of the overlap agree that no better map needs to be looked for."""
    return found.matched >= 0.3 * min(_inside(found, own, other), float(len(other)))


def _inside(found: Affine, own: Float, other: Float) -> float:
    """Number of the frame's stars that fall on the reference's part of the plane."""
    x, y = found.apply(own[:, 0], own[:, 1])
    low, high = other.min(axis=0), other.max(axis=0)
    return float(np.sum((x >= low[0]) & (x <= high[0]) & (y >= low[1]) & (y <= high[1])))


def _is_plain_tan(wcs: Any) -> bool:
    kinds = {str(kind)[4:].strip("-") for kind in wcs.wcs.ctype}
    tables = (wcs.sip, wcs.cpdis1, wcs.cpdis2, wcs.det2im1, wcs.det2im2)
    return kinds == {"TAN"} and all(table is None for table in tables)


def _tangent_wcs(wcs: Any, affine: Affine, shape: tuple[int, int]) -> Any:
    """Fit a TAN WCS over the part of the reference that the frame covers."""
    from astropy.wcs.utils import fit_wcs_from_points

    ny, nx = shape
    i, j = np.meshgrid(np.linspace(0, nx - 1, 12), np.linspace(0, ny - 1, 12))
    x, y = affine.apply(i.ravel(), j.ravel())
    return fit_wcs_from_points((x, y), wcs.pixel_to_world(x, y).icrs, projection="TAN")
