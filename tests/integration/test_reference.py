"""The whole chain with a reference catalogue: its list is measured, its ids name the curves.

The frames lie on a corner that four cells share, one in each partition.
"""

from __future__ import annotations

import subprocess
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from chain import FRAMES, ChainResult, make_frames, run_chain

from csstream.contracts.codec import decode
from csstream.contracts.records import Alert
from csstream.imaging.reference.catalogue import ReferenceCatalogue
from csstream.imaging.reference.files import read_reference
from csstream.run.supervisor import csstream_command

pytestmark = [pytest.mark.integration, pytest.mark.timeout(400)]
FIRST = 4  # frames that the catalogue is built from
ID_BITS = 48  # of an id in a reference; a band's code is above them


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> tuple[ReferenceCatalogue, ChainResult]:
    frames = make_frames(tmp_path_factory.mktemp("frames"))
    path = tmp_path_factory.mktemp("list") / "field.parquet"
    build(frames[:FIRST], path)
    result = run_chain(frames, tmp_path_factory.mktemp("run"), reference=path)
    return read_reference(path), result


def build(frames: list[Path], path: Path) -> None:
    words = ["reference", "build", *map(str, frames), "-o", str(path)]
    words += ["--instrument", "csst-i", "--method", "classical"]
    done = subprocess.run(csstream_command(*words), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_every_frame_measures_the_list(run):
    catalogue, result = run
    reports = [r for r in result.reports.values() if r.status == "measured"]
    assert len(reports) == FRAMES
    assert result.letters == []
    assert set(result.missing.values()) == {0}
    assert {r.reference_version for r in reports} == {catalogue.version}
    inside = np.array([r.listed for r in reports]) / len(catalogue.stars)
    assert inside.min() > 0.8  # the list reaches beyond the frame's edge
    assert np.mean([r.sources - r.listed for r in reports]) < 0.1 * len(catalogue.stars)


def test_a_listed_star_is_sent_once_a_frame_to_the_cell_of_its_id(run):
    catalogue, result = run
    known = set(catalogue.stars.object_id.tolist())
    sent: Counter[tuple[int, int]] = Counter()
    for batch in result.batches:
        listed = batch.object_id[batch.object_id > 0]
        assert np.all(listed >> 20 == batch.cell)
        assert set(listed.tolist()) <= known
        sent.update((batch.visit, star) for star in listed.tolist())
    assert set(sent.values()) == {1}
    assert len({batch.cell for batch in result.batches if batch.object_id.any()}) >= 3


def test_alerts_name_stars_of_the_list(run):
    catalogue, result = run
    alerts = [decode(value, Alert) for value in result.alerts.values()]
    assert len(alerts) >= 5
    known = dict(zip(catalogue.stars.object_id.tolist(), catalogue.stars.ra, strict=True))
    for alert in alerts:
        assert alert.reference_version == catalogue.version
        assert alert.ra == pytest.approx(known[alert.object_id & ((1 << ID_BITS) - 1)], abs=1e-9)
        assert alert.time_scale == "bjd_tdb"
