"""A member finds back into its group when its topics seem to have changed for a moment."""

from __future__ import annotations

import time
from contextlib import closing

import pytest
from kafka import TopicPartition

from csstream.runtime.kafka import make_consumer
from csstream.runtime.membership import Membership

pytestmark = pytest.mark.integration
WAIT_S = 60.0


def poll_until_assigned(consumer, membership: Membership) -> list[TopicPartition]:
    deadline = time.monotonic() + WAIT_S
    while time.monotonic() < deadline:
        consumer.poll(timeout_ms=100)
        for came, partitions in membership.take():
            if came:
                return partitions
    raise AssertionError("the group did not take the member in")


def test_a_join_is_finished_though_its_cause_has_gone(settings):
    topic = settings.topics().alerts
    with closing(make_consumer(settings, "group", "test")) as consumer:
        membership = Membership(lambda: consumer._coordinator.request_rejoin())
        consumer.subscribe(topics=[topic.name], listener=membership)
        everything = poll_until_assigned(consumer, membership)
        assert len(everything) == topic.partitions
        snapshot = consumer._coordinator._metadata_snapshot
        consumer._coordinator._metadata_snapshot = {topic.name: {0}}  # as a fresh broker may say
        while not membership.outside_for():
            consumer.poll(timeout_ms=0)  # begins a join and does not wait for the answer
        consumer._coordinator._metadata_snapshot = snapshot
        assert poll_until_assigned(consumer, membership) == everything
