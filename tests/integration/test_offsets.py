"""The end of a partition is where its records end, also when the last came in one batch."""

from __future__ import annotations

import pytest
from kafka import TopicPartition

from csstream.contracts.errors import TransientError
from csstream.runtime.kafka import Outgoing, make_consumer, send_all
from csstream.runtime.offsets import end_offsets

pytestmark = pytest.mark.integration


@pytest.mark.parametrize("sizes", [[], [1], [1, 6], [5, 1, 10]])
def test_ends_are_exact_whatever_the_batches(settings, producer, sizes):
    topic = settings.topics().alerts.name
    for size in sizes:
        send_all(producer, [Outgoing(topic, 0, b"k", b"v") for _ in range(size)])
    consumer = make_consumer(settings, None, "test")
    places = [TopicPartition(topic, 0), TopicPartition(topic, 1)]
    assert list(end_offsets(consumer, places).values()) == [sum(sizes), 0]
    assert consumer.assignment() == set(places)
    assert not consumer.paused()
    consumer.close()


def test_an_end_that_nobody_tells_is_an_error_and_not_a_guess(settings, producer):
    topic = settings.topics().alerts.name
    send_all(producer, [Outgoing(topic, 0, b"k", b"v")])
    consumer = make_consumer(settings, None, "test")
    with pytest.raises(TransientError, match="no broker said"):
        end_offsets(consumer, [TopicPartition(topic, 0)], timeout_s=-1.0)
    consumer.close()
