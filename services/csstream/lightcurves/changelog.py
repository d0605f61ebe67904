"""One partition of the Faust table: RocksDB beside its changelog."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from typing import Any

from faust.types import TP

from csstream.contracts.errors import CsstreamError


class PartitionLostError(CsstreamError):
    """The partition was taken away while a message of it was being handled: somebody else's now."""


class RocksStore:
    """The local copy of one partition; holds no handle, since RocksDB closes when collected."""

    def __init__(self, table: Any, partition: int) -> None:
        self._table = table
        self._partition = partition

    def get(self, key: bytes) -> bytes | None:
        value: bytes | None = self._db().get(key)
        return value

    def put(self, key: bytes, value: bytes) -> None:
        self._db().put(key, value)

    def delete(self, key: bytes) -> None:
        self._db().delete(key)

    def seek(self, key: bytes) -> bytes | None:
        cursor = self._db().iter()
        cursor.seek(key)
        found: bytes | None = cursor.key() if cursor.valid() else None
        return found

    def items(self, prefix: bytes, start: bytes = b"") -> Iterator[tuple[bytes, bytes]]:
        for key, value in self._db().items(from_key=max(prefix, start)):
            if not key.startswith(prefix):
                return
            yield key, value

    def _db(self) -> Any:
        # Not _db_for_partition: it would open, and so lock, a database that is another worker's.
        db = self._table.data._dbs.get(self._partition)
        if db is None:
            raise PartitionLostError(f"partition {self._partition} of the state was taken away")
        return db


class LoggedStore:
    """Writes that are on the changelog before they count.

    Order: RocksDB, then the changelog, then the changelog's offset into RocksDB. Whatever is lost
    by a crash between two of them, the source's offset has not been committed: the message comes
    again, is found or not found in the store, and is sent to the changelog again either way.
    Writing the offset first could lose an entry for good: recovery reads on from that offset.
    """

    def __init__(self, app: Any, table: Any, changelog: str) -> None:
        self._app = app
        self._table = table
        self._changelog = changelog

    def partition(self, partition: int) -> RocksStore:
        """Return the local store of one partition."""
        return RocksStore(self._table, partition)

    async def write(self, partition: int, key: bytes, value: bytes) -> None:
        """Store and log one record; return when the brokers have acknowledged it."""
        await self.write_all(partition, [(key, value)])

    async def write_all(
        self, partition: int, records: Sequence[tuple[bytes, bytes | None]]
    ) -> None:
        """Store and log records, or remove those without a value; return when all are safe."""
        if not records:
            return
        store, producer = self.partition(partition), self._app.producer
        for key, value in records:
            store.delete(key) if value is None else store.put(key, value)
        sends = [
            await producer.send(self._changelog, key, value, partition, None, None)
            for key, value in records
        ]
        sent = await asyncio.gather(*sends)
        store.seek(b"")  # PartitionLostError rather than opening it anew below
        place = TP(self._changelog, partition)
        self._table.data.set_persisted_offset(place, max(each.offset for each in sent))
