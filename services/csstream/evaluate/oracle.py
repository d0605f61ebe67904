"""The oracle: a joint fit that starts at the truth."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from csstream.evaluate.scenes import Scene
from csstream.evaluation.limits import separable
from csstream.evaluation.lists import Finds, Mask, Truth
from csstream.imaging.fit.joint_fit import FitSettings, joint_fit
from csstream.imaging.source_table import magnitudes

LOOSE = 1.0  # [pixel] prior around the true positions: wide, or it would tell the truth
ITERATIONS = 10


@dataclass(frozen=True)
class Knowledge:
    """Which stars an oracle knows of."""

    faintest: float = np.inf  # [mag]
    separable_only: bool = False  # as the best finder: none that no data could tell apart

    def of(self, truth: Truth) -> Mask:
        """Return which stars are fitted, (m,)."""
        known = truth.mag < self.faintest
        return known & separable(truth) if self.separable_only else known


def oracle(scene: Scene, knowledge: Knowledge | None = None) -> tuple[Finds, Finds]:
    """Fit the stars that are known, all unless said, started at the truth.

    Returns
    -------
    listed, every : Finds
        Of the stars in the frame: those that can be told from their neighbours, and all. The
        others are taken as lost in ``listed``, because no finder could have listed them.
    """
    frame, known = scene.frame, (knowledge or Knowledge()).of(scene.truth)
    truth = scene.truth.select(known)
    fit = joint_fit(
        frame.image,
        frame.mask,
        scene.level,
        scene.psf,
        truth.x,
        truth.y,
        scene.flux[known],
        read_noise=frame.read_noise,
        settings=FitSettings(iterations=ITERATIONS, position_prior=LOOSE),
    )
    rate = 1.0 / frame.exposure_time
    mag, mag_err = magnitudes(fit.flux * rate, fit.flux_err * rate, frame.zero_point)
    finds = Finds(x=fit.x, y=fit.y, mag=mag, mag_err=mag_err, x_err=fit.x_err, y_err=fit.y_err)
    return finds.select(separable(truth) & truth.inside), finds.select(truth.inside)
