"""The watcher: complete files only, each once, in order."""

from __future__ import annotations

import os

import pytest

from csstream.publisher.watch import Watcher, is_fits_name, list_files


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        self.now += 1.0
        return self.now


@pytest.fixture
def watcher(tmp_path):
    return Watcher([tmp_path], settle=0.5, patience=30.0, clock=Clock())


def names(paths):
    return [path.name for path in paths]


def test_file_is_reported_once_when_it_rests(watcher, fits_file, tmp_path):
    fits_file(tmp_path / "a.fits")
    assert names(watcher.poll()) == []
    assert watcher.pending() == 1
    assert names(watcher.poll()) == ["a.fits"]
    assert names(watcher.poll()) == []
    assert watcher.pending() == 0


def test_slowly_written_file_is_reported_when_whole(watcher, fits_file, tmp_path):
    content = fits_file(tmp_path / "whole.tmp").read_bytes()
    target = tmp_path / "slow.fits"
    with target.open("wb") as stream:
        for start in range(0, len(content), 1000):
            stream.write(content[start : start + 1000])
            stream.flush()
            assert watcher.poll() == []
    assert names(watcher.poll()) == ["slow.fits"]


def test_pause_in_writing_is_not_the_end(watcher, fits_file, tmp_path):
    path = fits_file(tmp_path / "a.fits")
    content = path.read_bytes()
    path.write_bytes(content[:4320])
    assert [watcher.poll() for _ in range(10)] == [[]] * 10
    path.write_bytes(content)
    watcher.poll()
    assert names(watcher.poll()) == ["a.fits"]


def test_file_that_stays_incomplete_is_given_up(watcher, fits_file, tmp_path):
    path = fits_file(tmp_path / "a.fits")
    path.write_bytes(path.read_bytes()[:4320])
    reports = [names(watcher.poll()) for _ in range(40)]
    assert reports.count(["a.fits"]) == 1
    assert reports.index(["a.fits"]) >= 29


def test_renamed_into_place(watcher, fits_file, tmp_path):
    hidden = fits_file(tmp_path / ".a.fits.part")
    partial = fits_file(tmp_path / "b.fits.tmp", seed=1)
    for _ in range(3):
        assert watcher.poll() == []
    hidden.rename(tmp_path / "a.fits")
    partial.rename(tmp_path / "b.fits")
    watcher.poll()
    assert names(watcher.poll()) == ["a.fits", "b.fits"]


def test_changed_file_is_reported_again(watcher, fits_file, tmp_path):
    path = fits_file(tmp_path / "a.fits")
    watcher.poll()
    watcher.poll()
    os.utime(path, ns=(1, 1))
    watcher.poll()
    assert names(watcher.poll()) == ["a.fits"]


def test_vanished_file_is_forgotten(watcher, fits_file, tmp_path):
    path = fits_file(tmp_path / "a.fits")
    watcher.poll()
    path.unlink()
    assert watcher.poll() == []
    assert watcher.pending() == 0


def test_garbage_is_reported_so_that_it_can_be_refused(watcher, tmp_path):
    (tmp_path / "a.fits").write_bytes(b"garbage")
    watcher.poll()
    assert names(watcher.poll()) == ["a.fits"]


def test_order_is_natural_and_each_path_comes_once(fits_file, tmp_path):
    for name in ("frame10.fits", "frame9.fits.fz", "frame1.fit", "notes.txt"):
        (tmp_path / name).write_bytes(b"x")
    listed = list_files([tmp_path, tmp_path / "frame9.fits.fz"])
    assert names(listed) == ["frame1.fit", "frame9.fits.fz", "frame10.fits"]


@pytest.mark.parametrize("name", ["a.fits", "A.FITS", "a.fit", "a.fts", "a.fits.gz", "a.fits.fz"])
def test_fits_names(name):
    assert is_fits_name(name)


@pytest.mark.parametrize(
    "name", [".a.fits", "_a.fits", "~a.fits", "a.fits.part", "a.fits.tmp", "a.fits~", "a.csv", "a"]
)
def test_other_names(name):
    assert not is_fits_name(name)
