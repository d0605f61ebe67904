"""Which simulated star an object shows."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy.spatial import cKDTree

from csstream.evaluate.survey_arms import Listing
from csstream.evaluation.curve_store import ObjectList, StarTruth
from csstream.imaging.matching import match_pixels

Float = npt.NDArray[np.float64]
Int = npt.NDArray[np.int64]

OWN_RADIUS = 1.0  # [pixel] between a variable and the object that shows its light
LINK_RADIUS = 0.5  # [pixel] between a constant star and its object


def object_list(listing: Listing, truth: StarTruth) -> ObjectList:
    """Return what the list has, and which simulated star each of it shows."""
    stars = listing.reference.stars
    star, distance, beside = show(listing.x, listing.y, truth)
    flux = np.where(stars.flux > 0.0, stars.flux, np.nan)
    return ObjectList(
        object_id=stars.object_id,
        x=listing.x,
        y=listing.y,
        ra=stars.ra,
        dec=stars.dec,
        mag=listing.reference.zero_point - 2.5 * np.log10(flux),
        star=star,
        distance=distance,
        variable_distance=beside,
    )


def show(
    x: Float, y: Float, truth: StarTruth, taken: Int | None = None
) -> tuple[Int, Float, Float]:
    """Return what objects at ``x``, ``y`` (n,) [pixel] show.

    A variable belongs to the nearest object within a pixel, each to one at most, and none of
    ``taken``, which other objects show; any other object to the brightest constant star within
    half a pixel. Returned are the row of the star (-1: none), the distance to it [pixel], and the
    distance to the nearest variable that is not the object's own [pixel], all (n,).
    """
    variable = np.flatnonzero(truth.kind != "none")
    star = _own_variable(x, y, truth, np.setdiff1d(variable, [] if taken is None else taken))
    free = np.flatnonzero(star < 0)
    star[free] = _brightest(x[free], y[free], truth)
    known = np.maximum(star, 0)
    away = np.hypot(truth.x[known] - x, truth.y[known] - y)
    return star, np.where(star >= 0, away, np.nan), _beside(x, y, truth, star)


def _own_variable(x: Float, y: Float, truth: StarTruth, variable: Int) -> Int:
    star = np.full(x.size, -1, np.int64)
    mine, theirs, _ = match_pixels(truth.x[variable], truth.y[variable], x, y, OWN_RADIUS)
    star[theirs] = variable[mine]
    return star


def _brightest(x: Float, y: Float, truth: StarTruth) -> Int:
    constant = np.flatnonzero(truth.kind == "none")
    ranked = constant[np.argsort(truth.mag[constant], kind="stable")]
    if ranked.size == 0:
        return np.full(x.size, -1, np.int64)
    tree = cKDTree(np.stack([truth.x[ranked], truth.y[ranked]], axis=1))
    near = tree.query_ball_point(np.stack([x, y], axis=1), LINK_RADIUS)
    return np.array([ranked[min(rows)] if rows else -1 for rows in near], np.int64)


def _beside(x: Float, y: Float, truth: StarTruth, star: Int) -> Float:
    """Return the distance of each object to the nearest variable that is not its own [pixel]."""
    variable = np.flatnonzero(truth.kind != "none")
    if variable.size == 0:
        return np.full(x.size, np.inf)
    tree = cKDTree(np.stack([truth.x[variable], truth.y[variable]], axis=1))
    distance, index = tree.query(np.stack([x, y], axis=1), k=2)
    own = np.append(variable, -2)[index[:, 0]] == star
    return np.where(own, distance[:, 1], distance[:, 0])
