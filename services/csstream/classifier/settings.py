"""The classifier's settings. Imports no array library: thread counts are set after them."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from csstream.runtime.settings import ServiceSettings


class ClassifierSettings(ServiceSettings):
    """What a curve must reach, when an update is worth sending, and how the network runs."""

    weights: str = Field("classifier", description="network: a shipped name or a path")
    provider: Literal["cpu", "cuda"] = Field("cpu", description="of the network")
    max_fap: float = Field(1e-4, gt=0, le=1, description="largest false-alarm probability")
    min_snr: float = Field(7.0, ge=0, description="S/N of the folded curve")
    min_probability: float = Field(0.5, ge=0, le=1, description="of the class named")
    min_events: int = Field(2, ge=1, description="distinct events or cycles of a period")
    single_event_snr: float = Field(12.0, ge=0, description="S/N of one event alone")
    period_agreement: float = Field(0.02, gt=0, description="relative, of two looks")
    period_change: float = Field(0.005, gt=0, description="relative, worth an update")
    significance_factor: float = Field(2.0, gt=1, description="growth worth an update")
    min_period: float = Field(0.1, gt=0, description="[day] shortest period searched")
    max_period: float = Field(10.0, gt=0, description="[day] longest period searched")
