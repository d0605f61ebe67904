"""Builds announcements: exposure records, their exact bytes, keys and partitions."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from csstream.contracts.codec import encode
from csstream.contracts.records import ClaimCheck, Exposure
from csstream.publisher.inspect_file import Candidate
from csstream.publisher.ledger import Announcement

References = Callable[[int], ClaimCheck | None]


@dataclass(frozen=True, kw_only=True)
class Announcer:
    """Turns candidates of one sequence into announcements for ``partitions`` partitions."""

    sequence: str
    instrument: str
    partitions: int
    reference_catalogue: ClaimCheck | None = None

    def visit(
        self, number: int, members: Sequence[Candidate], references: References
    ) -> list[Announcement]:
        """Return one announcement per detector of a visit.

        ``references`` gives the reference frame of a detector; a detector without one becomes its
        own reference.
        """
        return [self._exposure(number, member, len(members), references) for member in members]

    def sequence_end(self, number: int) -> Announcement:
        """Return the announcement that no more exposures of the sequence will come."""
        record = Exposure(
            kind="sequence_end",
            exposure_id=self._exposure_id(0, number),
            sequence=self.sequence,
            visit=number,
            detector=0,
            detectors_in_visit=1,
            instrument=self.instrument,
            band="",
            mjd_mid_tai=math.nan,
            exposure_time=0.0,
            image=None,
        )
        return self._announcement(record)

    def _exposure(
        self, number: int, member: Candidate, count: int, references: References
    ) -> Announcement:
        header = member.header
        record = Exposure(
            kind="exposure",
            exposure_id=self._exposure_id(header.detector, number),
            sequence=self.sequence,
            visit=number,
            detector=header.detector,
            detectors_in_visit=count,
            instrument=header.instrument,
            band=header.band,
            mjd_mid_tai=header.mjd_mid_tai,
            exposure_time=header.exposure_time,
            image=member.image,
            reference_frame=references(header.detector) or member.image,
            reference_catalogue=self.reference_catalogue,
        )
        return self._announcement(record)

    def _exposure_id(self, detector: int, number: int) -> str:
        return f"{self.sequence}.{detector}.{number}"

    def _announcement(self, record: Exposure) -> Announcement:
        return Announcement(
            visit=record.visit,
            detector=record.detector,
            kind=record.kind,
            sequence=record.sequence,
            exposure_id=record.exposure_id,
            image=record.image,
            partition=record.detector % self.partitions,
            key=str(record.detector).encode(),
            payload=encode(record),
        )
