"""One message: stored, logged, its panels sent, and all of it acknowledged in that order."""

from __future__ import annotations

import pytest
from handler_bench import Bench

from csstream.contracts.codec import decode, encode
from csstream.contracts.errors import TransientError
from csstream.contracts.headers import ANNOUNCED_MS, STAGE, find_header
from csstream.contracts.records import DeadLetter, Measurements, Panel
from csstream.lightcurves import keys
from csstream.lightcurves.entries import read_batch, stored_value
from csstream.runtime.messages import Message


@pytest.fixture
def messages(make_field, to_message) -> list[Message]:
    field = make_field(stars=20, partitions=1, seed=2)
    return [to_message(p, record, i) for i, (p, record) in enumerate(field.run(6))]


def test_the_entry_is_logged_before_its_panels_and_the_frontier_after_them(messages):
    bench = Bench()
    bench.handle(*messages[:-1])
    bench.done.clear()
    bench.handle(messages[-1])
    kinds = [name if name != "log" else value[:1].decode() for name, value in bench.done]
    assert kinds[0] == "M"
    assert kinds[-1] == "S"
    assert set(kinds[1:-1]) == {"lightcurves"}


def test_panels_go_to_the_partition_of_their_cell_under_their_key(messages):
    bench = Bench()
    bench.handle(*messages)
    assert bench.sent
    for message in bench.sent:
        panel = decode(message.value, Panel)
        assert message.partition == 0
        assert message.key == keys.panel_key(panel.cell, panel.panel)
        assert find_header(message.headers, STAGE) == "lightcurves"


def test_the_time_of_announcement_travels_in_a_header(messages):
    bench = Bench()
    stamped = messages[-1]._replace(headers=((ANNOUNCED_MS, b"123"),))
    bench.handle(*messages[:-1], stamped)
    assert find_header(bench.sent[-1].headers, ANNOUNCED_MS) == "123"


def test_metrics_say_how_far_and_how_late(messages):
    bench = Bench()
    bench.handle(*messages[:-1], messages[-1]._replace(headers=((ANNOUNCED_MS, b"2"),)))
    sample = bench.metrics.registry.get_sample_value
    assert sample("csstream_frontier_visit", {"partition": "0"}) == 7
    assert sample("csstream_objects", {"partition": "0"}) >= 20
    assert sample("csstream_reconcile_difference", {"partition": "0"}) == 0
    late = sample("csstream_latency_seconds_sum", {"stage": "lightcurves"})
    assert late == pytest.approx(0.003)  # the bench's clock stands at 5 ms


@pytest.mark.parametrize("failing", ["log", "lightcurves"])
def test_after_a_failed_send_the_message_comes_again_and_nothing_is_missing(messages, failing):
    expected = Bench()
    expected.handle(*messages)
    bench = Bench()
    bench.handle(*messages[:-1])
    bench.fail_on = failing
    with pytest.raises(TransientError):
        bench.handle(messages[-1])
    bench.restart()
    bench.handle(messages[-1])
    assert bench.panels() == expected.panels()
    assert dict(bench.logged) == dict(expected.logged)


def test_a_redelivered_batch_logs_its_stored_bytes_again(messages):
    first = next(m for m in messages if len(m.value) > 300)
    record = decode(first.value, Measurements)
    other = encode(record.__class__(**{**vars(record), "model": "another"}))
    bench = Bench()
    bench.handle(first, first._replace(value=other, offset=99))
    stored = stored_value(record)
    assert [value for _, value in bench.logged] == [stored, stored]
    assert encode(read_batch(stored)) == first.value
    assert bench.metrics.duplicates.labels("lightcurves")._value.get() == 1


@pytest.mark.parametrize(
    ("value", "reason"),
    [(None, "empty"), (b"not avro", "not_avro"), (b"\0\0\0\xff\xff1234", "unknown_schema")],
)
def test_bytes_that_are_no_record_become_a_dead_letter(messages, value, reason):
    bench = Bench()
    bad = messages[0]._replace(value=value, offset=41, headers=(("a", b"b"),))
    bench.handle(bad, *messages)
    letter = decode(bench.sent[0].value, DeadLetter)
    assert (letter.reason, letter.offset, letter.value) == (reason, 41, value)
    assert letter.headers == (("a", b"b"),)
    assert bench.sent[0].topic == "lightcurves.dead-letters"
    clean = Bench()
    clean.handle(*messages)
    assert bench.panels() == clean.panels()


def test_a_truncated_batch_becomes_a_dead_letter_and_the_frontier_waits_for_it(messages):
    bench = Bench()
    cut = next(i for i, m in enumerate(messages) if len(m.value) > 300)
    broken = messages[cut]._replace(value=messages[cut].value[:-40])
    bench.handle(*messages[:cut], broken, *messages[cut + 1 :])
    assert bench.handler.states[0].sent == 0
    bench.handle(messages[cut])  # replayed whole
    clean = Bench()
    clean.handle(*messages)
    assert bench.panels() == clean.panels()


def test_a_record_in_the_wrong_partition_becomes_a_dead_letter(make_field, to_message, batch):
    bench = Bench(partitions=2)
    bench.handle(to_message(1, batch(4, 1, [], [], [])))
    letter = decode(bench.sent[0].value, DeadLetter)
    assert letter.reason == "wrong_partition"
    assert bench.logged == []


def test_a_failing_dead_letter_topic_stops_the_worker(messages):
    bench = Bench()
    bench.fail_on = "lightcurves.dead-letters"
    with pytest.raises(TransientError):
        bench.handle(messages[0]._replace(value=b"?"))
