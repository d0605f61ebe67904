"""Stamps ahead of their use: the next batch is drawn while the network learns from this one."""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType

import numpy as np

from csstream.trainer.pnet_scenes import Sky, Stamps


class Supply:
    """Draws batches of stamps one step ahead, on as many threads as are given.

    Every stamp has its own generator, spawned from the sky's: batches do not depend on the
    number of threads. Without threads a batch is drawn when it is asked for.
    """

    def __init__(self, sky: Sky, batch: int, renew_every: int, threads: int = 0) -> None:
        self._sky = sky
        self._batch = batch
        self._renew_every = renew_every
        self._drawn = 0
        self._workers = ThreadPoolExecutor(threads) if threads > 0 else None
        self._ahead = ThreadPoolExecutor(1) if threads > 0 else None
        self._next: Future[Stamps] | None = None

    def __enter__(self) -> Supply:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for pool in (self._ahead, self._workers):
            if pool is not None:
                pool.shutdown(cancel_futures=True)

    def take(self) -> Stamps:
        """Return the next batch."""
        if self._ahead is None:
            return self._draw()
        batch = self._ahead.submit(self._draw) if self._next is None else self._next
        self._next = self._ahead.submit(self._draw)
        return batch.result()

    def _draw(self) -> Stamps:
        if self._drawn % self._renew_every == 0:
            self._sky.renew()
        self._drawn += 1
        generators = self._sky.rng.spawn(self._batch)
        draw = map if self._workers is None else self._workers.map
        parts = list(draw(self._sky.draw_stamp, generators))
        return Stamps(*(np.stack(part) for part in zip(*parts, strict=True)))
