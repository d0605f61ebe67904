"""The publisher with its ledger: what is announced, once, and what survives a crash."""

from __future__ import annotations

import math
import os

import numpy as np
import pytest
from astropy.io import fits as io_fits

from csstream.contracts.codec import decode
from csstream.contracts.errors import FatalError, TransientError
from csstream.contracts.records import Exposure
from csstream.publisher.inspect_file import claim_check
from csstream.publisher.ledger import Ledger


def exposures(broker) -> list[Exposure]:
    return [decode(payload, Exposure) for _, _, payload in broker.messages]


def test_announcement_tells_what_the_header_says(make_publisher, broker, fits_file, tmp_path):
    path = fits_file(tmp_path / "a.fits", DETECTOR=3)
    assert make_publisher().handle(path) == "announced"
    (record,) = exposures(broker)
    assert record.exposure_id == "night.3.1"
    assert (record.visit, record.detector, record.detectors_in_visit) == (1, 3, 1)
    assert record.mjd_mid_tai == pytest.approx(61000.0 + 150.0 / 86400.0, abs=1e-9)
    assert record.image == claim_check(path)
    assert record.image.uri == path.as_uri()
    assert record.reference_frame == record.image
    assert broker.messages[0][:2] == (1, b"3")  # partition is detector mod 2


def test_visits_have_no_gaps_and_share_the_first_frame(make_publisher, broker, fits_file, tmp_path):
    publisher = make_publisher()
    paths = [fits_file(tmp_path / f"{n}.fits", seed=n) for n in range(3)]
    (tmp_path / "x.fits").write_bytes(b"no fits")
    for path in (paths[0], tmp_path / "x.fits", paths[1], paths[2]):
        publisher.handle(path)
    publisher.close_sequence()
    records = exposures(broker)
    assert [r.visit for r in records] == [1, 2, 3, 4]
    assert [r.kind for r in records] == ["exposure"] * 3 + ["sequence_end"]
    assert {r.reference_frame for r in records[:3]} == {claim_check(paths[0])}
    assert records[3].image is None
    assert math.isnan(records[3].mjd_mid_tai)
    assert (records[3].detector, records[3].detectors_in_visit) == (0, 1)


def test_same_content_is_announced_once(make_publisher, broker, fits_file, tmp_path):
    publisher = make_publisher()
    path = fits_file(tmp_path / "a.fits")
    assert publisher.handle(path) == "announced"
    assert publisher.handle(path) == "known"
    renamed = path.rename(tmp_path / "b.fits")
    assert publisher.handle(renamed) == "duplicate"
    os.utime(renamed)
    assert publisher.handle(renamed) == "duplicate"
    assert len(broker.messages) == 1


def test_restart_continues_where_it_was(make_publisher, broker, fits_file, tmp_path):
    first, second = (fits_file(tmp_path / f"{n}.fits", seed=n) for n in range(2))
    make_publisher().handle(first)
    publisher = make_publisher()
    assert publisher.recover() == 0
    assert publisher.handle(first) == "known"
    publisher.handle(second)
    assert [r.visit for r in exposures(broker)] == [1, 2]
    assert exposures(broker)[1].reference_frame == claim_check(first)


@pytest.mark.parametrize("moment", ["before", "after"])
def test_crash_around_the_send_repeats_the_same_bytes(
    moment, make_publisher, broker, fits_file, tmp_path
):
    first, second = (fits_file(tmp_path / f"{n}.fits", seed=n) for n in range(2))
    broker.fail = moment
    with pytest.raises(TransientError):
        make_publisher().handle(first)
    taken = list(broker.messages)
    broker.fail = None
    publisher = make_publisher()
    assert publisher.recover() == 1
    assert publisher.recover() == 0
    assert publisher.handle(first) == "duplicate"  # announced: only its path was not yet noted
    publisher.handle(second)
    assert broker.messages[: len(taken)] == taken
    assert set(broker.messages) == set(broker.messages[-2:])  # the repeat has the same bytes
    assert [r.visit for r in exposures(broker)][-2:] == [1, 2]


def test_crash_before_the_store_gives_the_number_to_the_next(
    make_publisher, broker, fits_file, tmp_path
):
    path = fits_file(tmp_path / "a.fits")
    publisher = make_publisher()

    def die(number):
        raise RuntimeError("power cut")

    with pytest.raises(RuntimeError):
        publisher.ledger.store_visit(die)
    assert publisher.ledger.last_visit() == 0
    publisher.handle(path)
    assert exposures(broker)[0].visit == 1


def test_refused_file_is_reported_once_and_again_when_it_changes(
    make_publisher, broker, fits_file, tmp_path
):
    path = fits_file(tmp_path / "a.fits", MJD_OBS=None)
    publisher = make_publisher()
    assert publisher.handle(path) == "refused"
    assert publisher.handle(path) == "known"
    (letter,) = broker.letters
    assert letter.reason == "missing_keyword"
    assert "MJD-OBS" in letter.error
    fits_file(path, seed=7)
    assert publisher.handle(path) == "announced"


def test_unreported_refusal_is_reported_after_restart(make_publisher, broker, tmp_path):
    path = tmp_path / "a.fits"
    path.write_bytes(b"garbage")
    broker.fail = "before"
    with pytest.raises(TransientError):
        make_publisher().handle(path)
    broker.fail = None
    make_publisher().recover()
    assert [letter.file.path for letter in broker.letters] == [str(path)]


@pytest.mark.parametrize("cut", [1, 2880, 4000])
def test_truncated_file_is_refused(cut, make_publisher, broker, fits_file, tmp_path):
    path = fits_file(tmp_path / "a.fits")
    path.write_bytes(path.read_bytes()[:-cut])
    assert make_publisher().handle(path) == "refused"
    assert broker.letters[0].reason == "truncated"


def test_reference_frame_must_have_readable_pixels(make_publisher, broker, fits_file, tmp_path):
    path = fits_file(tmp_path / "a.fits")
    with io_fits.open(path) as hdus:
        header = hdus[0].header
    io_fits.PrimaryHDU(np.full((32, 32), np.nan, np.float32), header).writeto(path, overwrite=True)
    good = fits_file(tmp_path / "b.fits", seed=1)
    publisher = make_publisher()
    assert publisher.handle(path) == "refused"
    publisher.handle(good)
    assert exposures(broker)[0].reference_frame == claim_check(good)


def test_detectors_of_one_pointing_are_one_visit(make_publisher, broker, fits_file, tmp_path):
    publisher = make_publisher()
    frames = [
        fits_file(tmp_path / f"{v}{d}.fits", seed=10 * v + d, DETECTOR=d, OBSID=str(v), NDETECT=2)
        for v, d in ((1, 2), (2, 1), (1, 1), (2, 2))
    ]
    outcomes = [publisher.handle(frame) for frame in frames]
    assert outcomes == ["held", "held", "announced", "announced"]
    found = [(r.visit, r.detector, r.detectors_in_visit) for r in exposures(broker)]
    assert found == [(1, 1, 2), (1, 2, 2), (2, 1, 2), (2, 2, 2)]


def test_incomplete_visit_is_announced_at_the_end(make_publisher, broker, fits_file, tmp_path):
    publisher = make_publisher()
    publisher.handle(fits_file(tmp_path / "a.fits", OBSID="1", NDETECT=2))
    assert not broker.messages
    publisher.close_sequence()
    assert [(r.kind, r.visit, r.detectors_in_visit) for r in exposures(broker)] == [
        ("exposure", 1, 1),
        ("sequence_end", 2, 1),
    ]


def test_sequence_is_closed_once_and_again_after_new_frames(
    make_publisher, broker, fits_file, tmp_path
):
    publisher = make_publisher()
    publisher.close_sequence()
    assert not broker.messages  # nothing to close
    publisher.handle(fits_file(tmp_path / "a.fits"))
    publisher.close_sequence()
    publisher.close_sequence()
    assert len(broker.messages) == 2
    publisher.handle(fits_file(tmp_path / "b.fits", seed=1))
    publisher.close_sequence()
    assert [r.visit for r in exposures(broker)] == [1, 2, 3, 4]


def test_two_publishers_cannot_share_a_ledger(tmp_path):
    with Ledger(tmp_path / "s.sqlite"), pytest.raises(FatalError, match="another"):
        Ledger(tmp_path / "s.sqlite")
    Ledger(tmp_path / "s.sqlite").close()


def test_foreign_file_is_no_ledger(tmp_path):
    (tmp_path / "s.sqlite").write_bytes(b"not a database" * 100)
    with pytest.raises(FatalError, match=r"s\.sqlite"):
        Ledger(tmp_path / "s.sqlite")
