"""Command lines and settings of a run's processes, and the feeding of frames."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import pytest

from csstream.cli.main import load_command
from csstream.cli.serve import settings_class
from csstream.run.feed import Feed
from csstream.run.options import Places, RunOptions, default_directory, default_prefix
from csstream.run.programs import (
    SERVICES,
    STOP_ORDER,
    frame_roots,
    is_ready,
    publisher_program,
    reference_program,
    service_program,
    simulator_program,
)
from csstream.run.supervisor import Program
from csstream.runtime.settings import ServiceSettings

BROKER = ServiceSettings(bootstrap_servers="127.0.0.1:1234", topic_prefix="p.")


def parsed(program: Program) -> dict[str, object]:
    """Parse a program's arguments as the program would; return the options it got."""
    words = list(program.command[3:])
    command = load_command(words.pop(0))
    if hasattr(command, "get_command"):
        context = command.make_context("x", words, resilient_parsing=True)
        command = command.get_command(context, words.pop(0))
    return dict(command.make_context("x", words).params)


@pytest.mark.parametrize("service", SERVICES)
def test_services_accept_their_variables(
    service: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = RunOptions(out=tmp_path, instrument="ogle4-i", method="classical")
    program = service_program(service, options, Places(tmp_path), BROKER, 8001)
    assert parsed(program) is not None
    kind = settings_class(service)
    for name, value in program.environment.items():
        assert name.removeprefix("CSSTREAM_").lower() in kind.model_fields, name
        monkeypatch.setenv(name, value)
    settings = kind()
    assert settings.bootstrap_servers == "127.0.0.1:1234"
    assert settings.topic_prefix == "p."
    assert settings.metrics_port == 8001
    if service == "detection":
        assert settings.instruments == ["ogle4-i"]
        assert settings.allowed_roots == [tmp_path, tmp_path / "exposures"]
    if service == "classifier":
        assert settings.mirror_radius_arcsec == 6.25  # five FWHM of the instrument


def test_the_simulator_is_seeded(tmp_path: Path) -> None:
    options = RunOptions(out=tmp_path, frames=7, shape="256", seed=9, span_days=2.0)
    given = parsed(simulator_program(options, Places(tmp_path)))
    assert (given["frames"], given["seed"], given["shape"]) == (7, 9, "256")
    assert given["span_days"] == 2.0
    assert given["out"] == tmp_path / "simulated"


def test_simulated_frames_are_watched_for_and_counted(tmp_path: Path) -> None:
    options = RunOptions(out=tmp_path, frames=7)
    given = parsed(publisher_program(options, Places(tmp_path), BROKER))
    assert given["watch"]
    assert given["expect"] == 7
    assert given["inputs"] == [tmp_path / "exposures"]
    assert given["topic_prefix"] == "p."


def test_own_frames_are_announced_as_they_are_given(tmp_path: Path) -> None:
    frames = tmp_path / "night"
    frames.mkdir()
    options = RunOptions(out=tmp_path / "out", exposures=(frames,), instrument="ogle4-i")
    given = parsed(publisher_program(options, Places(options.out), BROKER))
    assert not given["watch"]
    assert given["inputs"] == [frames]
    assert given["instrument"] == "ogle4-i"


def test_every_process_is_stopped_and_services_after_their_inputs() -> None:
    assert STOP_ORDER[-3:] == SERVICES


def test_nobody_is_not_ready() -> None:
    assert not is_ready(1)


def test_frames_are_fed_in_order_and_a_few_ahead(tmp_path: Path) -> None:
    made, exposures = tmp_path / "made", tmp_path / "exposures"
    feed = Feed(made, exposures, ahead=2)
    assert feed.step(0) == 0  # nothing is there yet
    made.mkdir()
    exposures.mkdir()
    for number in (3, 1, 2, 4):
        (made / f"f{number}.fits.fz").touch()
    (made / ".f5.fits.fz.part").touch()
    (made / "truth.ecsv").write_text("truth")
    assert feed.step(0) == 2
    assert sorted(p.name for p in exposures.iterdir()) == ["f1.fits.fz", "f2.fits.fz"]
    assert feed.step(0) == 0
    assert feed.step(1) == 1
    assert feed.step(4) == 1
    assert feed.moved == 4
    assert feed.copy_truth(tmp_path / "copy.ecsv")
    assert (tmp_path / "copy.ecsv").read_text() == "truth"


def test_a_run_has_a_directory_and_a_prefix_of_its_own() -> None:
    now = datetime(2026, 11, 22, 15, 4, 5)
    assert default_directory(now) == Path("runs/20261122-150405")
    assert default_prefix(now) == "run-20261122-150405."


def test_the_reference_is_built_from_the_first_frames_and_claimed(tmp_path: Path) -> None:
    places = Places(tmp_path)
    options = RunOptions(out=tmp_path, method="classical")
    frames = [tmp_path / f"{n}.fits" for n in range(3)]
    for frame in frames:
        frame.touch()
    given = parsed(reference_program(frames, options, places))
    assert given["frames"] == frames
    assert given["output"] == [places.reference]
    assert (given["instrument"], given["method"]) == ("csst-i", "classical")
    places.exposures.mkdir()
    assert parsed(publisher_program(options, places, BROKER))["reference"] is None
    claimed = parsed(publisher_program(options, places, BROKER, places.reference))
    assert claimed["reference"] == places.reference


def test_frames_and_catalogue_are_where_detection_may_read(tmp_path: Path) -> None:
    places = Places(tmp_path / "out")
    given = RunOptions(out=places.root, reference=tmp_path / "a" / "r.parquet")
    assert frame_roots(given, places) == [tmp_path / "a", places.exposures]
    off = RunOptions(out=places.root, reference_frames=0)
    assert frame_roots(off, places) == [places.exposures]
