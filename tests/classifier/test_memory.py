"""The memory knows what came before an examination, and nothing of partitions it does not own."""

from __future__ import annotations

import dataclasses
import threading

import numpy as np
import pytest

from csstream.alerting.identity import panel_key
from csstream.classifier.gathering import Gatherer
from csstream.classifier.memory import Memory
from csstream.classifier.ownership import Ownership
from csstream.contracts.codec import encode
from csstream.contracts.errors import FatalError, TransientError
from csstream.contracts.records import Examination, Verdicts
from csstream.runtime.retries import RetryPolicy


def examination(number):
    column = np.zeros(1)
    return Examination(
        examination=number,
        visit=number,
        object_id=np.array([5]),
        crossed=column.astype(np.uint8),
        kind=column.astype(np.uint8),
        period=column,
        period_err=column,
        significance=column.astype(np.float32),
        alert_id=(f"alert of {number}",),
        alert_kind=column.astype(np.uint8),
        alert_period=column,
        alert_significance=column.astype(np.float32),
    )


def verdict(latest, previous=None):
    before = None if previous is None else examination(previous)
    return encode(Verdicts(cell=3, panel=1, previous=before, latest=examination(latest)))


def memory_of(*records):
    memory = Memory(lambda partition: iter(records))
    memory.load(2)
    return memory


KEY = panel_key(3, 1)


@pytest.mark.parametrize(
    ("number", "standing", "predecessor"),
    [(8, "new", 7), (9, "new", 7), (7, "repeat", 5), (6, "stale", None), (5, "stale", None)],
)
def test_predecessor_is_the_latest_lower_examination(number, standing, predecessor):
    past = memory_of((KEY, verdict(7, 5))).past(2, 3, 1, number)
    assert past.standing == standing
    assert (past.predecessor and past.predecessor.examination) == predecessor


def test_panel_never_seen_has_no_predecessor():
    assert memory_of().past(2, 3, 1, 4) == ("new", None, None)


def test_repeat_of_the_first_examination_has_no_predecessor():
    past = memory_of((KEY, verdict(1))).past(2, 3, 1, 1)
    assert (past.standing, past.predecessor, past.same.examination) == ("repeat", None, 1)


def test_the_last_record_of_a_key_counts_and_a_tombstone_erases():
    memory = memory_of((KEY, verdict(1)), (KEY, verdict(4, 1)))
    assert memory.past(2, 3, 1, 5).predecessor.examination == 4
    assert memory_of((KEY, verdict(1)), (KEY, None)).past(2, 3, 1, 1) == ("new", None, None)


def varying(number, panel, **changes):
    """A verdict of a panel whose only object varies."""
    look = examination(number)
    one = {n: np.ones(1) for n in ("source_ra", "source_dec", "source_t0", "source_width")}
    changes = {"source_row": np.zeros(1, np.int32), "source_swing": np.ones(1), **one, **changes}
    look = dataclasses.replace(look, object_id=np.array([100 * panel + 1]), **changes)
    return encode(Verdicts(cell=3, panel=panel, previous=None, latest=look))


def test_the_other_panels_of_the_cell_are_around_in_order_of_panel():
    records = [(panel_key(3, p), varying(4, p)) for p in (7, 0, 1)]
    elsewhere = encode(Verdicts(cell=4, panel=2, previous=None, latest=examination(1)))
    memory = memory_of(*records, (panel_key(4, 2), elsewhere))
    around = memory.around(2, 3, 1)
    assert [each.sources.object_id.tolist() for each in around] == [[1], [701]]
    assert around[0].sources.swing.tolist() == [1.0]


def test_what_is_around_follows_what_is_sent():
    memory = memory_of((panel_key(3, 0), varying(4, 0)))
    assert len(memory.around(2, 3, 1)) == 1
    pair = {"mirror_id": np.array([201, 9]), "mirror_source": np.array([7, 7])}
    memory.put(2, 3, 2, varying(1, 2, **pair))
    assert [len(each.sources) for each in memory.around(2, 3, 1)] == [1, 1]
    assert memory.around(2, 3, 1)[1].mirror_id.tolist() == [201]  # 9 is of another panel
    memory.drop(2)
    with pytest.raises(FatalError):
        memory.around(2, 3, 1)


def test_what_was_just_sent_is_remembered():
    memory = memory_of()
    memory.put(2, 3, 1, verdict(1))
    assert memory.past(2, 3, 1, 2).predecessor.alert_id == ("alert of 1",)


def test_a_partition_that_is_not_loaded_stops_the_service():
    memory = memory_of()
    with pytest.raises(FatalError, match="partition 0"):
        memory.past(0, 3, 1, 1)
    memory.drop(2)
    assert not memory.holds(2)
    with pytest.raises(FatalError):
        memory.put(2, 3, 1, b"")


def test_a_spoilt_verdict_stops_the_service_rather_than_repeat_alerts():
    with pytest.raises(FatalError, match="tombstone"):
        memory_of((KEY, b"junk")).past(2, 3, 1, 1)


class Place:
    def __init__(self, partition):
        self.partition = partition


def test_ownership_loads_what_is_assigned_and_forgets_what_is_revoked():
    memory = Memory(lambda partition: iter([(KEY, verdict(partition))]))
    ownership = Ownership(memory, Gatherer(), RetryPolicy(), threading.Event())
    ownership.assigned([Place(1), Place(2)])
    ownership.revoked([Place(1)])
    assert not memory.holds(1)
    assert memory.past(2, 3, 1, 2).standing == "repeat"


def test_loading_is_tried_again_when_the_broker_is_away():
    failures = [TransientError("away")]

    def read(partition):
        if failures:
            raise failures.pop()
        yield KEY, verdict(1)

    memory = Memory(read)
    policy = RetryPolicy(max_attempts=2, first_delay_s=0.001)
    Ownership(memory, Gatherer(), policy, threading.Event()).assigned([Place(0)])
    assert memory.holds(0)


def test_a_failed_load_leaves_the_partition_unloaded():
    def read(partition):
        yield KEY, verdict(1)
        raise TransientError("away")

    memory = Memory(read)
    with pytest.raises(TransientError):
        memory.load(0)
    assert not memory.holds(0)
