"""Run a function over parts of the work, on one thread or several."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from types import TracebackType
from typing import Any

Range = tuple[int, int]


class Workers:
    """Threads for kernels that release the interpreter's lock; a context manager.

    The parts are the same for any number of threads, so results are, too.
    """

    def __init__(self, threads: int = 1) -> None:
        self._pool = ThreadPoolExecutor(threads) if threads > 1 else None

    def __enter__(self) -> Workers:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._pool is not None:
            self._pool.shutdown()

    def run(self, function: Callable[..., Any], parts: Sequence[tuple[Any, ...]]) -> None:
        """Call ``function`` with each part's values; return when all are done."""
        if self._pool is None or len(parts) < 2:
            for part in parts:
                function(*part)
            return
        for done in [self._pool.submit(function, *part) for part in parts]:
            done.result()


def split(size: int, step: int) -> list[Range]:
    """Return the ranges of at most ``step`` that make up ``size``."""
    return [(low, min(low + step, size)) for low in range(0, size, step)]
