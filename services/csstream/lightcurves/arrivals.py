"""What has arrived of each visit beyond the sent frontier, and how far all is closed."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from csstream.contracts.records import ClosedMarker


@dataclass
class Visit:
    """One visit in one partition."""

    markers: dict[int, ClosedMarker] = field(default_factory=dict)  # by detector
    cells: dict[int, set[int]] = field(default_factory=lambda: defaultdict(set))  # by detector

    def is_closed(self) -> bool:
        """Every detector has its marker, and every marker its batches."""
        if not self.markers:
            return False
        wanted = max(marker.detectors_in_visit for marker in self.markers.values())
        return len(self.markers) >= wanted and self.missing() <= 0

    def missing(self) -> int:
        """Return how many batches are announced and not here."""
        return sum(
            max(0, marker.batches - len(self.cells[detector]))
            for detector, marker in self.markers.items()
        )

    @property
    def ends_sequence(self) -> bool:
        """Whether a sequence ends here."""
        return any(marker.sequence_end for marker in self.markers.values())

    def entries(self) -> list[tuple[int, int]]:
        """Return (cell, detector) of every batch, in order."""
        return sorted((cell, det) for det, cells in self.cells.items() for cell in cells)


class Arrivals:
    """The visits beyond the sent frontier of one partition."""

    def __init__(self, sent: int) -> None:
        self.sent = sent
        self._visits: dict[int, Visit] = {}

    def visit(self, visit: int) -> Visit:
        """Return what has arrived of one visit."""
        return self._visits.setdefault(visit, Visit())

    def closed_beyond_sent(self) -> Iterable[int]:
        """Yield the visits after the sent frontier that are closed, up to the first that is not.

        Each has to be finished with :meth:`finish` before the next one is asked for.
        """
        while (visit := self._visits.get(self.sent + 1)) is not None and visit.is_closed():
            yield self.sent + 1

    def finish(self, visit: int) -> None:
        """Move the sent frontier to ``visit``, which must be the next one."""
        if visit != self.sent + 1:
            raise ValueError(f"visit {visit} does not follow the sent frontier {self.sent}")
        self._visits.pop(visit, None)
        self.sent = visit

    def expect_no_more(self) -> None:
        """Take what is here for all there is: batches were left out on purpose."""
        for visit in self._visits.values():
            for detector, marker in visit.markers.items():
                batches = len(visit.cells[detector])
                visit.markers[detector] = replace(marker, batches=batches)

    @property
    def waits(self) -> bool:
        """Whether something beyond the sent frontier is here."""
        return bool(self._visits)

    def missing(self) -> int:
        """Return how many batches are announced and not here."""
        return sum(visit.missing() for visit in self._visits.values())
