"""Settings of the publisher, from flags and from CSSTREAM_ variables."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field

from csstream.runtime.settings import ServiceSettings


class PublisherSettings(ServiceSettings):
    """What to announce, and when to stop."""

    inputs: list[Path] = Field(default_factory=list)
    instrument: str = "csst-i"  # name of a shipped instrument file, or a path
    state: Path = Path("publisher.sqlite")
    sequence: str = ""  # empty: name of the first directory
    watch: bool = False
    close_sequence: bool = True  # announce the end of the sequence when done
    poll_interval: float = Field(default=0.25, gt=0)  # [s] between looks at the directories
    settle: float = Field(default=0.5, ge=0)  # [s] without change until a file is complete
    patience: float = Field(default=60.0, gt=0)  # [s] until an incomplete file is refused
    until_idle: float = Field(default=0.0, ge=0)  # [s] without new files until done; 0: never
    expect: int = Field(default=0, ge=0)  # files until done; 0: not counted
    rate: float = Field(default=0.0, ge=0)  # [1/s] largest rate of announcements; 0: no limit
    detectors: int = Field(default=0, ge=0)  # files that make a visit; 0: from the header
    resend: bool = False  # send everything in the state file again
    reference_catalogue: Path | None = None  # claimed in every announcement
    progress: bool = False  # draw a progress bar on stderr
