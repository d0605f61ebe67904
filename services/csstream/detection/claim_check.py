"""Claim checks: find the file that a message points at, and know that it is the right one."""

from __future__ import annotations

import errno
import hashlib
import stat
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit

from csstream.contracts.errors import BadInputError, TransientError
from csstream.contracts.records import ClaimCheck

CHUNK = 1 << 20  # [byte] hashed at a time
LASTING = {errno.EACCES, errno.EPERM, errno.ELOOP, errno.ENAMETOOLONG, errno.ENOTDIR}


@dataclass(frozen=True, kw_only=True)
class ClaimChecker:
    """Resolves claim checks to local files under ``roots`` and verifies them.

    Nothing is parsed before size and SHA-256 agree with the claim.
    """

    roots: Sequence[Path]
    max_bytes: int

    @contextmanager
    def verified(self, claim: ClaimCheck) -> Iterator[Path]:
        """Yield the path of the file; on leaving, make sure that it did not change meanwhile.

        Raises
        ------
        BadInputError
            ``unsupported_uri``, ``forbidden_path``, ``missing_file``, ``unreadable_file``,
            ``too_large``, ``size_mismatch`` or ``checksum_mismatch``.
        TransientError
            The disk failed, or the file changed while it was used.
        """
        path = self.resolve(claim.uri)
        before = self._check_size(path, claim)
        found = _digest(path, claim.size_bytes)
        if found != claim.sha256:
            raise BadInputError(
                "checksum_mismatch",
                f"{path}: SHA-256 is {found}, the announcement says {claim.sha256}: "
                "the file changed or was damaged after it was announced",
            )
        yield path
        if _identity(path) != before:
            raise TransientError(f"{path} changed while it was measured")

    def resolve(self, uri: str) -> Path:
        """Return the absolute path, links followed, that a URI names.

        Raises
        ------
        BadInputError
            ``unsupported_uri``: neither ``file:///path`` nor an absolute path;
            ``forbidden_path``: outside the allowed roots.
        """
        path = _local_path(uri)
        try:
            resolved = path.resolve()
        except (OSError, RuntimeError, ValueError) as error:
            raise BadInputError("unsupported_uri", f"{uri!r}: no usable path: {error}") from error
        if not any(resolved.is_relative_to(root.resolve()) for root in self.roots):
            roots = ", ".join(str(root) for root in self.roots)
            raise BadInputError(
                "forbidden_path", f"{resolved} is outside the allowed roots ({roots})"
            )
        return resolved

    def _check_size(self, path: Path, claim: ClaimCheck) -> tuple[int, int, int]:
        identity = _identity(path)
        if claim.size_bytes > self.max_bytes:
            raise BadInputError(
                "too_large", f"{path}: {claim.size_bytes} bytes, more than {self.max_bytes}"
            )
        if identity[1] != claim.size_bytes:
            raise BadInputError(
                "size_mismatch",
                f"{path}: {identity[1]} bytes, the announcement says {claim.size_bytes}",
            )
        return identity


def _local_path(uri: str) -> Path:
    if "\0" in uri or not uri:
        raise BadInputError("unsupported_uri", f"{uri!r} names no file")
    if uri.startswith("/"):
        return Path(uri)
    try:
        parts = urlsplit(uri)
    except ValueError as error:
        raise BadInputError("unsupported_uri", f"{uri!r} is no URI: {error}") from error
    path = unquote(parts.path)
    local = parts.scheme == "file" and parts.netloc in ("", "localhost")
    if not local or not path.startswith("/") or parts.query or parts.fragment or "\0" in path:
        raise BadInputError(
            "unsupported_uri", f"{uri!r}: only file:///absolute/path and /absolute/path are read"
        )
    return Path(path)


def _identity(path: Path) -> tuple[int, int, int]:
    """Return inode, size and modification time of a regular file."""
    with _os_errors(path):
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):
            raise BadInputError("unreadable_file", f"{path} is not a regular file")
    return status.st_ino, status.st_size, status.st_mtime_ns


def _digest(path: Path, size: int) -> str:
    """Return the SHA-256 of the first ``size`` + 1 bytes: a growing file is read no further."""
    digest = hashlib.sha256()
    left = size + 1
    with _os_errors(path), path.open("rb") as stream:
        while left > 0 and (chunk := stream.read(min(CHUNK, left))):
            digest.update(chunk)
            left -= len(chunk)
    return digest.hexdigest()


@contextmanager
def _os_errors(path: Path) -> Iterator[None]:
    """Sort the operating system's errors by the reaction they call for."""
    try:
        yield
    except FileNotFoundError as error:
        raise BadInputError("missing_file", f"{path}: no such file") from error
    except OSError as error:
        text = f"{path}: {error.strerror or error}"
        if error.errno in LASTING:
            raise BadInputError("unreadable_file", text) from error
        raise TransientError(text) from error
