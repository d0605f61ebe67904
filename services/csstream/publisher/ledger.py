"""What the publisher remembers: visit numbers, announcements, refusals. One SQLite file.

A visit's number and the exact bytes of its announcements are stored in one transaction *before*
they are sent, and marked after the broker has acknowledged them. A crash in between leaves them
unsent; the next start sends the same bytes again.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from csstream.contracts.errors import FatalError
from csstream.contracts.records import ClaimCheck

SCHEMA = """
CREATE TABLE IF NOT EXISTS announcements (
    visit INTEGER NOT NULL, detector INTEGER NOT NULL, kind TEXT NOT NULL,
    sequence TEXT NOT NULL, exposure_id TEXT NOT NULL,
    uri TEXT, size_bytes INTEGER, sha256 TEXT, content_type TEXT,
    partition INTEGER NOT NULL, key BLOB NOT NULL, payload BLOB NOT NULL,
    sent INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (visit, detector)
);
CREATE UNIQUE INDEX IF NOT EXISTS one_content
    ON announcements (sequence, sha256) WHERE sha256 IS NOT NULL;
CREATE TABLE IF NOT EXISTS files (
    path TEXT NOT NULL, sequence TEXT NOT NULL, size_bytes INTEGER NOT NULL,
    mtime_ns INTEGER NOT NULL, outcome TEXT NOT NULL, reason TEXT NOT NULL, error TEXT NOT NULL,
    reported INTEGER NOT NULL,
    PRIMARY KEY (path, sequence)
);
"""
COLUMNS = (
    "visit, detector, kind, sequence, exposure_id, uri, size_bytes, sha256, content_type, "
    "partition, key, payload"
)


@dataclass(frozen=True, kw_only=True)
class Announcement:
    """One message for the topic ``exposures``, exactly as it is sent."""

    visit: int
    detector: int
    kind: str
    sequence: str
    exposure_id: str
    image: ClaimCheck | None
    partition: int
    key: bytes
    payload: bytes


@dataclass(frozen=True, kw_only=True)
class FileState:
    """A file as the publisher last handled it."""

    path: str
    size_bytes: int
    mtime_ns: int


@dataclass(frozen=True, kw_only=True)
class Refusal:
    """A file that was not announced, and why."""

    file: FileState
    reason: str
    error: str


class Ledger:
    """The publisher's memory of everything that it announced or refused.

    Raises
    ------
    FatalError
        The file is in use by another publisher, or is no ledger.
    """

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self.path = path
        self._db = sqlite3.connect(path, isolation_level=None, timeout=0.5)
        try:
            self._db.execute("PRAGMA locking_mode=EXCLUSIVE")
            self._db.execute("PRAGMA synchronous=FULL")
            self._db.execute("BEGIN IMMEDIATE")  # takes the lock that keeps others out
            self._db.execute("COMMIT")
            self._db.executescript(SCHEMA)
        except sqlite3.DatabaseError as error:
            self._db.close()
            raise FatalError(
                f"state file {path} cannot be used ({error}): another publisher may be running "
                "on it; stop that one or choose another --state"
            ) from error

    def close(self) -> None:
        self._db.close()

    def __enter__(self) -> Ledger:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # -- visits -----------------------------------------------------------------------------

    def last_visit(self) -> int:
        """Return the highest visit number given out; 0 when there is none."""
        (number,) = self._db.execute("SELECT COALESCE(MAX(visit), 0) FROM announcements").fetchone()
        return int(number)

    def store_visit(self, build: Callable[[int], Sequence[Announcement]]) -> list[Announcement]:
        """Give out the next visit number and store what ``build(number)`` returns, unsent."""
        self._db.execute("BEGIN IMMEDIATE")
        try:
            announcements = list(build(self.last_visit() + 1))
            self._db.executemany(
                f"INSERT INTO announcements ({COLUMNS}) VALUES (?,?,?,?,?,?,?,?,?,?,?,?)",
                [_row(announcement) for announcement in announcements],
            )
        except BaseException:
            self._db.execute("ROLLBACK")
            raise
        self._db.execute("COMMIT")
        return announcements

    def mark_sent(self, announcements: Sequence[Announcement]) -> None:
        """Record that the broker acknowledged these."""
        keys = [(a.visit, a.detector) for a in announcements]
        self._transaction(
            "UPDATE announcements SET sent = 1 WHERE visit = ? AND detector = ?", keys
        )

    def unsent(self) -> list[Announcement]:
        """Return what was stored but not acknowledged, in order of announcement."""
        return self._announcements("WHERE sent = 0 ORDER BY visit, detector")

    def forget_sending(self) -> None:
        """Mark everything as unsent: the topic was lost and is to be filled again."""
        self._db.execute("UPDATE announcements SET sent = 0")

    def announced(self) -> int:
        """Return how many messages were given to the broker and acknowledged."""
        (count,) = self._db.execute("SELECT COUNT(*) FROM announcements WHERE sent = 1").fetchone()
        return int(count)

    def reference(self, sequence: str, detector: int) -> ClaimCheck | None:
        """Return the claim check of the first frame announced of a sequence and detector."""
        found = self._db.execute(
            f"SELECT {COLUMNS} FROM announcements WHERE sequence = ? AND detector = ? "
            "AND kind = 'exposure' ORDER BY visit LIMIT 1",
            (sequence, detector),
        ).fetchone()
        return None if found is None else _announcement(found).image

    def knows_content(self, sequence: str, sha256: str) -> bool:
        """Tell whether a file with this content was announced in the sequence."""
        query = "SELECT 1 FROM announcements WHERE sequence = ? AND sha256 = ?"
        return self._db.execute(query, (sequence, sha256)).fetchone() is not None

    def is_closed(self, sequence: str) -> bool:
        """Tell whether the sequence's last announcement is its end."""
        found = self._db.execute(
            "SELECT kind FROM announcements WHERE sequence = ? ORDER BY visit DESC LIMIT 1",
            (sequence,),
        ).fetchone()
        return found is not None and found[0] == "sequence_end"

    def exposures(self, sequence: str) -> int:
        """Return how many frames of the sequence have been announced."""
        (count,) = self._db.execute(
            "SELECT COUNT(*) FROM announcements WHERE sequence = ? AND kind = 'exposure'",
            (sequence,),
        ).fetchone()
        return int(count)

    # -- files ------------------------------------------------------------------------------

    def is_handled(self, sequence: str, file: FileState) -> bool:
        """Tell whether the file was handled before and has not changed since."""
        query = "SELECT size_bytes, mtime_ns FROM files WHERE path = ? AND sequence = ?"
        found = self._db.execute(query, (file.path, sequence)).fetchone()
        return found is not None and tuple(found) == (file.size_bytes, file.mtime_ns)

    def record_file(self, sequence: str, file: FileState, outcome: str) -> None:
        """Remember that a file was announced, or holds known content (``duplicate``)."""
        self._put_file(sequence, file, outcome, "", "", reported=True)

    def refuse(self, sequence: str, refusal: Refusal) -> None:
        """Remember a file that cannot be announced; its dead letter is still to be sent."""
        self._put_file(
            sequence, refusal.file, "refused", refusal.reason, refusal.error, reported=False
        )

    def unreported(self, sequence: str) -> list[Refusal]:
        """Return refusals whose dead letter was not acknowledged, by path."""
        rows = self._db.execute(
            "SELECT path, size_bytes, mtime_ns, reason, error FROM files "
            "WHERE sequence = ? AND reported = 0 ORDER BY path",
            (sequence,),
        ).fetchall()
        return [
            Refusal(
                file=FileState(path=path, size_bytes=size, mtime_ns=mtime),
                reason=reason,
                error=error,
            )
            for path, size, mtime, reason, error in rows
        ]

    def mark_reported(self, sequence: str, refusal: Refusal) -> None:
        """Record that the dead letter of a refused file was acknowledged."""
        self._db.execute(
            "UPDATE files SET reported = 1 WHERE path = ? AND sequence = ?",
            (refusal.file.path, sequence),
        )

    def _put_file(
        self, sequence: str, file: FileState, outcome: str, reason: str, error: str, reported: bool
    ) -> None:
        self._db.execute(
            "INSERT OR REPLACE INTO files VALUES (?,?,?,?,?,?,?,?)",
            (
                file.path,
                sequence,
                file.size_bytes,
                file.mtime_ns,
                outcome,
                reason,
                error,
                int(reported),
            ),
        )

    def _announcements(self, condition: str) -> list[Announcement]:
        rows = self._db.execute(f"SELECT {COLUMNS} FROM announcements {condition}").fetchall()
        return [_announcement(row) for row in rows]

    def _transaction(self, statement: str, rows: Sequence[tuple[Any, ...]]) -> None:
        self._db.execute("BEGIN IMMEDIATE")
        self._db.executemany(statement, rows)
        self._db.execute("COMMIT")


def _row(a: Announcement) -> tuple[Any, ...]:
    image = a.image
    claim = (
        (None,) * 4
        if image is None
        else (
            image.uri,
            image.size_bytes,
            image.sha256,
            image.content_type,
        )
    )
    head = (a.visit, a.detector, a.kind, a.sequence, a.exposure_id)
    return (*head, *claim, a.partition, a.key, a.payload)


def _announcement(row: tuple[Any, ...]) -> Announcement:
    visit, detector, kind, sequence, exposure_id, uri, size, sha256, content, *rest = row
    image = None
    if uri is not None:
        image = ClaimCheck(uri=uri, size_bytes=size, sha256=sha256, content_type=content)
    partition, key, payload = rest
    return Announcement(
        visit=visit,
        detector=detector,
        kind=kind,
        sequence=sequence,
        exposure_id=exposure_id,
        image=image,
        partition=partition,
        key=key,
        payload=payload,
    )
