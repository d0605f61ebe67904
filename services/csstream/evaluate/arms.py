"""The ways to measure a scene that are compared."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from csstream.evaluate.scenes import Scene
from csstream.evaluation.lists import Finds
from csstream.imaging.finding.candidates import DetectionStrategy
from csstream.imaging.finding.classical import ClassicalStrategy
from csstream.imaging.fit.psf_photometry import psf_photometry
from csstream.imaging.frames.background import estimate_background
from csstream.imaging.measure import MeasureSettings, measure_frame
from csstream.imaging.psf_fit.estimate import estimate_psf
from csstream.imaging.source_table import magnitudes

LEAST_PROBABILITY = 0.5  # of a find that no fit looks at
Psf = Literal["given", "estimated"]
Measure = Callable[[Scene, Psf], Finds]


@dataclass(frozen=True, kw_only=True)
class Arm:
    """One way to measure.

    ``needs_psf`` is false where the PSF's being given or estimated changes nothing.
    """

    name: str
    title: str
    measure: Measure
    needs_psf: bool = True


def fitted(strategy: DetectionStrategy, settings: MeasureSettings | None = None) -> Measure:
    """Return the service's own measurement with a strategy: detection, then the joint fit."""

    def measure(scene: Scene, psf: Psf) -> Finds:
        frame = replace(scene.frame, psf=scene.psf if psf == "given" else None)
        measured = measure_frame(frame, strategy, nominal_psf=scene.nominal, settings=settings)
        s = measured.sources
        return Finds(x=s.x, y=s.y, mag=s.mag, mag_err=s.mag_err, x_err=s.x_err, y_err=s.y_err)

    return measure


def detected(strategy: DetectionStrategy) -> Measure:
    """Return what a strategy says by itself, without a fit; it quotes no errors.

    Strategies list deep, for a fit to prune: finds that are more likely ghosts are left out.
    """

    def measure(scene: Scene, psf: Psf) -> Finds:
        frame = scene.frame
        background = estimate_background(frame.image, frame.mask)
        found = strategy.detect(frame, background, scene.psf.central)
        found = found.select(found.probability >= LEAST_PROBABILITY)
        with np.errstate(invalid="ignore", divide="ignore"):
            mag = frame.zero_point - 2.5 * np.log10(found.flux / frame.exposure_time)
        none = np.full(len(found), np.nan)
        return Finds(x=found.x, y=found.y, mag=mag, mag_err=none, x_err=none, y_err=none)

    return measure


def classically_measured(strategy: ClassicalStrategy) -> Measure:
    """Return the paper's § 3.1: detection, then PSF photometry of one star at a time.

    With the PSF estimated, the estimate is the service's own.
    """

    def measure(scene: Scene, psf: Psf) -> Finds:
        frame = scene.frame
        if psf == "given":
            used = scene.psf.central
        else:
            estimate = estimate_psf(frame, scene.nominal)
            used = scene.nominal if estimate is None else estimate.psf.central
        background = estimate_background(frame.image, frame.mask)
        found = strategy.detect(frame, background, used)
        sky_free = frame.image - background.level
        noise = background.noise
        flux, error = psf_photometry(sky_free, frame.mask, noise, used, found.x, found.y)
        rate = 1.0 / frame.exposure_time
        mag, mag_err = magnitudes(flux * rate, error * rate, frame.zero_point)
        none = np.full(len(found), np.nan)
        return Finds(x=found.x, y=found.y, mag=mag, mag_err=mag_err, x_err=none, y_err=none)

    return measure


def service_arms(network: DetectionStrategy | None) -> Mapping[str, Arm]:
    """Return the arms by name; those with a network only where there is one."""
    arms = []
    if network is not None:
        alone = detected(network)
        arms += [
            Arm(name="network+fit", title="network and joint fit", measure=fitted(network)),
            Arm(name="network", title="network alone", measure=alone, needs_psf=False),
        ]
    classical = ClassicalStrategy()
    paper = classically_measured(classical)
    arms += [
        Arm(name="classical", title="classical (the paper's § 3.1)", measure=paper),
        Arm(
            name="classical+fit", title="classical finder and joint fit", measure=fitted(classical)
        ),
    ]
    return {arm.name: arm for arm in arms}
