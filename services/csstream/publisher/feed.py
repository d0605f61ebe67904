"""What to announce next: a list of files, or whatever appears in a directory."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path

from csstream.contracts.errors import FatalError, TransientError
from csstream.publisher.handler import Publisher
from csstream.publisher.settings import PublisherSettings
from csstream.publisher.watch import Watcher, list_files
from csstream.runtime.retries import RetryPolicy, call_with_retries

Progress = Callable[[int, int], None]
END_MARK = ".sequence-complete"  # a file of this name in a watched directory ends the sequence


class Feed:
    """Hands files to the publisher until there are no more, or until told to stop."""

    def __init__(
        self,
        publisher: Publisher,
        settings: PublisherSettings,
        stop: threading.Event,
        retries: RetryPolicy,
        progress: Progress = lambda done, total: None,
        beat: Callable[[], None] = lambda: None,
    ) -> None:
        self._publisher = publisher
        self._settings = settings
        self._stop = stop
        self._retries = retries
        self._progress = progress
        self._beat = beat
        self._next_at = 0.0  # monotonic time before which nothing may be announced

    def run(self) -> None:
        """Send what a crash left unsent, then everything new, then the sequence's end."""
        self._certainly(self._publisher.recover)
        complete = self._watch() if self._settings.watch else self._list()
        if complete and self._settings.close_sequence:
            self._certainly(self._publisher.close_sequence)
        elif complete:
            self._certainly(self._publisher.flush)

    def _list(self) -> bool:
        files = list_files(self._settings.inputs)
        for done, path in enumerate(files):
            self._progress(done, len(files))
            if self._stop.is_set():
                return False
            self._handle_at_rest(path)
        self._progress(len(files), len(files))
        return True

    def _handle_at_rest(self, path: Path) -> None:
        """Handle one file of a list; wait while somebody is still writing it."""
        deadline = time.monotonic() + self._settings.patience
        while self._handle(path) == "changing":
            if time.monotonic() > deadline:
                raise FatalError(f"{path} keeps changing: use --watch for files being written")
            if self._stop.wait(self._settings.poll_interval):
                return

    def _watch(self) -> bool:
        watcher = Watcher(
            self._settings.inputs, settle=self._settings.settle, patience=self._settings.patience
        )
        last_news = time.monotonic()
        while not self._stop.is_set():
            self._beat()
            ready = watcher.poll()
            for path in ready:
                self._progress(self._publisher.tally.handled(), self._settings.expect)
                self._handle(path)
                if self._stop.is_set():
                    return False
            if ready or watcher.pending():
                last_news = time.monotonic()
            elif self._is_complete(time.monotonic() - last_news):
                return True
            self._stop.wait(self._settings.poll_interval)
        return False

    def _is_complete(self, idle: float) -> bool:
        settings = self._settings
        handled = self._publisher.tally.handled() + self._publisher.groups.waiting()
        return bool(
            (settings.expect and handled >= settings.expect)
            or (settings.until_idle and idle >= settings.until_idle)
            or any((directory / END_MARK).exists() for directory in settings.inputs)
        )

    def _handle(self, path: Path) -> str:
        self._keep_rate()
        try:
            return self._publisher.handle(path)
        except TransientError:  # stored, but not acknowledged: the ledger knows the bytes
            self._certainly(self._publisher.recover)
            return "announced"

    def _keep_rate(self) -> None:
        if self._settings.rate > 0:
            self._stop.wait(max(0.0, self._next_at - time.monotonic()))
            self._next_at = time.monotonic() + 1.0 / self._settings.rate

    def _certainly(self, send: Callable[[], object]) -> None:
        call_with_retries(send, self._retries, self._stop)
