"""When a run builds its reference catalogue, and that it goes on without one."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest

from csstream.run.options import Places, RunOptions
from csstream.run.programs import REFERENCE
from csstream.run.reference import ReferenceStep


class Supervisor:
    """Notes what is started; the builder ends as it is told."""

    def __init__(self, log: Path) -> None:
        self.log, self.started, self.status = log, [], "running"

    def start(self, program) -> None:
        self.started.append(program)

    def state(self, name):
        assert name == REFERENCE
        return SimpleNamespace(status=self.status, log=self.log)


@pytest.fixture
def begin(tmp_path):
    def begun(**options):
        places = Places(tmp_path / "out")
        places.made.mkdir(parents=True)
        supervisor = Supervisor(tmp_path / "reference.log")
        made = RunOptions(out=places.root, **options)
        return ReferenceStep(made, places, supervisor), places, supervisor

    return begun


def make(places: Places, *numbers: int) -> None:
    for number in numbers:
        (places.made / f"frame-{number:03d}.fits").touch()


def test_it_is_built_from_the_first_frames_once_they_are_there(begin):
    step, places, supervisor = begin(reference_frames=3)
    make(places, 1, 2)
    (places.made / ".frame-003.fits.part").touch()
    step.step()
    assert (step.standing, step.decided) == ("waiting", False)
    make(places, 3, 4)
    step.step()
    step.step()
    names = [Path(word).name for word in supervisor.started[0].command[5:8]]
    assert names == [f"frame-00{n}.fits" for n in (1, 2, 3)]
    assert len(supervisor.started) == 1
    assert supervisor.started[0].once
    supervisor.status = "finished"
    step.step()
    assert step.decided
    assert step.catalogue == places.reference
    assert step.problem() is None


def test_a_run_of_few_frames_takes_them_all(begin):
    step, places, supervisor = begin(reference_frames=12, frames=2)
    make(places, 1, 2)
    step.step()
    assert len(supervisor.started) == 1


def test_without_a_catalogue_the_run_goes_on_and_says_why(begin):
    step, places, supervisor = begin(reference_frames=1)
    make(places, 1)
    step.step()
    supervisor.log.write_text("csstream reference: no star is left\n")
    supervisor.status = "failed"
    step.step()
    assert (step.decided, step.catalogue) == (True, None)
    assert "no star is left" in step.problem()


def test_a_given_catalogue_is_taken_and_none_is_built_where_none_is_wanted(begin, tmp_path):
    step, _, supervisor = begin(reference=tmp_path / "r.parquet")
    step.step()
    assert (step.decided, step.catalogue) == (True, tmp_path / "r.parquet")
    assert not supervisor.started
    off = ReferenceStep(RunOptions(out=tmp_path, reference_frames=0), Places(tmp_path), supervisor)
    off.step()
    assert (off.decided, off.catalogue) == (True, None)


def test_frames_of_ones_own_are_taken_by_name(begin, tmp_path):
    for name in ("b10.fits", "b9.fits", "notes.txt"):
        (tmp_path / name).touch()
    step, _, supervisor = begin(exposures=(tmp_path,), reference_frames=1)
    step.step()
    assert Path(supervisor.started[0].command[5]).name == "b9.fits"
