"""docs/messages.md says what the package holds."""

from __future__ import annotations

from pathlib import Path

import pytest

from csstream.contracts.registry import schemas_by_id
from csstream.contracts.topics import load_topics

PAGE = Path(__file__).parents[2] / "docs" / "messages.md"


@pytest.fixture(scope="module")
def text() -> str:
    return PAGE.read_text(encoding="utf-8")


def test_every_topic_is_on_the_page(text):
    for topic in load_topics():
        assert f"`{topic.name}`" in text


def test_every_schema_id_is_on_the_page(text):
    for schema in schemas_by_id().values():
        row = next(line for line in text.splitlines() if line.startswith(f"| {schema.id} |"))
        assert f"`{schema.name}`" in row
        assert f"`{schema.record}/{schema.version.replace('.', '/')}`" in row


def test_every_reason_is_on_the_page(text):
    import re

    sources = (Path(__file__).parents[2] / "shared" / "csstream" / "contracts").glob("*.py")
    raised = {
        reason
        for source in sources
        for reason in re.findall(r"InvalidMessageError\(\s*\"(\w+)\"", source.read_text())
    }
    assert len(raised) >= 9
    for reason in raised:
        assert f"`{reason}`" in text, reason
