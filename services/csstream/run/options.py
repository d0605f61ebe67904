"""What a run is asked for, and where it puts things."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Literal


@dataclass(frozen=True, kw_only=True)
class RunOptions:
    """The options of ``csstream run``."""

    out: Path  # directory of this run
    exposures: tuple[Path, ...] = ()  # directories or files; empty: simulate
    instrument: str = "csst-i"
    frames: int = 150  # simulated only
    shape: str = "320"  # [pixel] simulated only
    span_days: float = 4.0  # [day] simulated only
    seed: int = 1
    truth: Path | None = None  # truth table of own frames
    bootstrap_servers: str | None = None  # None: start a broker
    broker: Literal["embedded", "apache"] = "embedded"
    topic_prefix: str = ""
    reference: Path | None = None  # a catalogue that was built before
    reference_frames: int = 12  # that one is built from; 0: none is built
    method: Literal["auto", "pnet", "classical"] = "auto"
    provider: Literal["cpu", "cuda"] = "cpu"
    keep: bool = False  # simulated frames, the services' state and the broker's files
    live: bool = True
    patience: float = 300.0  # [s] without any progress until the run is given up

    @property
    def simulated(self) -> bool:
        """Whether the frames are made by the run itself."""
        return not self.exposures

    def shown(self) -> dict[str, str]:
        """Return the options as the report's head shows them."""
        broker = self.bootstrap_servers or f"{self.broker} broker"
        shown = {"instrument": self.instrument, "method": self.method, "broker": broker}
        if self.simulated:
            own = {
                "simulated": f"{self.frames} frames of {self.shape} px in {self.span_days:g} days",
                "seed": str(self.seed),
            }
            return {**own, **shown}
        return {"frames": ", ".join(str(path) for path in self.exposures), **shown}


@dataclass(frozen=True)
class Places:
    """The files and directories of one run."""

    root: Path

    @property
    def logs(self) -> Path:
        return self.root / "logs"

    @property
    def made(self) -> Path:
        """Where the simulator writes."""
        return self.root / "simulated"

    @property
    def exposures(self) -> Path:
        """Where simulated frames are put for the publisher, one by one."""
        return self.root / "exposures"

    @property
    def state(self) -> Path:
        return self.root / "state"

    @property
    def broker(self) -> Path:
        return self.root / "broker"

    @property
    def truth(self) -> Path:
        return self.root / "truth.ecsv"

    @property
    def reference(self) -> Path:
        """The reference catalogue that the run builds."""
        return self.root / "reference.parquet"

    @property
    def report(self) -> Path:
        return self.root / "report.html"

    @property
    def summary(self) -> Path:
        return self.root / "summary.json"

    @property
    def alerts(self) -> Path:
        return self.root / "alerts.jsonl"

    def make(self) -> None:
        """Make the directories."""
        for directory in (self.root, self.logs, self.exposures, self.state):
            directory.mkdir(parents=True, exist_ok=True)


def default_directory(now: datetime) -> Path:
    """Return ``runs/<time>`` under the working directory."""
    return Path("runs") / now.strftime("%Y%m%d-%H%M%S")


def default_prefix(now: datetime) -> str:
    """Return the prefix of a run's topics on a broker that it did not start itself."""
    return now.strftime("run-%Y%m%d-%H%M%S.")
