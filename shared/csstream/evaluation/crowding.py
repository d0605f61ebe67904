"""How crowded a star is, and how that costs recall and precision of its magnitude."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import numpy.typing as npt
from scipy.spatial import cKDTree

from csstream.evaluation.judged import WIDEST, Judged
from csstream.evaluation.lists import Float
from csstream.evaluation.statistics import robust_width

FAR = 8.0  # [pixel] beyond it a neighbour does not matter
COMPARABLE = 1.0  # [mag] a neighbour this much fainter still counts
EDGES = (0.0, 0.5, 1.0, 1.5, 2.0, 3.0, 5.0, np.inf)  # [pixel]


def neighbour_distance(x: npt.ArrayLike, y: npt.ArrayLike, mag: npt.ArrayLike) -> Float:
    """Return each star's distance to the nearest comparable neighbour [pixel], (n,).

    Comparable: brighter, or fainter by less than a magnitude. inf where none is within 8 pixels.
    """
    points = np.stack([np.asarray(x, np.float64), np.asarray(y, np.float64)], axis=1)
    brightness = np.asarray(mag, np.float64)
    nearest = np.full(len(points), np.inf)
    if len(points) < 2:
        return nearest
    pairs = cKDTree(points).query_pairs(FAR, output_type="ndarray")
    apart = np.hypot(*(points[pairs[:, 0]] - points[pairs[:, 1]]).T)
    for one, other in ((0, 1), (1, 0)):
        a, b = pairs[:, one], pairs[:, other]
        counts = brightness[b] < brightness[a] + COMPARABLE
        np.minimum.at(nearest, a[counts], apart[counts])
    return nearest


def by_crowding(judged: Judged, radius: float = WIDEST) -> list[dict[str, float]]:
    """Return recall, scatter over the bound and bias of the scored stars by neighbour distance."""
    hit = judged.hit(radius)
    found = np.flatnonzero(judged.right(radius))
    star = judged.star[found]
    miss = judged.finds.mag[found] - judged.truth.mag[star]
    pull = miss / judged.truth.sigma_mag[star]
    usable = judged.scored[star] & np.isfinite(pull)
    rows = []
    near = np.minimum(judged.truth.neighbour, FAR)
    for low, high in pairwise(EDGES):
        inside = judged.scored & (near >= low) & (near < high)
        chosen = usable & (near[star] >= low) & (near[star] < high)
        row = {"low": low, "high": high, "stars": int(inside.sum())}
        row["recall"] = float(hit[inside].mean()) if inside.any() else float("nan")
        row["mean_abs_dm"] = float(np.abs(miss[chosen]).mean()) if chosen.any() else float("nan")
        row["width_over_bound"] = robust_width(pull[chosen])
        rows.append(row)
    return rows
