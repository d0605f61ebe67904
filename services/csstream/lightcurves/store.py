"""What the state needs of a partition's key-value store; an in-memory one for offline work."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Iterator
from typing import Protocol


class Store(Protocol):
    """Sorted bytes to bytes of one partition."""

    def get(self, key: bytes) -> bytes | None:
        """Return the value of a key; None: there is none."""

    def put(self, key: bytes, value: bytes) -> None:
        """Set the value of a key."""

    def delete(self, key: bytes) -> None:
        """Remove a key, which need not be there."""

    def seek(self, key: bytes) -> bytes | None:
        """Return the first key that is not below ``key``; None: there is none."""

    def items(self, prefix: bytes, start: bytes = b"") -> Iterator[tuple[bytes, bytes]]:
        """Yield the keys that begin with ``prefix``, from ``start`` on, with their values."""


def keys_of(store: Store, prefix: bytes) -> Iterator[bytes]:
    """Yield the keys that begin with ``prefix`` without reading values."""
    key = store.seek(prefix)
    while key is not None and key.startswith(prefix):
        yield key
        key = store.seek(key + b"\0")


class MemoryStore:
    """A store in memory: for `export`, `rebuild` and tests."""

    def __init__(self) -> None:
        self._values: dict[bytes, bytes] = {}
        self._keys: list[bytes] = []

    def get(self, key: bytes) -> bytes | None:
        return self._values.get(key)

    def put(self, key: bytes, value: bytes) -> None:
        if key not in self._values:
            insort(self._keys, key)
        self._values[key] = value

    def seek(self, key: bytes) -> bytes | None:
        index = bisect_left(self._keys, key)
        return self._keys[index] if index < len(self._keys) else None

    def delete(self, key: bytes) -> None:
        if self._values.pop(key, None) is not None:
            del self._keys[bisect_left(self._keys, key)]

    def items(self, prefix: bytes, start: bytes = b"") -> Iterator[tuple[bytes, bytes]]:
        for key in self._keys[bisect_left(self._keys, max(prefix, start)) :]:
            if not key.startswith(prefix):
                return
            yield key, self._values[key]
