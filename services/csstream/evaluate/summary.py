"""Numbers out of judged finds: what the JSON file holds and the page shows."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

from csstream.evaluate.measuring import label
from csstream.evaluate.store import SceneResult
from csstream.evaluation.crowding import by_crowding
from csstream.evaluation.judged import LIMIT, Judged, joined, judge
from csstream.evaluation.limits import best_recall, separable
from csstream.evaluation.lists import Truth
from csstream.evaluation.photometry import (
    magnitude_edges,
    magnitude_errors,
    pairs_of,
    photometry_by_magnitude,
)
from csstream.evaluation.scores import RADII, by_magnitude, false_bright, score_judged

FINE_BELOW_LIMIT = (9.0, 8.0, 7.0, 6.0, 5.0, 4.0, 3.0, 2.5, 2.0, 1.5, 1.0, 0.5, 0.0)  # [mag]
ORDER = ("network+fit", "network", "classical", "classical+fit", "oracle")
FALSE_BELOW_LIMIT = 2.0  # [mag] finds brighter than this below the limit, i = 23, must be stars
ORACLE = label("oracle", "given")
Rows = list[dict[str, Any]]


def summarise(results: Sequence[SceneResult], limit: float = LIMIT) -> dict[str, Any]:
    """Return the scores of scenes of one kind, joined: facts of the sky, bound, and every arm."""
    truth = Truth.joined([result.truth for result in results])
    summary: dict[str, Any] = {
        "sky": _sky(truth, results, limit),
        "bound": bound_summary(truth, limit),
    }
    arms: dict[str, Any] = {}
    for name in in_order(set.intersection(*(set(result.finds) for result in results))):
        arms[name] = summarise_arm(judged_arm(results, name, limit)) | {
            "seconds_per_mpx": sum(r.seconds[name] for r in results) / summary["sky"]["mpx"]
        }
    summary["arms"] = arms
    for arm in arms.values():
        arm["over"] = _ratios(arm, summary["bound"], arms.get(ORACLE))
    return summary


def in_order(names: Collection[str]) -> list[str]:
    """Return the names of results, arms first and oracles last, the given PSF first."""
    known = {name: k for k, name in enumerate(ORDER)}

    def place(name: str) -> tuple[int, str, bool]:
        arm, _, psf = name.partition(":")
        return known.get(arm, len(known)), arm, psf != "given"

    return sorted(names, key=place)


def judged_arm(results: Sequence[SceneResult], name: str, limit: float = LIMIT) -> Judged:
    """Return one arm's finds in all scenes beside the truth."""
    return joined([judge(result.finds[name], result.truth, limit) for result in results])


def bound_summary(truth: Truth, limit: float = LIMIT) -> dict[str, Any]:
    """Return the recall that the bound allows."""
    recall = [best_recall(truth, radius, limit) for radius in RADII]
    return {"radius": list(RADII), "best_recall": recall}


def summarise_arm(judged: Judged) -> dict[str, Any]:
    """Return all scores of one arm."""
    pairs, limit = pairs_of(judged), judged.limit
    fine = fine_edges(limit)
    false, per_thousand, per_thousand_bright = false_bright(judged, limit - FALSE_BELOW_LIMIT)
    return {
        "finds": len(judged.finds),
        "lenient": _scores(judged, strict=False),
        "strict": _scores(judged, strict=True),
        "errors": magnitude_errors(pairs, limit),
        "errors_by_radius": [
            {"radius": radius} | magnitude_errors(pairs_of(judged, radius), limit)
            for radius in RADII
        ],
        "false_bright": {
            "number": false,
            "per_1000_scored": per_thousand,
            "per_1000_bright": per_thousand_bright,
        },
        "by_magnitude": by_magnitude(judged, fine, RADII[-1]),
        "by_magnitude_strictest": by_magnitude(judged, fine, RADII[0]),
        "photometry": photometry_by_magnitude(pairs, magnitude_edges(limit)),
        "photometry_fine": photometry_by_magnitude(pairs, fine),
        "crowding": by_crowding(judged),
    }


def fine_edges(limit: float = LIMIT) -> tuple[float, ...]:
    """Return the edges of the bins of the curves over magnitude [mag]."""
    return tuple(limit - below for below in FINE_BELOW_LIMIT)


def _sky(truth: Truth, results: Sequence[SceneResult], limit: float) -> dict[str, Any]:
    scored = truth.inside & (truth.mag < limit)
    lost = ~separable(truth)[scored]
    return {
        "scenes": len(results),
        "mpx": sum(result.pixels for result in results) / 1e6,
        "stars": int(truth.inside.sum()),
        "scored": int(scored.sum()),
        "inseparable": float(lost.mean()) if lost.size else 0.0,
    }


def _scores(judged: Judged, *, strict: bool) -> Rows:
    return [
        {"radius": radius} | score_judged(judged, radius, strict=strict)._asdict()
        for radius in RADII
    ]


def _ratios(arm: dict[str, Any], bound: dict[str, Any], best: dict[str, Any] | None) -> Any:
    """Scores over what the bound allows and over the oracle's."""
    recall = [
        row["recall"] / allowed
        for row, allowed in zip(arm["lenient"], bound["best_recall"], strict=True)
    ]
    ratios: dict[str, Any] = {"recall_over_bound": recall}
    if best is not None:
        for kind in ("lenient", "strict"):
            pairs = zip(arm[kind], best[kind], strict=True)
            ratios[f"f1_{kind}_over_oracle"] = [mine["f1"] / top["f1"] for mine, top in pairs]
    return ratios
