"""How well a star's magnitude repeats from frame to frame: the noise of its light curve."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from csstream.evaluation.judged import judge
from csstream.evaluation.lists import Finds, Float, Truth
from csstream.evaluation.statistics import MAD_TO_SIGMA

OFTEN = 0.8  # share of the frames in which a star must be found


def magnitudes_over_frames(truth: Truth, frames: Sequence[Finds]) -> Float:
    """Return the magnitude of each star in each frame, (number of frames, m); nan where lost."""
    series = np.full((len(frames), len(truth)), np.nan)
    for row, finds in zip(series, frames, strict=True):
        judged = judge(finds, truth)
        found = judged.star >= 0
        row[judged.star[found]] = finds.mag[found]
    return series


def repeatability(truth: Truth, series: Float, edges: Sequence[float]) -> list[dict[str, float]]:
    """Return per bin of true magnitude how the scatter of a star compares with its bound.

    Parameters
    ----------
    series : ndarray, (frames, m) [mag]
        From :func:`magnitudes_over_frames`.

    Returns
    -------
    list of dict
        ``scatter`` [mag]: median over the stars of 1.4826 MAD over the frames; ``over_bound``:
        median of the same over each star's bound; ``found``: share of the stars that were found
        in at least 80 % of the frames; ``offset_over_sigma``: median of the star's mean offset
        over its bound.
    """
    lasting = np.isfinite(series).mean(axis=0) >= OFTEN
    scatter, offset = np.full(len(truth), np.nan), np.full(len(truth), np.nan)
    kept = series[:, lasting]
    middle = np.nanmedian(kept, axis=0)
    found = np.isfinite(kept).sum(axis=0)
    # The median of a few frames lies too close to them (Croux & Rousseeuw 1992).
    few = found / (found - 0.8)
    scatter[lasting] = few * MAD_TO_SIGMA * np.nanmedian(np.abs(kept - middle), axis=0)
    offset[lasting] = middle - truth.mag[lasting]
    rows = []
    for low, high in pairwise(edges):
        inside = truth.inside & (truth.mag >= low) & (truth.mag < high)
        used = inside & lasting & np.isfinite(truth.sigma_mag)
        row = {"low": low, "high": high, "stars": int(inside.sum())}
        row["found"] = float(lasting[inside].mean()) if inside.any() else float("nan")
        row["scatter"] = _median(scatter[used])
        row["over_bound"] = _median(scatter[used] / truth.sigma_mag[used])
        row["offset_over_sigma"] = _median(offset[used] / truth.sigma_mag[used])
        rows.append(row)
    return rows


def _median(values: Float) -> float:
    return float(np.median(values)) if values.size else float("nan")
