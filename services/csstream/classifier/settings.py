"""The classifier's settings. Imports no array library: thread counts are set after them."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from csstream.runtime.settings import ServiceSettings
from csstream.timeseries.settings import ExamineSettings

SCIENCE = ExamineSettings()


class ClassifierSettings(ServiceSettings):
    """What a curve must reach, when an update is worth sending, and how the network runs."""

    weights: str = Field(
        default="classifier", description="network: a shipped name, a path, or none"
    )
    provider: Literal["cpu", "cuda"] = Field(default="cpu", description="of the network")
    max_fap: float = Field(
        default=SCIENCE.fap, gt=0, le=1, description="largest false-alarm probability of one look"
    )
    min_snr: float = Field(default=SCIENCE.snr, ge=0, description="S/N of a folded dip")
    min_probability: float = Field(
        default=SCIENCE.probability, ge=0, le=1, description="of a variable"
    )
    min_epochs: int = Field(default=SCIENCE.minimal_epochs, ge=3, description="of a curve")
    min_period: float | None = Field(
        default=SCIENCE.shortest_period, gt=0, description="[day] searched; none: from the sampling"
    )
    max_period: float | None = Field(
        default=SCIENCE.longest_period, gt=0, description="[day] searched; none: from the time span"
    )
    single_event_fap: float = Field(
        default=1e-5, ge=0, le=1, description="false-alarm probability of one event; 0: never sent"
    )
    period_agreement: float = Field(default=0.02, gt=0, description="relative, of two looks")
    period_change: float = Field(default=0.005, gt=0, description="relative, worth an update")
    significance_factor: float = Field(default=2.0, gt=1, description="growth worth an update")

    closing_share: float = Field(
        default=0.5, gt=0, le=1, description="of max_fap: enough for one look when a sequence ends"
    )
    mirror_radius_arcsec: float = Field(
        default=0.8, ge=0, description="[arcsec] how far a bright variable's light is looked for"
    )

    def search(self) -> ExamineSettings:
        """Return the settings of the science."""
        return ExamineSettings(
            fap=self.max_fap,
            snr=self.min_snr,
            probability=self.min_probability,
            minimal_epochs=self.min_epochs,
            shortest_period=self.min_period,
            longest_period=self.max_period,
        )
