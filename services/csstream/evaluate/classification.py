"""What the paper's Figures 11 and 12 show, as numbers for every arm."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from csstream.evaluate.classification_stage import TITLES
from csstream.evaluation.classified import NEAR, Classified, by_snr, confusion, share
from csstream.evaluation.rates import precision_at
from csstream.simulation.variables.paper import PAPER_SHARES
from csstream.timeseries.kinds import KINDS

Mask = npt.NDArray[np.bool_]
Summary = dict[str, Any]

PREVALENCE: Final = PAPER_SHARES.total  # of periodic variables among all stars, in the paper
SNR_LIMITS: Final = (0.0, 1.7, 2.0)  # of equation 5: all, the paper's onset, what must be found
CLAIMS: Final[dict[str, dict[str, float]]] = {
    "the paper, PNet": {"precision": 0.976, "recall": 0.93}
}


def summarise(found: Mapping[str, Classified]) -> Summary:
    """Return everything that is reported, by arm."""
    return {
        "prevalence": PREVALENCE,
        "snr_limits": list(SNR_LIMITS),
        "kinds": list(KINDS),
        "claims": CLAIMS,
        "arms": {arm: _arm(arm, rows) for arm, rows in found.items()},
    }


def _arm(arm: str, found: Classified) -> Summary:
    return {
        "title": TITLES.get(arm, arm),
        "confusion": confusion(found),
        "unlisted": int(np.count_nonzero(found.repeats & (found.object_row < 0))),
        "seen_once": int(np.count_nonzero((found.kind > 0) & ~found.repeats)),
        "classified": _judged(found, found.periodic),
        "alerted": _judged(found, found.crossed),
        "kind_right": share(found.named == found.kind, found.repeats & found.periodic)._asdict(),
        "by_snr": {
            name: by_snr(found, found.periodic, code) for code, name in enumerate(KINDS) if code
        },
        "alerted_by_snr": {
            name: by_snr(found, found.crossed, code) for code, name in enumerate(KINDS) if code
        },
    }


def _judged(found: Classified, called: Mask) -> Summary:
    """Rates of one way to call a star periodic: by the classifier alone, or by all thresholds."""
    quiet = found.kind == 0
    false = share(called, quiet)
    rows = []
    for limit in SNR_LIMITS:
        scored = found.repeats if limit == 0.0 else found.repeats & (found.snr >= limit)
        recall = share(called, scored)
        precision = precision_at(PREVALENCE, recall, false)._asdict()
        rows.append({"snr": limit, "recall": recall._asdict(), "precision": precision})
    mine = (quiet | found.repeats) & called
    return {
        "false_positives": false._asdict(),
        "false_positives_away": share(called, quiet & ~found.near)._asdict(),
        "false_positives_near": share(called, found.near)._asdict(),
        "near_radius": NEAR,
        "precision_here": share(found.repeats, mine)._asdict(),
        "by_limit": rows,
    }


def lines(content: Summary) -> list[str]:
    """Return the report for a terminal."""
    prevalence = f"{content['prevalence']:.2%} [95 %]"
    text = [
        f"{'':48}{'recall S/N ≥ 2':>24}{'false-positive rate':>26}{'precision at':>24}",
        f"{'':48}{'[95 %]':>24}{'[95 %]':>26}{prevalence:>24}",
    ]
    for arm in content["arms"].values():
        for name in ("classified", "alerted"):
            judged = arm[name]
            row = judged["by_limit"][-1]
            text.append(
                f"{arm['title'][:36]:37}{name:11}"
                f"{_with_limits(row['recall'], 3):>24}"
                f"{_with_limits(judged['false_positives'], 5):>26}"
                f"{_with_limits(row['precision'], 3):>24}"
            )
    return text


def _with_limits(value: Mapping[str, float], digits: int) -> str:
    return f"{value['value']:.{digits}f} [{value['low']:.{digits}f} {value['high']:.{digits}f}]"
