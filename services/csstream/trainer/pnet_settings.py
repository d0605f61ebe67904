"""What one training of PNet is asked to do, and how that follows from the instrument."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import Any

from csstream.imaging.finding.pnet import SPACE_RADII, Radii
from csstream.imaging.psf.profiles import psf_from_instrument
from csstream.instruments.instrument import Instrument
from csstream.simulation.catalogue import PAPER_DENSITY
from csstream.trainer.pnet_network import PRIOR
from csstream.trainer.pnet_scenes import SceneSettings, StampSettings, noise_area
from csstream.trainer.pnet_targets import SHARP, TargetSettings

SHARP_FWHM = 2.06  # [pixel] of csst-i, for which the settings' defaults are
SHARP_AREA = 12.15  # [pixel] its noise-equivalent area, 1 / sum of P squared


@dataclass(frozen=True, kw_only=True)
class TrainingSettings:
    """One training run: reproducible with ``steps``, in time with ``minutes``."""

    seed: int = 1
    minutes: float = 60.0
    steps: int = 0  # 0: as many as fit in ``minutes``
    batch: int = 4
    channels: int = 32
    blocks: int = 5
    peak_rate: float = 2e-3
    warmup: float = 0.03  # share of the run
    clip: float = 5.0  # of the gradient's norm
    renew_every: int = 4  # steps per new scene
    report_every: int = 50  # steps
    validate_minutes: float = 4.0
    threads: int = 1  # CPU threads of the network, and of the sky where there are two or more
    coarse_share: float = 0.9  # of the run, from its start, that computes in bfloat16
    scenes: SceneSettings = field(default_factory=SceneSettings)
    stamps: StampSettings = field(default_factory=StampSettings)
    targets: TargetSettings = field(default_factory=TargetSettings)

    @property
    def radii(self) -> Radii:
        """Return the radii of decoding that go with the targets."""
        factor = self.targets.offset_reach / SHARP.offset_reach
        near = SPACE_RADII
        return Radii(
            merge=near.merge * factor, doubt=near.doubt * factor, offset=near.offset * factor
        )


def settings_for(instrument: Instrument, **wanted: Any) -> TrainingSettings:
    """Return the settings of a training for an instrument; ``wanted`` replaces defaults.

    A network sees pixels, so what is told in pixels grows with the PSF: targets, rim, radii.
    """
    psf = psf_from_instrument(instrument)
    width = max(1.0, psf.fwhm / SHARP_FWHM)
    shape, stars = instrument.psf, instrument.field
    scenes = SceneSettings(
        psf_width=shape.width_range,
        psf_beta=shape.beta_range if shape.model == "moffat" else (1.0, 1.0),
        psf_ellipticity=shape.ellipticity,
        density=stars.density or PAPER_DENSITY * SHARP_AREA / noise_area(psf),
        log_slope=stars.log_slope,
    )
    default = StampSettings()
    stamps = replace(default, rim=math.ceil(default.rim * width))
    targets = TargetSettings(
        heat_sigma=SHARP.heat_sigma * width, offset_reach=SHARP.offset_reach * width
    )
    settings = TrainingSettings(scenes=scenes, stamps=stamps, targets=targets)
    return replace(settings, **wanted)


def start_of(instrument: Instrument, settings: TrainingSettings) -> tuple[float, float]:
    """Return what an untrained network should answer: share of centres, flux over the peak [ln].

    The first is known to the order of magnitude, which spares the focal loss its first minutes.
    """
    psf = psf_from_instrument(instrument)
    sharp = PRIOR * settings.scenes.density / PAPER_DENSITY
    return sharp, -math.log(float(psf.evaluate(0.0, 0.0)))
