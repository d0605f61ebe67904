"""One file on disk becomes a candidate for announcement: header checked, content hashed."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

from csstream.contracts.errors import BadInputError
from csstream.contracts.records import ClaimCheck
from csstream.imaging.errors import FrameError
from csstream.imaging.frames.fits_io import read_header
from csstream.imaging.frames.frame import FrameHeader
from csstream.instruments.instrument import Instrument
from csstream.publisher.ledger import FileState
from csstream.publisher.whole_file import is_whole

CHUNK = 1 << 20  # [byte] read at a time while hashing


class ChangedFileError(Exception):
    """The file changed while it was read: look again when it rests."""


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """A good file that has not been announced yet."""

    file: FileState
    header: FrameHeader
    image: ClaimCheck
    group: str  # files of one visit share it; empty: the file is a visit of its own
    detectors: int  # in the visit, as the header says; 0: it does not


def file_state(path: Path) -> FileState:
    """Return path, size and modification time.

    Raises
    ------
    BadInputError
        ``missing_file``.
    """
    try:
        status = path.stat()
    except OSError as error:
        raise BadInputError("missing_file", f"{path}: cannot be found: {error.strerror}") from error
    return FileState(path=str(path), size_bytes=status.st_size, mtime_ns=status.st_mtime_ns)


def inspect_file(path: Path, instrument: Instrument) -> Candidate:
    """Check the header and hash the content of one FITS file.

    Raises
    ------
    BadInputError
        The file is no FITS, is cut short, or lacks what the FITS contract asks for.
    ChangedFileError
        The file changed while it was read.
    """
    before = file_state(path)
    if not is_whole(path):
        raise BadInputError(
            "truncated", f"{path}: {before.size_bytes} bytes are fewer than its headers promise"
        )
    try:
        header = read_header(path, instrument)
    except FrameError as error:
        raise BadInputError(error.reason, str(error)) from error
    image = claim_check(path)
    if file_state(path) != before:
        raise ChangedFileError(f"{path} changed while it was read")
    return Candidate(
        file=before,
        header=header,
        image=image,
        group=header.summary.get("OBSID") or header.summary.get("VISIT") or "",
        detectors=_count(header.summary.get("NDETECT", "")),
    )


def claim_check(path: Path, content_type: str = "image/fits") -> ClaimCheck:
    """Return where the file lies, its size and the SHA-256 of its content."""
    digest = hashlib.sha256()
    size = 0
    with path.open("rb") as stream:
        while chunk := stream.read(CHUNK):
            digest.update(chunk)
            size += len(chunk)
    return ClaimCheck(
        uri=path.absolute().as_uri(),
        size_bytes=size,
        sha256=digest.hexdigest(),
        content_type=content_type,
    )


def _count(text: str) -> int:
    return int(text) if text.strip().isdigit() else 0
