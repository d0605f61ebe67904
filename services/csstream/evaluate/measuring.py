"""One scene measured in every way that was asked for."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence

from csstream.evaluate.arms import Arm, Psf
from csstream.evaluate.oracle import Knowledge, oracle
from csstream.evaluate.scenes import Scene
from csstream.evaluate.store import SceneResult, near_frame
from csstream.evaluation.judged import Judged, judge
from csstream.evaluation.lists import Finds

LISTED_BEYOND = 0.7  # [mag] beyond the limit reaches the list that a finder could have
PSFS: tuple[Psf, ...] = ("given", "estimated")


def oracles_for(limit: float) -> dict[str, Knowledge]:
    """Return the oracles by name: of all stars, of those a list could reach, and of the best list.

    A name with ``-every`` behind it stands for all its stars, the inseparable ones too.
    """
    listed = limit + LISTED_BEYOND
    return {
        "oracle": Knowledge(),
        f"oracle{listed:g}": Knowledge(listed),
        "oracle-list": Knowledge(listed, separable_only=True),
    }


def label(arm: str, psf: Psf) -> str:
    """Return the name of an arm's result with one PSF."""
    return f"{arm}:{psf}"


def psfs_of(arm: Arm, psfs: Sequence[Psf]) -> Sequence[Psf]:
    """Return the PSFs that an arm is measured with: one where it makes no difference."""
    return psfs if arm.needs_psf else ("given",)


def measure_scene(
    scene: Scene,
    arms: Mapping[str, Arm],
    *,
    psfs: Sequence[Psf] = PSFS,
    oracles: Mapping[str, Knowledge] | None = None,
) -> SceneResult:
    """Measure a scene with every arm and PSF, and with oracles, one after the other."""
    finds: dict[str, Finds] = {}
    seconds: dict[str, float] = {}
    for arm in arms.values():
        for psf in psfs_of(arm, psfs):
            started = time.perf_counter()
            finds[label(arm.name, psf)] = arm.measure(scene, psf)
            seconds[label(arm.name, psf)] = time.perf_counter() - started
    for name, knowledge in (oracles or {}).items():
        started = time.perf_counter()
        listed, every = oracle(scene, knowledge)
        spent = time.perf_counter() - started
        finds |= {label(name, "given"): listed, label(f"{name}-every", "given"): every}
        seconds |= {label(name, "given"): spent, label(f"{name}-every", "given"): spent}
    truth = near_frame(scene.truth, scene.frame.shape)
    pixels = scene.frame.image.size
    return SceneResult(truth=truth, pixels=pixels, finds=finds, seconds=seconds)


def evaluate_scene(
    scene: Scene,
    arms: Mapping[str, Arm],
    *,
    psfs: Sequence[Psf] = PSFS,
    oracles: Mapping[str, Knowledge] | None = None,
) -> dict[str, Judged]:
    """Return each arm's finds beside the truth, by ``arm:psf``; for use from a script."""
    result = measure_scene(scene, arms, psfs=psfs, oracles=oracles)
    return {name: judge(finds, result.truth) for name, finds in result.finds.items()}
