"""What the batched search of a panel hands to the close look and to the result."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy.typing as npt

from csstream.timeseries.event_scores import EventScores
from csstream.timeseries.event_search import SingleEvents
from csstream.timeseries.false_alarms import FalseAlarms
from csstream.timeseries.grids import FrequencyGrid
from csstream.timeseries.look import Trials
from csstream.timeseries.scores import Scores

Array = npt.NDArray[Any]


@dataclass(frozen=True, eq=False)
class Search:
    """What the batched search of a panel found. Times are relative to ``origin``."""

    origin: float  # [day]
    time: Array  # (m,) [day]
    boxes: FrequencyGrid
    sinusoids: FrequencyGrid
    residue: Array  # (n, boxes.count) float32: SR
    power: Array  # (n, sinusoids.count) float32: standard power of one sinusoid
    power_harmonics: Array  # (n, sinusoids.count) float32: that of a series of `harmonics`
    harmonics: int
    trials: Trials
    snr_bls: Array  # (n,)
    sde: Array  # (n,)
    power_ls: Array  # (n,)
    aov: Array  # (n,) analysis-of-variance statistic of the best harmonic series
    single: SingleEvents  # best single dip of each star
    single_scores: EventScores
    scores: Scores
    alarms: FalseAlarms

    @property
    def fap(self) -> Array:
        """Probability that noise alone stands out so much in one look at one star, (n,)."""
        return self.alarms.probability
