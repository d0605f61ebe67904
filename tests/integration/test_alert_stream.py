"""The subscriber on a real broker: where it starts, what it drops, what it remembers."""

from __future__ import annotations

import json
import threading
import time
from datetime import UTC, datetime

import numpy as np
import pytest
from typer.testing import CliRunner

from csstream.cli.main import app
from csstream.contracts.codec import encode
from csstream.contracts.errors import TransientError
from csstream.contracts.records import Alert
from csstream.run.brokers import EmbeddedBroker, free_port
from csstream.runtime.admin import create_topics
from csstream.runtime.kafka import Outgoing, make_admin, make_producer, send_all
from csstream.subscriber.filters import AlertFilter
from csstream.subscriber.settings import SubscriberSettings
from csstream.subscriber.subscriber import AlertStream

pytestmark = pytest.mark.integration
NUMBERS = (
    "ra dec ra_err dec_err mean_flux mag period period_err t0 t0_err duration duration_err depth "
    "depth_err phase_coverage"
)
TEXTS = (
    "instrument band period_convention detection_model classifier_model reference_version "
    "code_version"
)


def make_alert(number, kind="eclipsing", fap=1e-7):
    numbers = dict.fromkeys(
        (
            "ra",
            "dec",
            "ra_err",
            "dec_err",
            "mean_flux",
            "mag",
            "period",
            "period_err",
            "t0",
            "t0_err",
            "duration",
            "duration_err",
            "depth",
            "depth_err",
            "phase_coverage",
        ),
        1.0,
    )
    texts = dict.fromkeys(
        (
            "instrument",
            "band",
            "period_convention",
            "detection_model",
            "classifier_model",
            "reference_version",
            "code_version",
        ),
        "x",
    )
    whole = dict.fromkeys(("cell", "panel", "examination", "visit", "epochs", "events"), 1)
    floats, ints = np.ones(4, np.float32), np.ones(4, np.int64)
    return Alert(
        alert_id=f"{number:032x}", reason="first_crossing", replaces=None, object_id=number,
        kind=kind, probabilities={"none": 0.0}, significances={"snr_folded": 9.0}, fap=fap,
        mjd_mid_tai=np.arange(4.0), flux=floats, flux_err=floats, epoch_visit=ints,
        epoch_detector=ints.astype(np.int32), global_view=np.ones(201, np.float32),
        local_view=np.ones(61, np.float32), **numbers, **texts, **whole,
    )  # fmt: skip


@pytest.fixture
def publish(settings, producer):
    """Send alerts (by number, as Alert or as bytes), spread over the partitions."""

    def send(*alerts):
        topic = settings.topics().alerts
        values = [a if isinstance(a, bytes) else encode(_alert(a)) for a in alerts]
        send_all(
            producer,
            [Outgoing(topic.name, k % topic.partitions, b"k", v) for k, v in enumerate(values)],
        )

    return send


def _alert(one):
    return one if isinstance(one, Alert) else make_alert(one)


@pytest.fixture
def stream(settings):
    """Open a stream on the test's topics that ends when all is read."""
    here = SubscriberSettings(**settings.model_dump())

    def build(**options):
        return AlertStream(here, **{"from_": "earliest", "follow": False} | options)

    return build


def numbers(alerts):
    return sorted(alert.object_id for alert in alerts)


def test_earliest_gives_every_alert_once(publish, stream):
    publish(1, 2, 3, 4, 5)
    publish(2, 3, 6)
    with stream() as alerts:
        assert numbers(alerts) == [1, 2, 3, 4, 5, 6]
        assert alerts.repeats == 2
        assert alerts.lag() == 0


def test_latest_gives_only_what_comes_after(publish, stream):
    publish(1, 2)
    with stream(from_="latest", follow=True) as alerts:
        publish(3)
        assert next(alerts).object_id == 3


def test_latest_without_following_is_over_at_once(publish, stream):
    publish(1)
    with stream(from_="latest") as alerts:
        assert list(alerts) == []


def test_a_moment_is_a_start(publish, stream):
    publish(1, 2)
    time.sleep(0.05)
    moment = datetime.now(UTC)
    time.sleep(0.05)
    publish(3)
    with stream(from_=moment.isoformat()) as alerts:
        assert numbers(alerts) == [3]


def test_a_moment_in_the_future_gives_nothing_yet(publish, stream):
    publish(1)
    with stream(from_="2100-01-01") as alerts:
        assert list(alerts) == []


def test_what_is_no_alert_is_passed_over_and_counted(publish, stream):
    publish(b"junk", 1, b"")
    with stream() as alerts:
        assert numbers(alerts) == [1]
        assert alerts.unreadable == 2


def test_only_wanted_alerts_come(publish, stream):
    publish(make_alert(1, kind="transit"), make_alert(2, fap=1e-3), 3)
    wanted = AlertFilter(kinds=frozenset({"eclipsing"}), max_fap=1e-6)
    with stream(wanted=wanted) as alerts:
        assert numbers(alerts) == [3]
        assert alerts.unwanted == 2


def test_a_group_goes_on_after_what_was_done(publish, stream):
    publish(1, 2, 3, 4, 5, 6, 7, 8)
    with stream(group_id="mine") as alerts:
        read = list(alerts)
        for alert in read:
            if alert.object_id != 5:
                alerts.mark_done(alert)
    with stream(group_id="mine") as alerts:
        again = numbers(alerts)
    assert 5 in again
    assert 1 not in again  # same partition as 5, but before it
    assert len(again) < 8
    with stream(group_id="other") as alerts:
        assert len(list(alerts)) == 8


def test_marking_needs_a_group_and_an_open_alert(publish, stream):
    publish(1)
    with stream() as alerts, pytest.raises(ValueError, match="group_id"):
        alerts.mark_done(next(alerts))
    with stream(group_id="mine") as alerts, pytest.raises(ValueError, match="not open"):
        alerts.mark_done(make_alert(9))


def test_stop_ends_a_stream_that_follows(stream):
    stop = threading.Event()
    with stream(follow=True, stop=stop) as alerts:
        threading.Timer(0.5, stop.set).start()
        assert list(alerts) == []


def test_a_stream_that_is_not_open_says_so(stream):
    with pytest.raises(ValueError, match="with statement"):
        stream().lag()


def test_no_broker_says_how_to_get_one():
    here = SubscriberSettings(bootstrap_servers=f"127.0.0.1:{free_port()}", connect_timeout_ms=500)
    with pytest.raises(TransientError, match="csstream run"), AlertStream(here):
        pass


def test_no_topic_says_how_to_get_it(settings):
    here = SubscriberSettings(bootstrap_servers=settings.bootstrap_servers, topic_prefix="nobody-")
    with pytest.raises(TransientError, match="csstream topics create"), AlertStream(here):
        pass


def test_the_stream_survives_a_restart_of_the_broker(tmp_path):
    with EmbeddedBroker(directory=tmp_path) as own:
        here = SubscriberSettings(bootstrap_servers=own.bootstrap_servers)
        _make_topics_and_send(here, 1, 2)
        with AlertStream(here, from_="earliest") as alerts:
            assert numbers([next(alerts), next(alerts)]) == [1, 2]
            own.kill()
            own.start()  # in memory only: it comes back empty
            _make_topics_and_send(here, 1, 2, 3)
            assert next(alerts).object_id == 3
            assert alerts.repeats <= 2


def _make_topics_and_send(settings, *ids):
    admin = make_admin(settings)
    create_topics(admin, settings.topics())
    admin.close()
    producer = make_producer(settings, "test")
    topic = settings.topics().alerts.name
    send_all(producer, [Outgoing(topic, 0, b"k", encode(make_alert(i))) for i in ids])
    producer.close()


def run_command(settings, *arguments):
    servers = ["--bootstrap-servers", settings.bootstrap_servers]
    prefix = ["--topic-prefix", settings.topic_prefix]
    start = ["alerts", "--from", "earliest", "--no-follow"]
    return CliRunner().invoke(app, [*start, *servers, *prefix, *arguments])


def test_the_command_prints_a_row_for_each_alert(publish, settings):
    publish(11, make_alert(12, kind="transit"))
    result = run_command(settings)
    lines = result.stdout.splitlines()
    assert result.exit_code == 0
    assert lines[0].split()[:3] == ["visit", "object", "why"]
    assert sorted(line.split()[1] for line in lines[1:3]) == ["11", "12"]
    assert "2 alerts" in result.stderr


def test_the_command_prints_json_and_pictures(publish, settings, tmp_path):
    publish(11, make_alert(12, kind="transit"))
    result = run_command(settings, "--json", "--kind", "transit", "--plot", str(tmp_path))
    (line,) = result.stdout.splitlines()
    assert json.loads(line)["object_id"] == 12
    assert [p.name for p in tmp_path.iterdir()] == ["12-000001-first_crossing.png"]


def test_the_command_stops_at_its_limit(publish, settings):
    publish(1, 2, 3)
    assert len(run_command(settings, "--json", "--limit", "2").stdout.splitlines()) == 2


@pytest.mark.parametrize("wrong", [["--from", "soon"], ["--kind", "nova"]])
def test_the_command_refuses_what_it_does_not_know(settings, wrong):
    result = run_command(settings, *wrong)
    assert result.exit_code == 2
    assert "there are" in result.stderr or "earliest" in result.stderr
