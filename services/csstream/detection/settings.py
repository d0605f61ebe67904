"""Settings of the detection service, from flags and from CSSTREAM_ variables."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field

from csstream.association.rules import MARGIN_MATCH_RADII, MATCH_RADIUS_FWHM
from csstream.runtime.settings import ServiceSettings


class DetectionSettings(ServiceSettings):
    """How frames are measured, and where their files may lie."""

    instruments: list[str] = Field(
        default_factory=lambda: ["csst-i"],
        description="shipped instruments or TOML files; those announced must be among them",
    )
    method: Literal["auto", "pnet", "classical"] = Field(
        "auto", description="auto: PNet where the instrument has weights, else classical"
    )
    provider: Literal["cpu", "cuda"] = Field("cpu", description="where the network runs")
    threads: int = Field(1, ge=1, description="of network and fit; the bytes do not depend on it")
    allowed_roots: list[Path] = Field(
        default_factory=lambda: [Path("/")], description="directories that frames may lie in"
    )
    max_frame_bytes: int = Field(2 * 1024**3, ge=1, description="[byte] of a frame's file")
    match_radius_fwhm: float = Field(
        MATCH_RADIUS_FWHM,
        gt=0,
        description="two sources closer than this share of the FWHM are one object",
    )
    margin_match_radii: float = Field(
        MARGIN_MATCH_RADII,
        gt=0,
        description="how far a batch reaches beyond its cell, in match radii",
    )
