"""Where partitions really end.

Asked for the latest offset, the embedded broker answers with the first offset of the last batch
plus one (seen with Tansu 0.6.0: 20 records, the last 10 in one batch, gave 11). What it says with
each fetch, the high-water mark, is right. A reader that stops at the former loses records.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import Any, Final

from kafka import TopicPartition

from csstream.contracts.errors import TransientError

POLL_MS: Final = 100


def end_offsets(
    consumer: Any, places: Iterable[TopicPartition], timeout_s: float = 60.0
) -> dict[TopicPartition, int]:
    """Return the offset after the last record of each partition.

    ``consumer`` has no group, or manages its partitions itself. It is left assigned to
    ``places``, at no particular position: seek before you read.

    Raises
    ------
    TransientError
        A partition's high-water mark did not come within ``timeout_s`` [s].
    """
    places = list(places)
    consumer.assign(places)
    ends: dict[TopicPartition, int] = dict(consumer.end_offsets(places))
    filled = [place for place in places if ends[place] > 0]
    consumer.pause(*[place for place in places if ends[place] == 0])
    for place in filled:
        consumer.seek(place, ends[place] - 1)
    deadline = time.monotonic() + timeout_s
    while silent := [place for place in filled if consumer.highwater(place) is None]:
        if time.monotonic() > deadline:
            raise TransientError(f"no broker said within {timeout_s:.0f} s where {silent[0]} ends")
        consumer.poll(timeout_ms=POLL_MS)
    consumer.resume(*places)
    return {place: max(end, consumer.highwater(place) or 0) for place, end in ends.items()}
