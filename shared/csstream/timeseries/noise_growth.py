"""By how much correlated noise widens averages, for each star of a panel.

A star's own curve says it only roughly, the longer the average the worse: a tenth of the span is
averaged ten times. The other stars of the panel say what is usual. Most stars are taken to follow
the panel's median, some to differ from it freely; how many do is read from the panel.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]

AVERAGES: Final = np.geomspace(1.0 / 120.0, 1.0 / 5.0, 6)  # lengths of averages, over the span
VARIANCE: Final = 1.5 * AVERAGES  # of log growth from one curve: half-overlapping averages
OWN: Final = 0.7  # variance of log growth among stars that do not follow the panel
OWN_SHARE: Final = 0.2  # of the stars, to start with
SHARE_LIMITS: Final = (0.02, 0.98)
STEPS: Final = 6
PANEL_STARS: Final = 20  # fewer stars do not say what is usual


@dataclass(frozen=True, eq=False)
class Growth:
    """Variance of an average over that expected of white noise; (n,) each."""

    value: Array  # at least 1
    doubt: Array  # variance of its logarithm
    usual: Array  # geometric mean of the panel's values, the same for all its stars


def growth_of(measured: Array, lengths: Array, duration: Array) -> Growth:
    """Growth of each star over its own duration.

    Parameters
    ----------
    measured : ndarray, (n, k): of each star at the lengths of :data:`AVERAGES`.
    lengths : ndarray, (k,) [day]; duration : ndarray, (n,) [day].

    Between lengths the logarithm is interpolated; below the shortest the growth falls with the
    number of points that are averaged, beyond the longest it stays.
    """
    value, doubt = drawn_to_panel(np.log(np.maximum(measured, 1e-3)))
    log, x = np.log(lengths), np.log(np.clip(duration, lengths[0], lengths[-1]))
    k = np.clip(np.searchsorted(log, x) - 1, 0, len(lengths) - 2)
    part, rows = (x - log[k]) / (log[k + 1] - log[k]), np.arange(len(value))
    value = (1.0 - part) * value[rows, k] + part * value[rows, k + 1]
    doubt = (1.0 - part) * doubt[rows, k] + part * doubt[rows, k + 1]
    short = np.minimum(duration / lengths[0], 1.0)
    growth = 1.0 + np.maximum(np.exp(value) - 1.0, 0.0) * short
    usual = np.exp(np.mean(np.log(growth))) if len(growth) else 1.0
    return Growth(growth, doubt * short, np.full(len(growth), usual))


def drawn_to_panel(log: Array) -> tuple[Array, Array]:
    """Mean and variance of the log growth (n, k) given the star's own and its panel's.

    A mixture of stars that follow the panel's median and of others, spread about it with the
    variance :data:`OWN`; its share by expectation and maximisation. Of fewer than 20 stars the
    median is taken as 0 and the share as :data:`OWN_SHARE`.
    """
    alone = len(log) < PANEL_STARS
    middle = np.zeros(log.shape[1]) if alone else np.median(log, axis=0)
    off = log - middle
    wide = VARIANCE + OWN
    odds = np.exp(-0.5 * off**2 / VARIANCE + 0.5 * off**2 / wide) * np.sqrt(wide / VARIANCE)
    share = np.full(log.shape[1], OWN_SHARE)
    for _ in range(1 if alone else STEPS):
        own = 1.0 / (1.0 + (1.0 - share) / share * odds)
        if not alone:
            share = np.clip(own.mean(axis=0), *SHARE_LIMITS)
    kept = OWN / wide
    mean = middle + own * kept * off
    return mean, own * kept * VARIANCE + own * (1.0 - own) * (kept * off) ** 2
