"""Numbers out of judged finds: what the JSON file holds and the page shows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from csstream.evaluate.measuring import label
from csstream.evaluate.store import SceneResult
from csstream.evaluation.crowding import by_crowding
from csstream.evaluation.judged import Judged, joined, judge
from csstream.evaluation.limits import best_recall, separable
from csstream.evaluation.lists import Truth
from csstream.evaluation.photometry import (
    MAG_EDGES,
    magnitude_errors,
    pairs_of,
    photometry_by_magnitude,
)
from csstream.evaluation.scores import RADII, by_magnitude, false_bright, score_judged

SCORE_EDGES = (16.0, 17.0, 18.0, 19.0, 20.0, 21.0, 22.0, 22.5, 23.0, 23.5, 24.0, 24.5, 25.0)
ORACLE = label("oracle", "given")
Rows = list[dict[str, Any]]


def summarise(results: Sequence[SceneResult]) -> dict[str, Any]:
    """Return the scores of scenes of one kind, joined: facts of the sky, bound, and every arm."""
    truth = Truth.joined([result.truth for result in results])
    summary: dict[str, Any] = {"sky": _sky(truth, results), "bound": bound_summary(truth)}
    arms: dict[str, Any] = {}
    for name in results[0].finds:
        arms[name] = summarise_arm(judged_arm(results, name)) | {
            "seconds_per_mpx": sum(r.seconds[name] for r in results) / summary["sky"]["mpx"]
        }
    summary["arms"] = arms
    for arm in arms.values():
        arm["over"] = _ratios(arm, summary["bound"], arms.get(ORACLE))
    return summary


def judged_arm(results: Sequence[SceneResult], name: str) -> Judged:
    """Return one arm's finds in all scenes beside the truth."""
    return joined([judge(result.finds[name], result.truth) for result in results])


def bound_summary(truth: Truth) -> dict[str, Any]:
    """Return the recall that the bound allows."""
    recall = [best_recall(truth, radius) for radius in RADII]
    return {"radius": list(RADII), "best_recall": recall}


def summarise_arm(judged: Judged) -> dict[str, Any]:
    """Return all scores of one arm."""
    pairs = pairs_of(judged)
    false, per_thousand, per_thousand_bright = false_bright(judged)
    return {
        "finds": len(judged.finds),
        "lenient": _scores(judged, strict=False),
        "strict": _scores(judged, strict=True),
        "errors": magnitude_errors(pairs),
        "false_bright": {
            "number": false,
            "per_1000_scored": per_thousand,
            "per_1000_bright": per_thousand_bright,
        },
        "by_magnitude": by_magnitude(judged, SCORE_EDGES, RADII[-1]),
        "by_magnitude_strictest": by_magnitude(judged, SCORE_EDGES, RADII[0]),
        "photometry": photometry_by_magnitude(pairs, MAG_EDGES),
        "photometry_fine": photometry_by_magnitude(pairs, SCORE_EDGES),
        "crowding": by_crowding(judged),
    }


def _sky(truth: Truth, results: Sequence[SceneResult]) -> dict[str, Any]:
    scored = truth.inside & (truth.mag < 25.0)
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
