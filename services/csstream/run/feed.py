"""Hands simulated frames to the publisher, a few ahead of the measurements.

A telescope takes its exposures minutes apart; the simulator makes them as fast as it can. So that
the latency of a frame is that of the chain and not of a queue, a frame is moved into the
publisher's directory only when fewer than ``ahead`` of those before it are still being measured.
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

AHEAD = 3  # one measured, one announced, one being looked at by the publisher


@dataclass
class Feed:
    """Moves frames from ``made`` to ``exposures`` in the order of their names."""

    made: Path
    exposures: Path
    ahead: int = AHEAD
    moved: int = 0

    def step(self, processed: int) -> int:
        """Move the frames that are due, given how many are processed; return how many moved."""
        waiting = frames_in(self.made) if self.made.is_dir() else []
        room = max(0, self.ahead - (self.moved - processed))
        due = waiting[:room]
        for path in due:
            path.rename(self.exposures / path.name)
        self.moved += len(due)
        return len(due)

    def copy_truth(self, target: Path) -> bool:
        """Copy the truth table beside the report once it is there; return whether it is."""
        source = self.made / "truth.ecsv"
        if not target.is_file() and source.is_file():
            shutil.copyfile(source, target)
        return target.is_file()


def frames_in(directory: Path) -> list[Path]:
    """Return the simulator's frames by name; one that is being written has a hidden name."""
    names = (p for p in directory.iterdir() if ".fits" in p.name and not p.name.startswith("."))
    return sorted(names)
