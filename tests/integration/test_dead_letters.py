"""Dead letters from the command line, on a real broker."""

from __future__ import annotations

import pytest
from typer.testing import CliRunner

from csstream.cli.dead_letters import app
from csstream.contracts.errors import BadInputError, FatalError
from csstream.contracts.headers import REPLAYED
from csstream.runtime.dead_letters import DeadLetterProducer
from csstream.runtime.kafka import Message, Outgoing, send_all

pytestmark = pytest.mark.integration
BYTES = bytes(range(256))


@pytest.fixture
def letters(settings, producer) -> str:
    """Three dead letters of two stages; returns the topic of exposures."""
    topics = settings.topics()
    for stage, reason, offset in [
        ("detection", "not_avro", 7),
        ("detection", "missing_file", 9),
        ("classifier", "not_avro", 3),
    ]:
        message = Message(
            topics.exposures.name, 1, offset, b"k", BYTES, (("a", b"\x00"), ("a", b"2")), 1000
        )
        topic = topics.dead_letters(stage)
        DeadLetterProducer(producer, topic, stage).send(
            message, BadInputError(reason, f"{reason} at {offset}"), 2, 1_700_000_000_000
        )
    return topics.exposures.name


@pytest.fixture
def run(settings):
    def invoke(*arguments: str):
        options = ["-b", settings.bootstrap_servers, "--topic-prefix", settings.topic_prefix]
        return CliRunner().invoke(app, [*arguments, *options])

    return invoke


def test_list_shows_where_what_and_why_and_filters(run, letters, settings):
    every = run("list")
    assert every.exit_code == 0, every.output
    assert "3 dead letters: 1 missing_file, 2 not_avro" in every.output
    assert f"{settings.topic_prefix}detection.dead-letters:0:1" in every.output
    assert f"{letters}:1:9" in every.output
    assert "2023-11-14 22:13:20" in every.output
    assert "missing_file at 9" in every.output
    assert "1 dead letters: 1 not_avro" in run("list", "--stage", "classifier").output
    some = run("list", "--reason", "missing_file").output
    assert "missing_file at 9" in some
    assert "not_avro" not in some


def test_show_gives_the_whole_letter_and_saves_the_very_bytes(run, letters, settings, tmp_path):
    place = f"{settings.topic_prefix}detection.dead-letters:0:0"
    saved = tmp_path / "message.bin"
    shown = run("show", place, "--hex", "--save", str(saved))
    assert shown.exit_code == 0, shown.output
    assert saved.read_bytes() == BYTES
    assert "00000040  40 41 42 43" in shown.output
    assert "after 2 attempts" in shown.output
    assert "a = b'2'" in shown.output
    missing = run("show", f"{settings.topic_prefix}detection.dead-letters:0:99")
    assert isinstance(missing.exception, FatalError)


def test_replay_sends_the_original_bytes_to_where_they_came_from(
    run, letters, settings, read_topic
):
    dry = run("replay", "--reason", "not_avro", "--dry-run")
    assert "2 messages would be replayed" in dry.output
    assert read_topic(letters) == []
    done = run("replay", "--reason", "not_avro")
    assert done.exit_code == 0, done.output
    messages = read_topic(letters)
    place = f"{settings.topic_prefix}detection.dead-letters:0:0".encode()
    assert len(messages) == 2
    assert {(each.partition, each.key, each.value) for each in messages} == {(1, b"k", BYTES)}
    assert messages[0].headers == (("a", b"\x00"), ("a", b"2"), (REPLAYED, place))
    one = run("replay", "--letter", f"{settings.topic_prefix}detection.dead-letters:0:1")
    assert "1 messages replayed" in one.output
    assert len(read_topic(letters)) == 3


def test_a_letter_that_could_not_keep_its_message_is_listed_but_not_replayed(
    run, settings, producer, read_topic
):
    topics = settings.topics()
    huge = Message(topics.exposures.name, 0, 0, None, b"\0" * (9 * 1024 * 1024), (), 0)
    DeadLetterProducer(producer, topics.dead_letters("detection"), "detection").send(
        huge, BadInputError("too_large", "9 MiB"), 1
    )
    assert "1 dead letters: 1 too_large" in run("list").output
    assert "0 messages replayed" in run("replay").output
    assert read_topic(topics.exposures.name) == []


def test_the_largest_message_fits_its_topic_and_its_dead_letter(settings, producer, read_topic):
    topics = settings.topics()
    value = b"\x01" * topics.max_record_bytes
    headers = [("h", b"x" * 12_000)]
    send_all(producer, [Outgoing(topics.exposures.name, 0, b"k" * 64, value, headers)])
    (message,) = read_topic(topics.exposures.name)
    assert message.value == value
    letters = topics.dead_letters("detection")
    DeadLetterProducer(producer, letters, "detection").send(
        message, BadInputError("not_avro", "x" * 10_000), 1
    )
    (letter,) = read_topic(letters.name)
    assert len(letter.value or b"") > topics.max_record_bytes
