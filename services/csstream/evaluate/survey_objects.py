"""Which simulated star an object of the list shows."""

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
    """Return what has a curve, and which simulated star it shows.

    A variable belongs to the nearest object within a pixel, each to one at most; any other object
    to the brightest constant star within half a pixel.
    """
    stars = listing.reference.stars
    star = _own_variable(listing, truth)
    free = np.flatnonzero(star < 0)
    star[free] = _brightest(listing.x[free], listing.y[free], truth)
    known = np.maximum(star, 0)
    away = np.hypot(truth.x[known] - listing.x, truth.y[known] - listing.y)
    flux = np.where(stars.flux > 0.0, stars.flux, np.nan)
    return ObjectList(
        object_id=stars.object_id,
        x=listing.x,
        y=listing.y,
        ra=stars.ra,
        dec=stars.dec,
        mag=listing.reference.zero_point - 2.5 * np.log10(flux),
        star=star,
        distance=np.where(star >= 0, away, np.nan),
        variable_distance=_beside(listing, truth, star),
    )


def _own_variable(listing: Listing, truth: StarTruth) -> Int:
    star = np.full(listing.x.size, -1, np.int64)
    variable = np.flatnonzero(truth.kind != "none")
    mine, theirs, _ = match_pixels(
        truth.x[variable], truth.y[variable], listing.x, listing.y, OWN_RADIUS
    )
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


def _beside(listing: Listing, truth: StarTruth, star: Int) -> Float:
    """Return the distance of each object to the nearest variable that is not its own [pixel]."""
    variable = np.flatnonzero(truth.kind != "none")
    if variable.size == 0:
        return np.full(listing.x.size, np.inf)
    tree = cKDTree(np.stack([truth.x[variable], truth.y[variable]], axis=1))
    distance, index = tree.query(np.stack([listing.x, listing.y], axis=1), k=2)
    own = np.append(variable, -2)[index[:, 0]] == star
    return np.where(own, distance[:, 1], distance[:, 0])
