"""One worker at work: hands messages to the handler, lets offsets be committed, watches Faust."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Iterable
from typing import Any

import structlog

from csstream.contracts.errors import FatalError
from csstream.lightcurves.changelog import PartitionLostError
from csstream.lightcurves.faust_guards import Positions
from csstream.lightcurves.handler import STAGE_NAME, Handler
from csstream.lightcurves.watch import Watch
from csstream.runtime.messages import Message, Outgoing
from csstream.runtime.service import EXIT_TRY_AGAIN

STOP_TIMEOUT_S = 15.0  # [s] for Faust to commit and leave the group
WATCH_INTERVAL_S = 0.2
log = structlog.stdlib.get_logger(__name__)


class FaustOutbox:
    """Sends through the app's idempotent producer."""

    def __init__(self, app: Any) -> None:
        self._app = app

    async def send(self, messages: Iterable[Outgoing]) -> None:
        """Send messages; return when every one is acknowledged, raise where one was not."""
        producer = self._app.producer
        sent = [
            await producer.send(
                each.topic, each.key, each.value, each.partition, None, each.headers
            )
            for each in messages
        ]
        await asyncio.gather(*sent)


class Service:
    """Runs a Faust app until told to stop, or until something fails.

    Parameters
    ----------
    app : the Faust app, its agent calling :meth:`on_event`
    handler : what is done with a message
    positions : what may be committed
    watch : looks at the app now and then
    """

    def __init__(self, app: Any, handler: Handler, positions: Positions, watch: Watch) -> None:
        self.app = app
        self.handler = handler
        self.positions = positions
        self._watch = watch
        self._handling = asyncio.Lock()
        self._stopping = asyncio.Event()
        self._failure: BaseException | None = None

    async def run(self, stop: threading.Event) -> None:
        """Run until ``stop`` is set; the message in hand is finished and committed.

        Raises what made the service fail; nothing that it was about is committed then.
        """
        tasks = [asyncio.create_task(work) for work in (self._start(), self._keep_watch(stop))]
        await self._stopping.wait()  # also while Faust is still looking for a broker
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        async with self._handling:
            await self._stop()
        if self._failure is not None:
            raise self._failure

    async def on_event(self, event: Any) -> None:
        """Handle one message, and only then let its offset be committed.

        Never returns after a failure: Faust would take a return for success.
        """
        tp, generation = event.message.tp, self.app.consumer_generation_id
        message = message_of(event.message)
        if not self._stopping.is_set():
            async with self._handling:
                handled = await self._handle(event, message)
            if handled is False or generation != self.app.consumer_generation_id:
                return  # taken away in the meantime: whoever has it now, reads it again
            if handled:
                self.positions.handled(tp, message.offset)
                event.ack()
                return
        await asyncio.Event().wait()

    async def _handle(self, event: Any, message: Message) -> bool | None:
        """Return True: done; False: the partition is gone; None: failed."""
        try:
            committed = self.app.consumer._committed_offset[event.message.tp]
            self.positions.expect(event.message.tp, message.offset, committed)
            await self.handler.handle(message)
        except PartitionLostError as error:
            log.warning("partition lost", error=str(error), place=message.place)
            return False
        except Exception as error:
            self._fail(error)
            return None
        self._watch.moved()
        return True

    async def on_revoked(self, partitions: Iterable[Any]) -> None:
        """Forget everything that was derived from the partitions' stores."""
        self.handler.forget()
        self.positions.forget(partitions)
        self._watch.rebalanced()

    async def _start(self) -> None:
        try:
            await self.app.start()
        except Exception as error:
            self._fail(error)

    def _fail(self, error: BaseException) -> None:
        if self._failure is None:
            self._failure = error
        self._stopping.set()

    async def _stop(self) -> None:
        try:
            async with asyncio.timeout(STOP_TIMEOUT_S):
                await self.app.stop()
        except TimeoutError:
            log.error("Faust does not stop", stage=STAGE_NAME, failure=repr(self._failure))
            os._exit(EXIT_TRY_AGAIN)  # its threads would keep the process for ever

    async def _keep_watch(self, stop: threading.Event) -> None:
        while not self._stopping.is_set():
            await asyncio.sleep(WATCH_INTERVAL_S)
            if stop.is_set():
                self._stopping.set()
            elif self.app.should_stop:
                self._fail(self.app.crash_reason or FatalError("Faust has stopped by itself"))
            else:
                try:
                    self._watch.look()
                except Exception as error:
                    self._fail(error)


def message_of(message: Any) -> Message:
    """Return a Faust message as the runtime's."""
    headers = message.headers or ()
    pairs = headers.items() if hasattr(headers, "items") else headers
    timestamp = message.timestamp
    return Message(
        message.topic,
        message.partition,
        message.offset,
        message.key,
        message.value,
        tuple((str(name), value or b"") for name, value in pairs),
        -1 if timestamp is None else round(timestamp * 1000),
    )
