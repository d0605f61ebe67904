"""The declaration of the topics."""

from __future__ import annotations

import pytest
import yaml

from csstream.contracts import records
from csstream.contracts.codec import max_bytes
from csstream.contracts.errors import FatalError
from csstream.contracts.topics import STAGES, _declarations, load_topics, topics_file

BY_CELL = ("measurements", "lightcurves", "verdicts", "alerts", "alerts_latest", "changelog")


def test_topics_that_share_cells_share_partitions():
    topics = load_topics(partitions=7)
    assert {getattr(topics, name).partitions for name in BY_CELL} == {7}
    assert load_topics().exposures.partitions == 2
    assert {getattr(load_topics(), name).partitions for name in BY_CELL} == {4}


def test_the_limit_of_the_codec_is_the_declared_one():
    assert max_bytes("Exposure") == load_topics().max_record_bytes == 8 * 1024 * 1024


def test_a_dead_letter_can_hold_the_largest_message():
    topics = load_topics()
    largest = max(topic.max_message_bytes for topic in topics if "dead" not in topic.name)
    for stage in STAGES:
        assert topics.dead_letters(stage).max_record_bytes > largest
        assert topics.dead_letters(stage).max_message_bytes > largest + 32_768
    assert topics.max_message_bytes == topics.dead_letters("detection").max_message_bytes


def test_memories_are_compacted_and_the_campaign_is_kept():
    topics = load_topics()
    compacted = {name for name, topic in topics.by_role.items() if topic.cleanup_policy != "delete"}
    assert compacted == {"verdicts", "alerts-latest", "csstream-lightcurves-batches-changelog"}
    assert topics.measurements.retention_ms == topics.alerts.retention_ms == -1
    assert topics.lightcurves.retention_ms == 72 * 3_600_000


def test_prefix_and_replication_reach_every_topic():
    topics = load_topics("x-", replication_factor=3)
    assert all(topic.name.startswith("x-") for topic in topics)
    assert {topic.replication_factor for topic in topics} == {3}
    assert topics.dead_letters("detection").name == "x-detection.dead-letters"


def test_every_topic_says_what_it_carries():
    for topic in load_topics():
        if topic.name.endswith("changelog"):
            continue
        for name in topic.record.split(", "):
            assert hasattr(records, name)


def test_stages_without_dead_letters_are_refused():
    with pytest.raises(KeyError):
        load_topics().dead_letters("portal")


@pytest.mark.parametrize("text", ["topics: [", "a: 1", "[]", "max_record_bytes: many"])
def test_a_damaged_declaration_is_fatal(tmp_path, monkeypatch, text):
    file = tmp_path / "topics.yaml"
    file.write_text(text)
    monkeypatch.setattr("csstream.contracts.topics.topics_file", lambda: file)
    with pytest.raises(FatalError, match="does not declare topics"):
        load_topics()


def test_the_file_is_read_from_the_checkout():
    assert topics_file().name == "topics.yaml"
    assert yaml.safe_load(topics_file().read_text()) == _declarations(topics_file())
