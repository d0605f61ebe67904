"""Settings of the light-curve service."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field

from csstream.alerting.schedule import Schedule
from csstream.association.rules import CONFIRM_EPOCHS, CONFIRM_SOURCES
from csstream.lightcurves.retention import Retention
from csstream.lightcurves.series import Rules
from csstream.runtime.settings import ServiceSettings


class LightcurvesSettings(ServiceSettings):
    """Read from the environment (``CSSTREAM_STATE_DIR`` …) when it is made, not before."""

    state_dir: Path = Field(Path("state"), description="where RocksDB keeps the state")
    first_examination: int = Field(30, ge=2, description="epochs before the first examination")
    examination_growth: float = Field(1.1, gt=1.0, description="between two examinations")
    confirm_sources: int = Field(CONFIRM_SOURCES, ge=1, description="sources that make an object")
    confirm_epochs: int = Field(
        CONFIRM_EPOCHS, ge=1, description="epochs within which they must come"
    )
    keep_epochs: int = Field(0, ge=0, description="of each cell and band, the latest; 0: all")
    keep_days: float = Field(0.0, ge=0, description="[day] before the latest epoch; 0: all")
    max_panel_mib: float = Field(4.0, gt=0, le=7.5, description="[MiB] larger panels are split")
    cache_mib: int = Field(2048, ge=1, description="[MiB] of light curves kept in memory")
    rocksdb_cache_mib: int = Field(32, ge=1, description="[MiB] block cache per partition")
    commit_interval_s: float = Field(1.0, gt=0, description="[s] between commits")
    request_timeout_s: float = Field(60.0, gt=0, description="[s] for a broker to answer")

    def rules(self) -> Rules:
        """What decides which objects there are and when their panels fall due."""
        return Rules(
            schedule=Schedule(self.first_examination, self.examination_growth),
            confirm_sources=self.confirm_sources,
            confirm_epochs=self.confirm_epochs,
            retention=Retention(self.keep_epochs, self.keep_days),
        )
