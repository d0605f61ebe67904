"""By how much correlated noise widens averages, for each star of a panel.

A star's own curve says it only roughly, the longer the average the worse: a tenth of the span is
averaged ten times. The other stars of the panel say what is usual. A star either follows its
panel, or has a growth of its own; how many do is read from the panel. Both are kept, with the
probability of the second: the tail of a statistic is that of a mixture. A single mean value with a
wider error would say too little of a star that is red by chance, and too much of all others.

What is measured is the true growth times a chi² over its degrees of freedom. Growths of stars of
their own are an inverse gamma distribution about the panel's, its conjugate: the Gaussian tail
averaged over it is exactly a Student's t, and the exponential one a power (Gelman et al., Bayesian
Data Analysis, section 3.3).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from scipy.special import gammaln

Array = npt.NDArray[Any]

AVERAGES: Final = np.geomspace(1.0 / 120.0, 1.0 / 5.0, 6)  # lengths of averages, over the span
# Of the measured growth over its mean, in white noise (counted): half-overlapping averages.
VARIANCE: Final = AVERAGES * np.array([0.8, 1.2, 1.5, 1.6, 1.8, 2.0])
SHAPE: Final = 2.0  # of the inverse gamma distribution of own growths over the usual: mean 2
OWN_SHARE: Final = 0.2  # of the stars, to start with
SHARE_LIMITS: Final = (0.0005, 0.98)
STEPS: Final = 30  # a quiet panel's share falls slowly, and it decides the tail of all its stars
PANEL_STARS: Final = 20  # fewer stars do not say what is usual


@dataclass(frozen=True, eq=False)
class Growth:
    """Variance of an average over that expected of white noise; (n,) each.

    A star follows its panel with the probability ``1 - share``: then it is ``usual``. Else it is
    ``own * shape`` over a gamma variate of this ``shape``.
    """

    usual: Array  # at least 1
    own: Array  # at least 1
    shape: Array
    share: Array
    doubt: Array  # mean of share / shape, the same for all stars of the panel

    @property
    def value(self) -> Array:
        """Geometric mean of the two, weighted with their probabilities."""
        return np.asarray(self.usual ** (1.0 - self.share) * self.own**self.share)


def growth_of(
    measured: Array, lengths: Array, duration: Array, variance: Array = VARIANCE
) -> Growth:
    """Growth of each star over its own duration.

    Parameters
    ----------
    measured : ndarray, (n, k): of each star at the lengths of :data:`AVERAGES`.
    lengths : ndarray, (k,) [day]; duration : ndarray, (n,) [day].
    variance : ndarray, (k,): of the measured growth of white noise.

    Between lengths the logarithm is interpolated; below the shortest the growth falls with the
    number of points that are averaged, beyond the longest it stays.
    """
    usual, own, share = drawn_to_panel(np.maximum(measured, 1e-3), variance)
    log, x = np.log(lengths), np.log(np.clip(duration, lengths[0], lengths[-1]))
    k = np.clip(np.searchsorted(log, x) - 1, 0, len(lengths) - 2)
    part, rows = (x - log[k]) / (log[k + 1] - log[k]), np.arange(len(own))

    def at(values: Array) -> Array:
        values = np.broadcast_to(values, own.shape)
        return np.asarray((1.0 - part) * values[rows, k] + part * values[rows, k + 1])

    short = np.minimum(duration / lengths[0], 1.0)
    shape = at(SHAPE + 1.0 / variance) / np.maximum(short, 1e-9)
    chance = at(share)
    doubt = np.mean(chance / shape) if len(own) else 0.0
    return Growth(
        1.0 + np.maximum(np.exp(at(np.log(usual))) - 1.0, 0.0) * short,
        1.0 + np.maximum(np.exp(at(np.log(own))) - 1.0, 0.0) * short,
        shape, chance, np.full(len(own), doubt),
    )  # fmt: skip


def drawn_to_panel(measured: Array, variance: Array = VARIANCE) -> tuple[Array, Array, Array]:
    """Usual growth (k,), that of a star of its own (n, k), and the probability of the second.

    measured : ndarray, (n, k), above 0. The panel's share of stars of their own is found by
    expectation and maximisation. Of fewer than 20 stars the usual growth is taken as 1 and the
    share as :data:`OWN_SHARE`.
    """
    alone, half = len(measured) < PANEL_STARS, 1.0 / variance  # of the degrees of freedom
    usual = np.ones(measured.shape[1]) if alone else np.median(measured, axis=0)
    if not alone:
        usual = usual / (1.0 - 1.0 / (9.0 * half)) ** 3  # median of chi² (Wilson & Hilferty 1931)
    ratio = measured / usual
    both = SHAPE + half * ratio
    # Logarithm of the likelihood of a star that follows over that of one of its own.
    odds = gammaln(SHAPE) - SHAPE * np.log(SHAPE) - half * ratio
    odds = np.clip(odds - gammaln(SHAPE + half) + (SHAPE + half) * np.log(both), -500.0, 500.0)
    share = np.full(measured.shape[1], OWN_SHARE)
    for _ in range(1 if alone else STEPS):
        own = 1.0 / (1.0 + (1.0 - share) / share * np.exp(odds))
        if not alone:
            share = np.clip(own.mean(axis=0), *SHARE_LIMITS)
    return usual, usual * both / (SHAPE + half), own
