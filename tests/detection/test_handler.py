"""The handler: what is sent in which order, and what a failure leaves behind."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from kafka.errors import KafkaTimeoutError

from csstream.contracts.codec import decode, decode_any, encode
from csstream.contracts.errors import BadInputError, InvalidMessageError, TransientError
from csstream.contracts.records import ClosedMarker, ExposureReport, Measurements
from csstream.contracts.topics import load_topics
from csstream.detection.handler import DetectionHandler
from csstream.detection.outlet import Outlet
from csstream.runtime.messages import Message
from csstream.runtime.metrics import make_metrics


class FakeProducer:
    """Takes messages as kafka-python's producer does; fails on demand."""

    def __init__(self) -> None:
        self.sent = []
        self.fail_from = math.inf

    def send(self, topic, value, key, headers, partition):
        if len(self.sent) >= self.fail_from:
            raise KafkaTimeoutError("the broker is away")
        self.sent.append((topic, partition, key, value, dict(headers)))
        return self

    def flush(self, timeout=None) -> None: ...

    def get(self, timeout=None) -> None: ...


@pytest.fixture
def producer():
    return FakeProducer()


@pytest.fixture
def make_handler(producer):
    metrics = make_metrics()

    def make(measure) -> DetectionHandler:
        outlet = Outlet(producer, load_topics(), metrics)
        return DetectionHandler(measure, outlet, metrics, 4.0, "classical")

    return make


def message_of(record) -> Message:
    value = record if isinstance(record, bytes) else encode(record)
    return Message("exposures", 1, 0, b"1", value, (), 1234)


def test_batches_then_markers_then_report(
    make_handler, producer, exposure, make_table, make_result
):
    result = make_result(make_table([10.0, 10.1], [20.0, 20.0]), [5])
    make_handler(lambda _: result)(message_of(exposure))
    *measurements, report = producer.sent
    records = [decode_any(m[3], (Measurements, ClosedMarker)) for m in measurements]
    assert [type(r) for r in records[-4:]] == [ClosedMarker] * 4
    assert {type(r) for r in records[:-4]} == {Measurements}
    for (_, partition, key, _, headers), record in zip(measurements, records, strict=True):
        assert headers["csstream-exposure-id"] == b"night.1.7"
        assert headers["csstream-announced-ms"] == b"1234"
        if isinstance(record, Measurements):
            assert partition == record.cell % 4
            assert key == record.cell.to_bytes(8, "big")
        else:
            assert partition == record.partition
            assert key is None
    assert report[:3] == ("exposure-reports", 1, b"1")
    told = decode(report[3], ExposureReport)
    assert (told.status, told.sources) == ("measured", 2)
    assert told.rows == sum(r.sources for r in records[-4:])


def test_given_up_exposure_is_closed_before_the_error_leaves(make_handler, producer, exposure):
    def measure(_):
        raise BadInputError("checksum_mismatch", "damaged")

    with pytest.raises(BadInputError, match="damaged"):
        make_handler(measure)(message_of(exposure))
    *markers, report = producer.sent
    closed = [decode(m[3], ClosedMarker) for m in markers]
    assert [(m.partition, m.batches, m.reason) for m in closed] == [
        (n, 0, "checksum_mismatch") for n in range(4)
    ]
    assert decode(report[3], ExposureReport).status == "given_up"


def test_result_that_breaks_the_schema_is_given_up_whole(
    make_handler, producer, exposure, make_table, make_result
):
    result = replace(make_result(make_table([10.0], [20.0]), [5]), zero_point=math.nan)
    with pytest.raises(InvalidMessageError):
        make_handler(lambda _: result)(message_of(exposure))
    kinds = [decode_any(m[3], (Measurements, ClosedMarker, ExposureReport)) for m in producer.sent]
    assert [type(k) for k in kinds] == [ClosedMarker] * 4 + [ExposureReport]
    assert kinds[-1].status == "given_up"


def test_unreadable_message_sends_nothing(make_handler, producer):
    for value in (b"", b"nonsense", b"\0\0\0\0\1zz"):
        with pytest.raises(InvalidMessageError):
            make_handler(lambda _: None)(message_of(value))
    assert not producer.sent


def test_sequence_end_closes_every_partition(make_handler, producer, exposure):
    end = replace(exposure, kind="sequence_end", image=None, mjd_mid_tai=math.nan)

    def measure(_):
        raise AssertionError("there is nothing to measure")

    make_handler(measure)(message_of(end))
    *markers, report = producer.sent
    assert [decode(m[3], ClosedMarker).sequence_end for m in markers] == [True] * 4
    assert decode(report[3], ExposureReport).status == "sequence_end"


@pytest.mark.parametrize("taken", [0, 2, 5])
def test_redelivery_after_a_broken_send_repeats_the_bytes(
    taken, make_handler, producer, exposure, make_table, make_result
):
    rng = np.random.default_rng(0)
    table = make_table(rng.uniform(10, 10.02, 50), rng.uniform(20, 20.02, 50))
    handler = make_handler(lambda _: make_result(table, [5]))
    producer.fail_from = taken
    with pytest.raises(TransientError):
        handler(message_of(exposure))
    first = [m[:4] for m in producer.sent]
    producer.sent.clear()
    producer.fail_from = math.inf
    handler(message_of(exposure))
    assert [m[:4] for m in producer.sent][:taken] == first


def test_transient_error_closes_nothing(make_handler, producer, exposure):
    def measure(_):
        raise TransientError("disk")

    with pytest.raises(TransientError):
        make_handler(measure)(message_of(exposure))
    assert not producer.sent
