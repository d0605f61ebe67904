"""Settings from the environment."""

from __future__ import annotations

import pytest

from csstream.cli.options import settings_from
from csstream.contracts.errors import FatalError
from csstream.runtime.settings import ServiceSettings


def test_the_environment_is_read_when_settings_are_made(monkeypatch):
    monkeypatch.setenv("CSSTREAM_BOOTSTRAP_SERVERS", "kafka:9093")
    monkeypatch.setenv("CSSTREAM_TOPIC_PREFIX", "test-")
    monkeypatch.setenv("CSSTREAM_PARTITIONS", "6")
    settings = ServiceSettings()
    assert settings.bootstrap_servers == "kafka:9093"
    assert settings.topics().measurements.name == "test-measurements"
    assert settings.topics().alerts.partitions == 6
    assert settings.group_id("detection") == "test-csstream-detection"


def test_flags_go_before_the_environment(monkeypatch):
    monkeypatch.setenv("CSSTREAM_BOOTSTRAP_SERVERS", "kafka:9093")
    given = settings_from(ServiceSettings, bootstrap_servers="other:1", topic_prefix=None)
    assert given.bootstrap_servers == "other:1"
    assert given.topic_prefix == ""


@pytest.mark.parametrize(
    ("name", "value"), [("metrics_port", "80000"), ("log_level", "LOUD"), ("max_attempts", "0")]
)
def test_wrong_settings_are_named(monkeypatch, name, value):
    monkeypatch.setenv(f"CSSTREAM_{name.upper()}", value)
    with pytest.raises(FatalError, match=name):
        settings_from(ServiceSettings)
