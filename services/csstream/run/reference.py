"""The reference catalogue of a run: built from its first frames before any frame is announced."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from csstream.publisher.watch import list_files
from csstream.run.feed import frames_in
from csstream.run.options import Places, RunOptions
from csstream.run.programs import REFERENCE, reference_program
from csstream.run.supervisor import Supervisor, last_words

Standing = Literal["off", "given", "waiting", "building", "built", "failed"]


@dataclass
class ReferenceStep:
    """Waits for the first frames, has the catalogue built, and says when announcing may begin.

    When it cannot be built the run goes on without one: stars are then found in every frame.
    """

    options: RunOptions
    places: Places
    supervisor: Supervisor
    standing: Standing = field(init=False)

    def __post_init__(self) -> None:
        if self.options.reference is not None:
            self.standing = "given"
        else:
            self.standing = "waiting" if self.options.reference_frames else "off"

    @property
    def decided(self) -> bool:
        """Whether it is known what the frames will be announced with."""
        return self.standing not in ("waiting", "building")

    @property
    def catalogue(self) -> Path | None:
        """The file that every announcement claims, once decided."""
        if self.standing == "given":
            return self.options.reference
        return self.places.reference if self.standing == "built" else None

    def step(self) -> None:
        """Look whether frames are there, or whether the catalogue is done."""
        if self.standing == "waiting" and (frames := self._first_frames()):
            self.supervisor.start(reference_program(frames, self.options, self.places))
            self.standing = "building"
        elif self.standing == "building":
            status = self.supervisor.state(REFERENCE).status
            if status in ("finished", "failed"):
                self.standing = "built" if status == "finished" else "failed"

    def phase(self) -> str:
        """Return what goes on, for the live view."""
        count = self._count()
        if self.standing == "waiting":
            return f"waiting for the first {count} frames"
        return f"building the reference catalogue from the first {count} frames"

    def problem(self) -> str | None:
        """Return why there is no catalogue though one was wanted, or None."""
        if self.standing != "failed":
            return None
        said = last_words(self.supervisor.state(REFERENCE).log)
        return f"no reference catalogue could be built, each frame was searched by itself: {said}"

    def _count(self) -> int:
        wanted = self.options.reference_frames
        return min(wanted, self.options.frames) if self.options.simulated else wanted

    def _first_frames(self) -> Sequence[Path]:
        if not self.options.simulated:
            return list_files(self.options.exposures)[: self._count()]
        made = frames_in(self.places.made) if self.places.made.is_dir() else []
        return made[: self._count()] if len(made) >= self._count() else []
