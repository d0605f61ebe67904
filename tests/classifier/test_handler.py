"""Order of sending, repeats and faults: what is in the topics is as if nothing had happened."""

from __future__ import annotations

import dataclasses
import itertools

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from csstream.alerting.identity import panel_key
from csstream.classifier.gathering import Gatherer
from csstream.classifier.handler import PanelHandler
from csstream.classifier.memory import Memory
from csstream.contracts.codec import decode, encode
from csstream.contracts.errors import InvalidMessageError, TransientError
from csstream.contracts.headers import ANNOUNCED_MS, find_header, text_header
from csstream.contracts.records import Alert
from csstream.contracts.topics import load_topics
from csstream.runtime.messages import Message
from csstream.runtime.metrics import make_metrics

TOPICS = load_topics()
LOOKS = 8
REUSED = settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


class Service:
    """A classifier whose topics are lists; it can be killed and started again."""

    def __init__(self, made):
        self.made = made
        self.log = []  # what was acknowledged, in order
        self.fail_before = None  # number of the send that fails, counted from the start
        self.sends = 0
        self.start()

    def start(self):
        verdicts = [(m.key, m.value) for m in self.log if m.topic == TOPICS.verdicts.name]
        self.memory = Memory(lambda partition: iter(verdicts))
        self.memory.load(0)
        self.metrics = make_metrics()
        self.handler = PanelHandler(
            memory=self.memory,
            gatherer=Gatherer(),
            examiner=self.made.examiner(self.search),
            send=self.send,
            topics=TOPICS,
            metrics=self.metrics,
        )

    def search(self, time, flux, err):
        return self.made.result(crossed=CROSSED[len(time)])

    def send(self, messages):
        self.sends += 1
        if self.sends == self.fail_before:
            raise TransientError("killed")
        self.log += list(messages)

    def give(self, number):
        self.handler(message_of(self.made.panel(number, epochs=number)))

    def distinct(self, topic):
        """Bodies of a topic, each once, in the order in which they first came."""
        return list(dict.fromkeys(m.value for m in self.log if m.topic == topic.name))

    def counted(self, name):
        return self.metrics.registry.get_sample_value(
            f"csstream_{name}_total", {"stage": "classifier"}
        )


# Which objects cross at each look: one steady, one that goes, one that comes late.
CROSSED = {1: [0, 1], 2: [0, 1], 3: [0], 4: [0], 5: [0], 6: [0, 2], 7: [0, 2], 8: [0, 2]}


def message_of(panel, **changes):
    headers = (text_header(ANNOUNCED_MS, 1234),)
    key = panel_key(panel.cell, panel.panel)
    message = Message("lightcurves", 0, panel.examination, key, encode(panel), headers, 5)
    return message._replace(**changes)


@pytest.fixture
def undisturbed(made):
    service = Service(made)
    for number in range(1, LOOKS + 1):
        service.give(number)
    return service


def test_alerts_go_before_the_verdict(undisturbed):
    topics = [m.topic for m in undisturbed.log]
    first = topics.index(TOPICS.alerts.name)
    assert topics[first : first + 5] == [
        *[TOPICS.alerts.name, TOPICS.alerts_latest.name] * 2,
        TOPICS.verdicts.name,
    ]
    assert len(undisturbed.distinct(TOPICS.verdicts)) == LOOKS


def test_the_course_gives_the_alerts_that_it_should(undisturbed, made):
    alerts = [decode(body, Alert) for body in undisturbed.distinct(TOPICS.alerts)]
    told = [(a.examination, a.object_id - made.first_id, a.reason) for a in alerts]
    assert told == [
        (2, 0, "first_crossing"),
        (2, 1, "first_crossing"),
        (4, 1, "withdrawn"),
        (7, 2, "first_crossing"),
    ]


def test_messages_go_to_the_partition_of_the_panel_with_their_keys(undisturbed, made):
    assert {m.partition for m in undisturbed.log} == {0}
    alert = next(m for m in undisturbed.log if m.topic == TOPICS.alerts.name)
    assert int.from_bytes(alert.key, "big") == made.first_id
    assert find_header(alert.headers, ANNOUNCED_MS) == "1234"


def test_metrics_count_looks_and_alerts(undisturbed):
    sample = undisturbed.metrics.registry.get_sample_value
    assert sample("csstream_examinations_total") == LOOKS
    labels = {"kind": "eclipsing", "reason": "first_crossing"}
    assert sample("csstream_alerts_total", labels) == 3


def test_a_repeat_gives_the_same_bytes_again(undisturbed):
    before = len(undisturbed.log)
    last = undisturbed.log[-1].value
    undisturbed.give(LOOKS)
    assert [m.value for m in undisturbed.log[before:]] == [last]
    assert undisturbed.counted("duplicates") == 1


def test_an_examination_long_past_sends_nothing_and_is_counted(undisturbed):
    before = len(undisturbed.log)
    undisturbed.give(3)
    undisturbed.give(LOOKS - 1)
    assert len(undisturbed.log) == before
    assert undisturbed.counted("duplicates") == 2


@pytest.mark.parametrize("payload", [None, b"", b"junk", b"\x00\x00\x00\x00\x63xyz"])
def test_bytes_that_are_no_panel_are_bad_input(made, payload):
    with pytest.raises(InvalidMessageError):
        Service(made).handler(message_of(made.panel(), value=payload))


def test_a_panel_in_parts_is_committed_when_it_is_whole(made):
    service = Service(made)
    panel = made.panel(1, epochs=2)
    half = {c: getattr(panel, c)[:1] for c in ("mjd_mid_tai", "epoch_visit", "epoch_detector")}
    half |= {c: getattr(panel, c)[:, :1] for c in ("flux", "flux_err", "flags")}
    for part, whole in [(0, False), (1, True)]:
        message = message_of(dataclasses.replace(panel, part=part, parts=2, **half))
        service.handler(message)
        assert service.handler.may_commit(message) == whole
    assert len(service.distinct(TOPICS.verdicts)) == 1


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    kills=st.lists(st.integers(1, 14), max_size=4),
    again=st.lists(st.integers(0, 3), min_size=LOOKS),
)
def test_kills_and_redeliveries_change_no_byte(made, undisturbed, kills, again):
    service = Service(made)
    kills = iter(kills)
    service.fail_before = next(kills, None)
    deliver = itertools.chain.from_iterable(
        [*range(max(1, n - again[n - 1]), n), n] for n in range(1, LOOKS + 1)
    )
    for number in deliver:
        while True:
            try:
                service.give(number)
                break
            except TransientError:  # a new process takes over, and gets the message again
                later = next(kills, None)
                service.fail_before = later and service.sends + later
                service.start()
    for topic in (TOPICS.alerts, TOPICS.alerts_latest, TOPICS.verdicts):
        assert service.distinct(topic) == undisturbed.distinct(topic)


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(order=st.permutations(range(1, LOOKS + 1)))
def test_out_of_order_no_object_is_first_seen_twice(made, order):
    service = Service(made)
    for number in order:
        service.give(number)
    alerts = [decode(body, Alert) for body in service.distinct(TOPICS.alerts)]
    first = [a.object_id for a in alerts if a.reason == "first_crossing"]
    assert len(first) == len(set(first))
    assert len({a.alert_id for a in alerts}) == len(alerts)


# --- two panels of one cell: the bright star is in the first, its mirror in the second -----------

MIRROR_LOOKS = [(1, 1), (2, 1), (1, 2), (2, 2), (1, 3), (2, 3), (1, 4), (2, 4)]
"""(panel, examination) in the order in which the cell's panels come."""
BRIGHT_FROM, FAINT_FROM = 3, 1  # examinations at which the two stars begin to cross


class TwoPanels(Service):
    """The faint star crosses from the start, the bright one two looks later."""

    def search(self, time, flux, err):
        bright = flux[0, 0] > 10_000
        crosses = len(time) >= (BRIGHT_FROM if bright else FAINT_FROM)
        return self.made.result(objects=1, crossed=[0] if crosses else [])

    def give(self, number):
        panel, examination = MIRROR_LOOKS[number - 1]
        level = 50_000.0 if panel == 1 else 500.0
        self.handler(
            message_of(
                self.made.panel(
                    examination,
                    flux=np.full((1, examination), level),
                    panel=panel,
                    object_id=np.array([self.made.first_id + 128 * panel]),
                    ra=np.array([269.2]),
                )
            )
        )


@pytest.fixture
def mirrored(made):
    service = TwoPanels(made)
    for number in range(1, len(MIRROR_LOOKS) + 1):
        service.give(number)
    return service


def test_the_mirror_of_a_star_in_another_panel_is_withdrawn_and_named(mirrored, made):
    alerts = [decode(body, Alert) for body in mirrored.distinct(TOPICS.alerts)]
    bright, faint = made.first_id + 128, made.first_id + 256
    told = [(a.object_id, a.examination, a.reason, a.mirror_of) for a in alerts]
    assert told == [
        (faint, 2, "first_crossing", 0),
        (faint, 3, "withdrawn", bright),
        (bright, 4, "first_crossing", 0),
    ]
    assert alerts[2].mirrors.tolist() == [faint]
    assert alerts[1].replaces == alerts[0].alert_id


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    kills=st.lists(st.integers(1, 14), max_size=4),
    again=st.lists(st.integers(0, 5), min_size=len(MIRROR_LOOKS), max_size=len(MIRROR_LOOKS)),
)
def test_kills_and_redeliveries_change_no_byte_of_what_mirrors_what(made, mirrored, kills, again):
    service = TwoPanels(made)
    kills = iter(kills)
    service.fail_before = next(kills, None)
    deliver = itertools.chain.from_iterable(
        range(max(1, n - back), n + 1) for n, back in enumerate(again, start=1)
    )
    for number in deliver:
        while True:
            try:
                service.give(number)
                break
            except TransientError:
                later = next(kills, None)
                service.fail_before = later and service.sends + later
                service.start()
    for topic in (TOPICS.alerts, TOPICS.alerts_latest, TOPICS.verdicts):
        assert service.distinct(topic) == mirrored.distinct(topic)
