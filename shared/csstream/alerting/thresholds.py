"""Which examined curves cross the thresholds. Pure: the science's numbers in, flags out."""

from __future__ import annotations

from typing import Any, Final, Protocol

import numpy as np
import numpy.typing as npt

from csstream.alerting.decisions import Findings, Rules
from csstream.timeseries.kinds import KINDS
from csstream.timeseries.result import ExaminationResult

Array = npt.NDArray[Any]
PULSATING: Final = KINDS.index("pulsating")


class Numbered(Protocol):
    """What a look says about itself."""

    @property
    def examination(self) -> int: ...
    @property
    def visit(self) -> int: ...
    @property
    def closing(self) -> bool: ...
    @property
    def object_id(self) -> Array: ...


def findings(
    result: ExaminationResult, echo: Array, faulty: Array, look: Numbered, rules: Rules
) -> Findings:
    """Return a look at n objects with thresholds applied.

    A curve crosses where the science or the rule of single events says so, but not where it is an
    ``echo`` of another star, nor where its events are ``faulty`` frames; (n,) bool.
    """
    crossed = result.crossed & ~echo & ~faulty
    return Findings(
        examination=look.examination,
        visit=look.visit,
        closing=look.closing,
        object_id=look.object_id,
        crossed=crossed,
        sure=crossed & (result.fap <= rules.closing_fap),
        echo=echo,
        kind=result.kind,
        period=result.period,
        period_err=result.period_err,
        significance=significance(result).astype(np.float32),
    )


def significance(result: ExaminationResult) -> Array:
    """Return one S/N per folded curve, float64 (n,); 0 where it cannot be told.

    Dips: the signal-to-pink-noise of the transit search (its white-noise S/N where the pink one is
    unknown). Pulsators: the S/N of the best sinusoid, ``sqrt(m p / (1 - p))`` for a Lomb-Scargle
    power p (share of chi2) of m epochs: the root of the fall of chi2 over its expectation.
    """
    dips = np.where(np.isfinite(result.snr_pink), result.snr_pink, result.snr_bls)
    power = np.clip(np.nan_to_num(result.power_ls), 0.0, 1.0 - 1e-9)
    wave = np.sqrt(result.n_epochs * power / (1.0 - power))
    chosen = np.where(result.kind == PULSATING, wave, dips)
    return np.nan_to_num(chosen, posinf=0.0, neginf=0.0)
