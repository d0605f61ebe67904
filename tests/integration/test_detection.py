"""The detection service as a process on a real broker: broken inputs, and being killed."""

from __future__ import annotations

import contextlib
import math
import os
import signal
import subprocess
import sys
import time
from collections import defaultdict
from dataclasses import replace
from pathlib import Path

import pytest

from csstream.contracts.codec import decode, decode_any, encode
from csstream.contracts.records import (
    ClosedMarker,
    DeadLetter,
    Exposure,
    ExposureReport,
    Measurements,
)
from csstream.instruments.instrument import load_instrument
from csstream.publisher.inspect_file import claim_check
from csstream.runtime.admin import create_topics
from csstream.runtime.kafka import Outgoing, make_admin, send_all
from csstream.simulation.field import FieldSettings
from csstream.simulation.survey import SurveySettings, simulate_survey

pytestmark = pytest.mark.integration
PROGRAM = "from csstream.cli.main import main; main()"
FRAMES = 5


@pytest.fixture(scope="module")
def files(tmp_path_factory) -> list[Path]:
    field = FieldSettings(shape=(128, 128), density=0.02, transits=0, eclipsing=1, pulsators=1)
    settings = SurveySettings(
        instrument=load_instrument("csst-i"), field=field, frames=FRAMES, interval=20000.0
    )
    return list(simulate_survey(settings, tmp_path_factory.mktemp("frames")).files)


def exposure(path: Path, visit: int, reference: Path) -> Exposure:
    return Exposure(
        kind="exposure",
        exposure_id=f"night.1.{visit}",
        sequence="night",
        visit=visit,
        detector=1,
        detectors_in_visit=1,
        instrument="csst-i",
        band="i",
        mjd_mid_tai=61000.0 + visit,
        exposure_time=300.0,
        image=claim_check(path),
        reference_frame=claim_check(reference),
    )


def sequence_end(visit: int) -> Exposure:
    return Exposure(
        kind="sequence_end",
        exposure_id=f"night.0.{visit}",
        sequence="night",
        visit=visit,
        detector=0,
        detectors_in_visit=1,
        instrument="csst-i",
        band="",
        mjd_mid_tai=math.nan,
        exposure_time=0.0,
        image=None,
    )


def announce(settings, producer, values) -> None:
    topic = settings.topics().exposures.name
    send_all(producer, [Outgoing(topic, 1, b"1", value) for value in values])


@contextlib.contextmanager
def detection(settings, log: Path):
    environment = os.environ | {
        "CSSTREAM_BOOTSTRAP_SERVERS": settings.bootstrap_servers,
        "CSSTREAM_TOPIC_PREFIX": settings.topic_prefix,
        "CSSTREAM_METHOD": "classical",
    }
    with log.open("ab") as stream:
        process = subprocess.Popen(
            [sys.executable, "-c", PROGRAM, "serve", "detection"], env=environment, stderr=stream
        )
    try:
        yield process
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
        code = process.wait(30)
    assert code in (0, -signal.SIGKILL), log.read_text()[-3000:]


def reports(settings, read_topic) -> dict[str, ExposureReport]:
    messages = read_topic(settings.topics().exposure_reports.name)
    found = [decode(message.value, ExposureReport) for message in messages]
    return {report.exposure_id: report for report in found}


def wait_for_reports(settings, read_topic, count: int, process, log: Path):
    deadline = time.monotonic() + 180.0
    while len(found := reports(settings, read_topic)) < count:
        waiting = process.poll() is None and time.monotonic() < deadline
        assert waiting, f"{len(found)} reports\n{log.read_text()[-3000:]}"
        time.sleep(0.2)
    return found


def measured(settings, read_topic):
    """Return batches and markers as they lie in the topic: (partition, record, bytes)."""
    messages = read_topic(settings.topics().measurements.name)
    return [
        (m.partition, decode_any(m.value, (Measurements, ClosedMarker)), m.value) for m in messages
    ]


def contents(records) -> dict[tuple, set[bytes]]:
    """Return the distinct bytes of each batch and marker."""
    found = defaultdict(set)
    for partition, record, value in records:
        place = record.cell if isinstance(record, Measurements) else "marker"
        found[partition, record.exposure_id, place].add(value)
    return found


def check_reconciled(settings, records, found_reports) -> None:
    """Every marker counts what lies in its partition; every report the sum of its markers."""
    partitions = settings.topics().measurements.partitions
    for exposure_id, report in found_reports.items():
        batches = rows = 0
        for number in range(partitions):
            here = [r for p, r, _ in records if p == number and r.exposure_id == exposure_id]
            arrived = {r.cell: len(r.ra) for r in here if isinstance(r, Measurements)}
            markers = [r for r in here if isinstance(r, ClosedMarker)]
            assert {(m.partition, m.batches, m.sources) for m in markers} == {
                (number, len(arrived), sum(arrived.values()))
            }
            assert {m.reason for m in markers} == {report.reason}
            assert {m.sequence_end for m in markers} == {report.status == "sequence_end"}
            batches, rows = batches + len(arrived), rows + sum(arrived.values())
        assert (report.batches, report.rows) == (batches, rows)


def test_broken_inputs_are_dead_lettered_and_the_rest_goes_on(
    settings, producer, read_topic, files, tmp_path
):
    good = exposure(files[0], 1, files[0])
    cut = tmp_path / "cut.fits"
    cut.write_bytes(files[1].read_bytes()[:20000])
    damaged = tmp_path / "damaged.fits"
    damaged.write_bytes(b"SIMPLE  =                    T" + b" " * 50 + os.urandom(3000))
    broken = {
        "missing_file": replace(
            exposure(files[1], 2, files[0]),
            image=replace(claim_check(files[1]), uri=str(tmp_path / "nowhere.fits")),
        ),
        "size_mismatch": replace(
            exposure(files[1], 3, files[0]),
            image=replace(claim_check(files[1]), size_bytes=12),
        ),
        "checksum_mismatch": replace(
            exposure(files[1], 4, files[0]),
            image=replace(claim_check(files[1]), sha256="0" * 64),
        ),
        "corrupt_fits": exposure(damaged, 5, files[0]),
        "unknown_instrument": replace(exposure(files[1], 6, files[0]), instrument="hubble"),
        "reference_missing_file": replace(
            exposure(files[1], 7, files[0]),
            reference_frame=replace(
                claim_check(files[1]), uri=str(tmp_path / "gone.fits"), sha256="1" * 64
            ),
        ),
    }
    cut_exposure = exposure(cut, 8, files[0])
    values = [
        encode(good),
        b"this is no avro",
        b"\x00\x00\x00\xff\xff" + encode(good)[5:],
        encode(good)[:60],
        encode(sequence_end(3))[:5] + encode(good)[5:40] + b"\xff" * 9,
        *(encode(each) for each in broken.values()),
        encode(cut_exposure),
        encode(exposure(files[2], 9, files[0])),
        encode(sequence_end(10)),
    ]
    announce(settings, producer, values)
    log = tmp_path / "log"
    with detection(settings, log) as process:
        found = wait_for_reports(settings, read_topic, 10, process, log)
    letters = [
        decode(message.value, DeadLetter)
        for message in read_topic(settings.topics().dead_letters("detection").name)
    ]
    bytes_reasons = [letter.reason for letter in letters[:4]]
    assert bytes_reasons == ["not_avro", "unknown_schema", "not_avro", "not_avro"]
    assert [letter.reason for letter in letters[4:10]] == list(broken)
    assert letters[10].reason in ("corrupt_fits", "bad_psf", "no_image")
    assert [letter.value for letter in letters] == [*values[1:5], *values[5:12]]
    assert {letter.stage for letter in letters} == {"detection"}
    status = {each.visit: (each.status, each.reason) for each in found.values()}
    assert status[1] == status[9] == ("measured", "")
    assert status[10] == ("sequence_end", "")
    for letter, visit in zip(letters[4:], range(2, 9), strict=True):
        assert status[visit] == ("given_up", letter.reason)
    assert found["night.1.9"].sources > 100
    assert abs(found["night.1.9"].zero_point - 25.91) < 0.05
    check_reconciled(settings, measured(settings, read_topic), found)


def test_killed_in_the_middle_gives_the_same_bytes(settings, producer, read_topic, files, tmp_path):
    values = [encode(exposure(path, n, files[0])) for n, path in enumerate(files, start=1)]
    calm = settings.model_copy(update={"topic_prefix": settings.topic_prefix + "calm-"})
    admin = make_admin(calm)
    create_topics(admin, calm.topics())
    admin.close()
    announce(calm, producer, values)
    log = tmp_path / "log"
    with detection(calm, log) as process:
        wait_for_reports(calm, read_topic, FRAMES, process, log)
    announce(settings, producer, values)
    with detection(settings, log) as process:
        wait_for_reports(settings, read_topic, 2, process, log)
        process.kill()
    with detection(settings, log) as process:
        found = wait_for_reports(settings, read_topic, FRAMES, process, log)
    undisturbed = contents(measured(calm, read_topic))
    disturbed = contents(measured(settings, read_topic))
    assert all(len(versions) == 1 for versions in disturbed.values())
    assert disturbed == undisturbed
    check_reconciled(settings, measured(settings, read_topic), found)
