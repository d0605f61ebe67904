"""A handler of the light-curve service over stores in memory."""

from __future__ import annotations

import asyncio
from collections import defaultdict

from csstream.alerting.schedule import Schedule
from csstream.contracts.errors import TransientError
from csstream.lightcurves.handler import Handler
from csstream.lightcurves.series import Rules
from csstream.lightcurves.state import PartitionState
from csstream.lightcurves.store import MemoryStore
from csstream.runtime.messages import Message
from csstream.runtime.metrics import make_metrics

RULES = Rules(Schedule(4, 1.3), confirm_sources=2, confirm_epochs=4)


class Bench:
    """A handler over stores in memory; everything acknowledged is written down in order."""

    def __init__(self, partitions: int = 1) -> None:
        self.stores: dict[int, MemoryStore] = defaultdict(MemoryStore)
        self.done: list[tuple[str, bytes]] = []  # ("log", key) or (topic, value)
        self.logged: list[tuple[bytes, bytes]] = []
        self.sent = []
        self.fail_on: str | None = None
        self.metrics = make_metrics()
        self.partitions = partitions
        self.handler = self.new_handler()

    def new_handler(self) -> Handler:
        return Handler(
            self,
            self,
            lambda store: PartitionState(store, RULES),
            lightcurves="lightcurves",
            dead_letters="lightcurves.dead-letters",
            partitions=self.partitions,
            metrics=self.metrics,
            now_ms=lambda: 5,
        )

    def partition(self, partition: int) -> MemoryStore:
        return self.stores[partition]

    async def write(self, partition: int, key: bytes, value: bytes) -> None:
        self.stores[partition].put(key, value)
        if self.fail_on == "log":
            raise TransientError("the changelog is away")
        self.logged.append((key, value))
        self.done.append(("log", key))

    async def write_all(self, partition: int, records) -> None:
        for key, value in records:
            if value is None:
                self.stores[partition].delete(key)
            else:
                await self.write(partition, key, value)

    async def send(self, messages) -> None:
        for message in messages:
            if self.fail_on == message.topic:
                raise TransientError("the topic is away")
            self.sent.append(message)
            self.done.append((message.topic, message.value))

    def handle(self, *messages: Message) -> None:
        async def all_of_them() -> None:
            for message in messages:
                await self.handler.handle(message)

        asyncio.run(all_of_them())

    def restart(self) -> None:
        self.fail_on = None
        self.handler = self.new_handler()

    def panels(self) -> list[bytes]:
        return [message.value for message in self.sent if message.topic == "lightcurves"]
