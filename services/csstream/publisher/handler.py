"""The publisher's logic: one file in, one stored and acknowledged announcement out."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from csstream.contracts.errors import BadInputError
from csstream.contracts.records import ClaimCheck
from csstream.imaging.errors import FrameError
from csstream.imaging.frames.fits_io import read_frame
from csstream.instruments.instrument import Instrument
from csstream.publisher.announce import Announcer
from csstream.publisher.inspect_file import (
    Candidate,
    ChangedFileError,
    file_state,
    inspect_file,
)
from csstream.publisher.ledger import Announcement, FileState, Ledger, Refusal
from csstream.publisher.visits import VisitGroups
from csstream.runtime.logging import get_logger

Outcome = Literal["announced", "held", "refused", "duplicate", "known", "changing"]
Send = Callable[[Sequence[Announcement]], None]
Report = Callable[[Refusal], None]


@dataclass
class Tally:
    """How many files met which fate in this run of the publisher."""

    announced: int = 0
    refused: int = 0
    duplicate: int = 0
    known: int = 0

    def handled(self) -> int:
        """Return how many files are done with."""
        return self.announced + self.refused + self.duplicate + self.known


@dataclass
class Publisher:
    """Announces files in the order given; remembers all in the ledger.

    ``send`` and ``report`` return only when the broker has acknowledged, and raise otherwise.
    """

    ledger: Ledger
    announcer: Announcer
    instrument: Instrument
    send: Send
    report: Report
    groups: VisitGroups = field(default_factory=VisitGroups)
    tally: Tally = field(default_factory=Tally)

    @property
    def sequence(self) -> str:
        return self.announcer.sequence

    def recover(self) -> int:
        """Send again what was stored but not acknowledged; return how many messages."""
        pending = self.ledger.unsent()
        for announcement in pending:
            self._send([announcement])
        for refusal in self.ledger.unreported(self.sequence):
            self._report(refusal)
        return len(pending)

    def handle(self, path: Path) -> Outcome:
        """Announce, hold back or refuse one complete file.

        Raises
        ------
        TransientError
            The broker did not acknowledge; the ledger knows what is still to be sent.
        """
        try:
            state = file_state(path)
            if self.ledger.is_handled(self.sequence, state):
                self.tally.known += 1
                return "known"
            candidate = inspect_file(path, self.instrument)
            self._check_reference(path, candidate)
        except BadInputError as error:
            self._refuse(path, error)
            return "refused"
        except ChangedFileError:
            return "changing"
        if self._is_duplicate(candidate):
            self.ledger.record_file(self.sequence, candidate.file, "duplicate")
            self.tally.duplicate += 1
            get_logger().info("duplicate", file=str(path), sha256=candidate.image.sha256)
            return "duplicate"
        visits = self.groups.add(candidate)
        self._announce_all(visits)
        return "announced" if visits else "held"

    def flush(self) -> None:
        """Announce the visits that wait for detectors which did not come."""
        self._announce_all(self.groups.flush())

    def close_sequence(self) -> None:
        """Announce the end of the sequence, once; nothing when it has no exposures."""
        self.flush()
        if self.ledger.exposures(self.sequence) and not self.ledger.is_closed(self.sequence):
            stored = self.ledger.store_visit(lambda n: [self.announcer.sequence_end(n)])
            self._send(stored)

    def _announce_all(self, visits: Iterable[Sequence[Candidate]]) -> None:
        for members in visits:
            self._announce(members)

    def _announce(self, members: Sequence[Candidate]) -> None:
        stored = self.ledger.store_visit(
            lambda number: self.announcer.visit(number, members, self._reference)
        )
        self._send(stored)
        for member in members:
            self.ledger.record_file(self.sequence, member.file, "announced")
        self.tally.announced += len(members)

    def _reference(self, detector: int) -> ClaimCheck | None:
        return self.ledger.reference(self.sequence, detector)

    def _is_duplicate(self, candidate: Candidate) -> bool:
        return self.ledger.knows_content(self.sequence, candidate.image.sha256) or (
            self.groups.holds(candidate.image.sha256)
        )

    def _check_reference(self, path: Path, candidate: Candidate) -> None:
        # Every later frame leans on the reference frame, so its pixels are read before it is one.
        if self._reference(candidate.header.detector) is not None:
            return
        try:
            read_frame(path, self.instrument)
        except FrameError as error:
            raise BadInputError(error.reason, str(error)) from error

    def _send(self, announcements: Sequence[Announcement]) -> None:
        self.send(announcements)
        self.ledger.mark_sent(announcements)
        for announcement in announcements:
            get_logger().info(
                "announced", exposure_id=announcement.exposure_id, kind=announcement.kind
            )

    def _refuse(self, path: Path, error: BadInputError) -> None:
        try:
            state = file_state(path)
        except BadInputError:  # it is not even there
            state = FileState(path=str(path), size_bytes=0, mtime_ns=0)
        refusal = Refusal(file=state, reason=error.reason, error=str(error))
        self.ledger.refuse(self.sequence, refusal)
        self.tally.refused += 1
        get_logger().warning("refused", file=str(path), reason=error.reason, error=str(error))
        self._report(refusal)

    def _report(self, refusal: Refusal) -> None:
        self.report(refusal)
        self.ledger.mark_reported(self.sequence, refusal)
