"""The publisher on a real broker: a watched directory, a restart, a lost topic."""

from __future__ import annotations

import shutil
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits

from csstream.contracts.codec import decode
from csstream.contracts.errors import FatalError
from csstream.contracts.records import DeadLetter, Exposure
from csstream.publisher.app import build_publisher
from csstream.publisher.feed import END_MARK
from csstream.publisher.handler import Tally
from csstream.publisher.settings import PublisherSettings
from csstream.runtime.admin import create_topics
from csstream.runtime.health import Health
from csstream.runtime.kafka import make_admin
from csstream.runtime.metrics import make_metrics
from csstream.runtime.retries import RetryPolicy
from csstream.runtime.service import Context

pytestmark = pytest.mark.integration


def make_fits(path: Path, seed: int) -> Path:
    data = np.random.default_rng(seed).poisson(240, (32, 32)).astype(np.int32)
    header = fits.Header({"MJD-OBS": 61000.0 + seed, "TIMESYS": "TAI", "EXPTIME": 300.0})
    header.update({"INSTRUME": "CSST", "DETECTOR": 1, "FILTER": "i", "BUNIT": "electron"})
    fits.PrimaryHDU(data, header).writeto(path)
    return path


@pytest.fixture
def publish(settings, tmp_path):
    """Run the publisher to its end in this process; return what became of the files."""

    def run(*inputs: Path, state: str = "state.sqlite", **changes) -> Tally:
        own = {"state": tmp_path / state, "inputs": list(inputs), **changes}
        chosen = PublisherSettings(**(settings.model_dump() | own))
        context = Context(
            metrics=make_metrics(),
            health=Health(),
            stop=threading.Event(),
            retries=RetryPolicy(max_attempts=3, first_delay_s=0.05),
        )
        tally = Tally()
        build_publisher(chosen, context, lambda done, total: None, tally)()
        return tally

    return run


@pytest.fixture
def announced(settings, read_topic):
    def read() -> list[Exposure]:
        messages = read_topic(settings.topics().exposures.name)
        return [decode(message.value, Exposure) for message in messages]

    return read


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "night").mkdir()
    return tmp_path / "night"


def test_watched_directory(publish, announced, settings, read_topic, folder, tmp_path):
    whole = make_fits(tmp_path / "source.fits", 3)

    def telescope():
        make_fits(folder / "frame1.fits", 1)
        content = whole.read_bytes()
        with (folder / "frame2.fits").open("wb") as stream:  # written slowly
            for start in range(0, len(content), 2000):
                stream.write(content[start : start + 2000])
                stream.flush()
                time.sleep(0.15)
        (folder / "broken.fits").write_bytes(b"nonsense")
        make_fits(folder / ".frame3.part", 4).rename(folder / "frame3.fits")
        shutil.copy(whole, folder / "frame4.fits")  # the same content again
        time.sleep(1.0)
        (folder / END_MARK).touch()

    thread = threading.Thread(target=telescope)
    thread.start()
    tally = publish(folder, watch=True, settle=0.2, poll_interval=0.05)
    thread.join()
    assert (tally.announced, tally.refused, tally.duplicate) == (3, 1, 1)
    records = sorted(announced(), key=lambda r: r.visit)
    assert [r.visit for r in records] == [1, 2, 3, 4]
    assert [r.kind for r in records] == ["exposure"] * 3 + ["sequence_end"]
    assert {r.sequence for r in records} == {"night"}
    starts = sorted(r.mjd_mid_tai - 150.0 / 86400.0 for r in records[:3])
    assert starts == pytest.approx([61001.0, 61003.0, 61004.0])
    letters = read_topic(settings.topics().dead_letters("publisher").name)
    (letter,) = [decode(message.value, DeadLetter) for message in letters]
    assert letter.reason == "not_fits"
    assert letter.key == str(folder / "broken.fits").encode()


def test_restart_and_repetition(publish, announced, folder):
    first, second = (make_fits(folder / f"{n}.fits", n) for n in (1, 2))
    publish(first)
    assert publish(folder).announced == 1
    assert publish(folder).known == 2
    records = sorted(announced(), key=lambda r: r.visit)
    assert [(r.visit, r.kind) for r in records] == [
        (1, "exposure"),
        (2, "sequence_end"),
        (3, "exposure"),
        (4, "sequence_end"),
    ]
    assert records[2].image.uri == second.as_uri()
    assert records[2].reference_frame == records[0].image


def test_resend_gives_the_same_messages(publish, settings, read_topic, folder):
    make_fits(folder / "1.fits", 1)
    publish(folder)
    publish(folder, resend=True)
    for place in (0, 1):  # the end and the exposure lie in different partitions
        messages = read_topic(settings.topics().exposures.name)
        values = [m.value for m in messages if m.partition == place]
        assert len(values) == 2
        assert len(set(values)) == 1


def test_state_and_topic_must_tell_the_same_story(publish, settings, folder, tmp_path):
    make_fits(folder / "1.fits", 1)
    publish(folder)
    with pytest.raises(FatalError, match="state file"):
        publish(folder, state="new.sqlite")
    # the embedded broker forgets everything when it is started anew: here, a topic without history
    prefix = settings.topic_prefix + "fresh-"
    fresh = settings.model_copy(update={"topic_prefix": prefix})
    admin = make_admin(fresh)
    create_topics(admin, fresh.topics())
    admin.close()
    with pytest.raises(FatalError, match="--resend"):
        publish(folder, topic_prefix=prefix)
    assert publish(folder, topic_prefix=prefix, resend=True).known == 1


def test_missing_topic_and_missing_input(publish, folder, tmp_path):
    make_fits(folder / "1.fits", 1)
    with pytest.raises(FatalError, match="topics create"):
        publish(folder, topic_prefix="nobody-made-these-")
    with pytest.raises(FatalError, match=r"nowhere: no such"):
        publish(tmp_path / "nowhere")
