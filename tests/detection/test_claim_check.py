"""Claim checks: only the very file that was announced, only where files may lie."""

from __future__ import annotations

import hashlib
import os
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from csstream.contracts.errors import BadInputError, TransientError
from csstream.contracts.records import ClaimCheck
from csstream.detection.claim_check import ClaimChecker

CONTENT = bytes(range(256)) * 20


@pytest.fixture
def root(tmp_path):
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "a file.fits").write_bytes(CONTENT)
    (tmp_path / "secret").write_bytes(CONTENT)
    return tmp_path / "data"


@pytest.fixture
def checker(root):
    return ClaimChecker(roots=[root], max_bytes=1 << 20)


@pytest.fixture
def claim(root):
    return ClaimCheck(
        uri=(root / "a file.fits").as_uri(),
        size_bytes=len(CONTENT),
        sha256=hashlib.sha256(CONTENT).hexdigest(),
        content_type="image/fits",
    )


def reason_of(checker, claim) -> str:
    with pytest.raises(BadInputError) as caught, checker.verified(claim):
        raise AssertionError("the claim was accepted")
    return caught.value.reason


def test_right_file_by_uri_and_by_path(checker, claim, root):
    plain = str(root / "a file.fits")
    for uri in (claim.uri, plain, claim.uri.replace("file://", "file://localhost")):
        with checker.verified(replace(claim, uri=uri)) as path:
            assert path.read_bytes() == CONTENT


@pytest.mark.parametrize("index", [0, 1000, len(CONTENT) - 1])
def test_one_changed_byte(index, checker, claim, root):
    changed = bytearray(CONTENT)
    changed[index] ^= 1
    (root / "a file.fits").write_bytes(changed)
    assert reason_of(checker, claim) == "checksum_mismatch"


@pytest.mark.parametrize("content", [b"", CONTENT[:-1], CONTENT + b"\0"])
def test_other_size(content, checker, claim, root):
    (root / "a file.fits").write_bytes(content)
    assert reason_of(checker, claim) == "size_mismatch"


def test_missing_file(checker, claim, root):
    (root / "a file.fits").unlink()
    assert reason_of(checker, claim) == "missing_file"


def test_paths_outside_the_roots(checker, claim, root):
    (root / "link").symlink_to(root.parent / "secret")
    sideways = root.parent / "data-other"
    sideways.mkdir()
    (sideways / "x").write_bytes(CONTENT)
    for path in (
        root.parent / "secret",
        root / ".." / "secret",
        root / "link",
        sideways / "x",
    ):
        assert reason_of(checker, replace(claim, uri=str(path))) == "forbidden_path"
    uri = f"file://{root}/%2e%2e/secret"
    assert reason_of(checker, replace(claim, uri=uri)) == "forbidden_path"


@pytest.mark.parametrize(
    "uri", ["", "a.fits", "http://host/a", "file://host/a", "file:a", "file:///a?b", "s3://b/k"]
)
def test_unsupported_uris(uri, checker, claim):
    assert reason_of(checker, replace(claim, uri=uri)) == "unsupported_uri"


def test_what_is_no_regular_file_is_not_read(checker, claim, root):
    os.mkfifo(root / "pipe")
    for name in ("pipe", "."):
        path = str(root / name)
        assert reason_of(checker, replace(claim, uri=path)) == "unreadable_file"


def test_too_large(root, claim):
    checker = ClaimChecker(roots=[root], max_bytes=len(CONTENT) - 1)
    assert reason_of(checker, claim) == "too_large"


def test_change_during_use_is_transient(checker, claim, root):
    opened = checker.verified(claim)
    os.utime(opened.__enter__(), ns=(1, 1))
    with pytest.raises(TransientError):
        opened.__exit__(None, None, None)


@settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    uri=st.one_of(
        st.text(max_size=60),
        st.text(max_size=60).map(lambda tail: "file:///" + tail),
        st.text(max_size=60).map(lambda tail: "/" + tail),
        st.text(max_size=20).map(lambda host: f"file://{host}/x"),
    ),
    size=st.integers(0, 1 << 21),
    digest=st.text(max_size=64),
)
def test_nonsense_is_refused_and_nothing_else(checker, uri, size, digest):
    claim = ClaimCheck(uri=uri, size_bytes=size, sha256=digest, content_type="")
    assert reason_of(checker, claim)
