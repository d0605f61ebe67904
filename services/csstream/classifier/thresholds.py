"""Which examined curves cross the thresholds. Pure: the science's numbers in, flags out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from csstream.classifier.decisions import Findings
from csstream.contracts.records import Panel
from csstream.timeseries.examine import ExaminationResult
from csstream.timeseries.kinds import KINDS

Array = npt.NDArray[Any]
NONE: Final = KINDS.index("none")
PULSATING: Final = KINDS.index("pulsating")


@dataclass(frozen=True, kw_only=True)
class Thresholds:
    """What a curve must reach at one look."""

    max_fap: float = 1e-4  # false-alarm probability
    min_significance: float = 7.0  # S/N of the folded curve, see :func:`significance`
    min_probability: float = 0.5  # of the class that the network names
    min_events: int = 2  # distinct events, or cycles of a pulsator
    single_event_significance: float = 12.0  # for one event alone


def findings(panel: Panel, result: ExaminationResult, thresholds: Thresholds) -> Findings:
    """Apply the thresholds to a panel's examination.

    A curve with a single event crosses only when that event is deep; it then has no period.
    """
    strength = significance(result, epochs(panel))
    likely = _likely(result, thresholds)
    enough = result.n_events >= thresholds.min_events
    periodic = likely & enough & (strength >= thresholds.min_significance)
    dip = (result.kind != PULSATING) & (result.n_events == 1)
    single = likely & dip & ~enough & (strength >= thresholds.single_event_significance)
    period = np.where(enough, result.period, np.nan)
    return Findings(
        examination=panel.examination,
        visit=panel.visit,
        object_id=panel.object_id,
        crossed=(periodic & np.isfinite(period)) | single,
        kind=result.kind.astype(np.uint8),
        period=period.astype(np.float64),
        period_err=np.where(enough, result.period_err, np.nan).astype(np.float64),
        significance=strength.astype(np.float32),
    )


def _likely(result: ExaminationResult, thresholds: Thresholds) -> Array:
    rows = np.arange(len(result.kind))
    probability = result.probabilities[rows, result.kind.astype(np.int64)]
    return (
        result.shortlisted.astype(bool)
        & (result.kind != NONE)
        & (result.fap <= thresholds.max_fap)
        & (probability >= thresholds.min_probability)
    )


def significance(result: ExaminationResult, n_epochs: Array) -> Array:
    """Return one S/N per folded curve, float64 (n,); 0 where it cannot be told.

    Dips: the signal-to-pink-noise of the transit search (its white-noise S/N where the pink one is
    unknown). Pulsators: the S/N of the best sinusoid, ``sqrt(m p / (1 - p))`` for a normalised
    Lomb-Scargle power p of m epochs, which is the square root of the fall of chi2 over its
    expectation.
    """
    dips = np.where(np.isfinite(result.snr_pink), result.snr_pink, result.snr_bls)
    power = np.clip(np.nan_to_num(result.power_ls), 0.0, 1.0 - 1e-9)
    wave = np.sqrt(n_epochs * power / (1.0 - power))
    return np.nan_to_num(np.where(result.kind == PULSATING, wave, dips), posinf=0.0, neginf=0.0)


def epochs(panel: Panel) -> Array:
    """Return the number of epochs with a flux of each object, int64 (n,)."""
    return np.count_nonzero(np.isfinite(panel.flux), axis=1).astype(np.int64)
