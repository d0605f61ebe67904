"""What a worker knows of its place in the group."""

from kafka import TopicPartition

from csstream.runtime.membership import Membership


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def test_a_join_under_way_is_timed_until_it_is_answered() -> None:
    clock = Clock()
    membership = Membership(clock=clock)
    assert membership.outside_for() == 0.0
    membership.leave()
    clock.now += 30.0
    membership.leave()
    assert membership.outside_for() == 30.0
    membership.on_partitions_assigned([])
    assert membership.outside_for() == 0.0


def test_a_rebalance_that_never_ends_shows_even_without_partitions() -> None:
    clock = Clock()
    membership = Membership(clock=clock)
    membership.on_partitions_assigned([])
    membership.on_partitions_revoked([])
    clock.now += 91.0
    assert membership.outside_for() == 91.0


def test_changes_are_told_in_order_and_once() -> None:
    membership = Membership()
    places = [TopicPartition("t", 1), TopicPartition("t", 0)]
    membership.on_partitions_assigned(places)
    membership.on_partitions_revoked(places)
    assert membership.pending
    assert membership.take() == [(True, sorted(places)), (False, sorted(places))]
    assert not membership.pending
