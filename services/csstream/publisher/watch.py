"""Finds complete new FITS files: written slowly, renamed into place, or there from the start."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from csstream.publisher.whole_file import is_whole

SUFFIXES = (".fits", ".fit", ".fts", ".fits.gz", ".fit.gz", ".fits.fz", ".fit.fz")
TEMPORARY = re.compile(r"^[._~]|(\.tmp|\.part|\.partial|\.crdownload|~)$")


@dataclass(frozen=True)
class FileMark:
    """Size and modification time: when both rest, nobody is writing."""

    size_bytes: int
    mtime_ns: int


@dataclass
class _Waiting:
    mark: FileMark
    since: float  # monotonic time at which this mark was first seen


@dataclass
class Watcher:
    """Reports each file once, when it is complete; again only when it changes.

    A file is complete when its size and modification time are the same in two polls that lie
    ``settle`` seconds apart, and its HDUs are all there. A file that stays incomplete for
    ``patience`` seconds is reported all the same, so that the header check can refuse it.
    """

    inputs: Sequence[Path]
    settle: float = 0.5  # [s]
    patience: float = 60.0  # [s]
    clock: Callable[[], float] = time.monotonic
    _waiting: dict[Path, _Waiting] = field(default_factory=dict)
    _reported: dict[Path, FileMark] = field(default_factory=dict)

    def poll(self) -> list[Path]:
        """Return the files that became complete since the last poll, in order of name."""
        now = self.clock()
        found = {path: mark for path in list_files(self.inputs) if (mark := _mark(path))}
        for path in self._waiting.keys() - found.keys():
            del self._waiting[path]
        ready = [path for path, mark in found.items() if self._is_ready(path, mark, now)]
        for path in ready:
            self._reported[path] = found[path]
            del self._waiting[path]
        return ready

    def pending(self) -> int:
        """Return how many files were seen but are not complete."""
        return len(self._waiting)

    def _is_ready(self, path: Path, mark: FileMark, now: float) -> bool:
        if self._reported.get(path) == mark:
            return False
        waiting = self._waiting.get(path)
        if waiting is None or waiting.mark != mark:
            self._waiting[path] = _Waiting(mark, now)
            return False
        rested = now - waiting.since
        return rested >= self.patience or (rested >= self.settle and is_whole(path))


def list_files(inputs: Sequence[Path]) -> list[Path]:
    """Return the FITS files among ``inputs`` and inside the directories among them.

    Files named directly come in the order given, whatever their name; those of a directory in
    natural order of name (frame9 before frame10), without temporary names. Each path once,
    absolute.
    """
    paths: dict[Path, None] = {}
    for item in inputs:
        if item.is_dir():
            inside = [p for p in item.iterdir() if is_fits_name(p.name)]
            paths.update(dict.fromkeys(p.absolute() for p in sorted(inside, key=natural_key)))
        else:
            paths[item.absolute()] = None
    return list(paths)


def is_fits_name(name: str) -> bool:
    """Tell whether a file name ends like FITS and is not a temporary one."""
    return name.lower().endswith(SUFFIXES) and TEMPORARY.search(name) is None


def natural_key(path: Path) -> tuple[tuple[int, int, str], ...]:
    """Sort key that compares runs of digits as numbers."""
    parts = re.split(r"(\d+)", path.name)
    return tuple((1, int(p), p) if p.isdigit() else (0, 0, p) for p in parts)


def _mark(path: Path) -> FileMark | None:
    try:
        status = path.stat()
    except OSError:  # vanished between listing and looking
        return None
    return FileMark(status.st_size, status.st_mtime_ns)
