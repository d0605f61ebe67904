"""The classifier as a process on a real broker: killed in the middle, it loses nothing."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

from csstream.alerting.identity import panel_key
from csstream.classifier.app import make_examiner
from csstream.classifier.settings import ClassifierSettings
from csstream.contracts.codec import decode, encode
from csstream.contracts.records import Alert, DeadLetter, Panel
from csstream.runtime.health import Health
from csstream.runtime.kafka import Outgoing, send_all
from csstream.runtime.metrics import make_metrics
from csstream.runtime.retries import RetryPolicy
from csstream.runtime.service import Context

pytestmark = pytest.mark.integration
CELLS = (1000, 1001, 1002)
EPOCHS = (60, 66, 73, 81, 90, 99)
EVERYTHING = ("alerts", "alerts_latest", "verdicts")


def curves(cell):
    """Times and fluxes of a quiet field with one eclipsing binary and one pulsator."""
    rng = np.random.default_rng(cell)
    time = 60000.0 + 0.05 * np.arange(max(EPOCHS))
    flux = 5000 + rng.normal(0, 25, (6, len(time)))
    phase = (time / 0.77 + 0.5) % 1 - 0.5
    flux[1] *= 1 - 0.4 * (np.abs(phase) < 0.06) - 0.15 * (np.abs(phase) > 0.44)
    flux[4] *= 1 + 0.2 * np.cos(2 * np.pi * time / 0.61)
    return time, flux


def panel(cell, examination):
    epochs = EPOCHS[examination - 1]
    time, flux = curves(cell)
    shape = (len(flux), epochs)
    return Panel(
        cell=cell,
        panel=0,
        examination=examination,
        visit=epochs,
        closing=examination == len(EPOCHS),
        part=0,
        parts=1,
        instrument="csst-i",
        band="i",
        object_id=cell * 2**20 + 1 + np.arange(len(flux)),
        ra=np.full(len(flux), 10.0),
        dec=np.full(len(flux), -5.0),
        ra_err=np.full(len(flux), 1e-6, np.float32),
        dec_err=np.full(len(flux), 1e-6, np.float32),
        mjd_mid_tai=time[:epochs],
        epoch_visit=1 + np.arange(epochs),
        epoch_detector=np.zeros(epochs, np.int32),
        flux=flux[:, :epochs].astype(np.float32),
        flux_err=np.full(shape, 25.0, np.float32),
        flags=np.zeros(shape, np.int32),
        model="pnet@1",
    )


@pytest.fixture
def classifier_settings(settings):
    return ClassifierSettings(**settings.model_dump() | {"weights": "none"})


@pytest.fixture
def expected(classifier_settings):
    """Alerts and verdicts of every cell as bytes, computed without any broker."""
    context = Context(metrics=make_metrics(), health=Health(), stop=None, retries=RetryPolicy())
    examiner = make_examiner(classifier_settings, context)
    alerts, verdicts = set(), set()
    for cell in CELLS:
        before = None
        for examination in range(1, len(EPOCHS) + 1):
            outcome = examiner.look(panel(cell, examination), before)
            before = outcome.verdicts.latest
            alerts |= {encode(alert) for alert in outcome.alerts}
            verdicts.add(encode(outcome.verdicts))
    return alerts, verdicts


@pytest.fixture
def send_panels(settings, producer):
    """Send panels, or bytes, to the partition of a cell."""

    def send(cell, *values):
        topic = settings.topics().lightcurves
        place = cell % topic.partitions
        messages = [Outgoing(topic.name, place, panel_key(cell, 0), value) for value in values]
        send_all(producer, messages)

    return send


class Process:
    """The classifier as its own process; ``log`` holds what it said."""

    def __init__(self, settings, log):
        self.log = log
        names = ("bootstrap_servers", "topic_prefix", "weights", "session_timeout_ms")
        given = {f"CSSTREAM_{n.upper()}": str(getattr(settings, n)) for n in names}
        command = [sys.executable, "-m", "csstream.cli.main", "serve", "classifier"]
        with log.open("ab") as out:
            self.popen = subprocess.Popen(command, env=os.environ | given, stderr=out, stdout=out)

    def wait_for(self, text, count, timeout=90):
        deadline = time.monotonic() + timeout
        while self.log.read_text().count(text) < count:
            assert self.popen.poll() is None, self.log.read_text()
            assert time.monotonic() < deadline, self.log.read_text()
            time.sleep(0.05)

    def kill(self):
        self.popen.kill()
        self.popen.wait()

    def stop(self):
        self.popen.send_signal(signal.SIGTERM)
        return self.popen.wait(30)


@pytest.fixture
def start(classifier_settings, tmp_path):
    """Start the classifier; whatever still runs at the end is killed."""
    running = []

    def run():
        running.append(Process(classifier_settings, tmp_path / f"log{len(running)}"))
        return running[-1]

    yield run
    for process in running:
        process.kill()


def test_killed_and_fed_twice_it_gives_the_same_bytes(
    settings, expected, send_panels, start, read_topic
):
    for examination in range(1, len(EPOCHS) + 1):
        for cell in CELLS:
            send_panels(cell, encode(panel(cell, examination)))
            send_panels(cell, encode(panel(cell, max(1, examination - 2))))  # a repeat of old
            send_panels(cell, encode(panel(cell, examination)))  # and of the newest
    send_panels(CELLS[0], b"junk")
    killed = start()
    killed.wait_for('"examined"', 5)
    killed.kill()
    second = start()
    second.wait_for('"dead-lettered"', 1)
    _wait_until_read(settings, read_topic, expected)
    assert second.stop() == 0
    alerts, verdicts = expected
    topics = settings.topics()
    assert {m.value for m in read_topic(topics.alerts.name)} == alerts
    assert {m.value for m in read_topic(topics.verdicts.name)} == verdicts
    letters = [
        decode(m.value, DeadLetter) for m in read_topic(topics.dead_letters("classifier").name)
    ]
    assert {(each.reason, each.value) for each in letters} == {("not_avro", b"junk")}
    kinds = {decode(value, Alert).kind for value in alerts}
    assert kinds == {"eclipsing", "pulsating"}


def _wait_until_read(settings, read_topic, expected, timeout=60):
    """Until every verdict is there; the topics are compared in full afterwards."""
    deadline = time.monotonic() + timeout
    topic = settings.topics().verdicts.name
    while {m.value for m in read_topic(topic)} != expected[1] and time.monotonic() < deadline:
        time.sleep(0.2)


def test_weights_that_are_not_there_stop_it_with_a_word(classifier_settings, tmp_path):
    process = Process(
        classifier_settings.model_copy(update={"weights": "no-such-network"}), tmp_path / "log"
    )
    assert process.popen.wait(60) == 1
    assert "no network 'no-such-network'" in process.log.read_text()
