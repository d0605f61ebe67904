"""Groups files into visits: the detectors that one pointing exposed together."""

from __future__ import annotations

from dataclasses import dataclass, field

from csstream.publisher.inspect_file import Candidate


@dataclass
class VisitGroups:
    """Holds back the files of a visit until all its detectors are there.

    A file without a group (keyword OBSID or VISIT), or of a one-detector visit, is a visit of its
    own. ``detectors`` overrides what the headers say (0: believe them).
    """

    detectors: int = 0
    _open: dict[str, dict[int, Candidate]] = field(default_factory=dict)

    def add(self, candidate: Candidate) -> list[list[Candidate]]:
        """Return the visits that this file completes, each ordered by detector."""
        wanted = self.detectors or candidate.detectors or 1
        if wanted == 1 or not candidate.group:
            return [[candidate]]
        members = self._open.setdefault(candidate.group, {})
        complete = []
        if candidate.header.detector in members:  # the same detector again: another visit
            complete.append(self._take(candidate.group))
            members = self._open.setdefault(candidate.group, {})
        members[candidate.header.detector] = candidate
        if len(members) >= wanted:
            complete.append(self._take(candidate.group))
        return complete

    def flush(self) -> list[list[Candidate]]:
        """Return the visits that are still incomplete, in order of arrival, and forget them."""
        return [self._take(group) for group in list(self._open)]

    def holds(self, sha256: str) -> bool:
        """Tell whether a file with this content is held back."""
        held = (member for members in self._open.values() for member in members.values())
        return any(member.image.sha256 == sha256 for member in held)

    def waiting(self) -> int:
        """Return how many files are held back."""
        return sum(len(members) for members in self._open.values())

    def _take(self, group: str) -> list[Candidate]:
        members = self._open.pop(group)
        return [members[detector] for detector in sorted(members)]
