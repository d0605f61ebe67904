"""What detection finds beside the list becomes objects by the stream's rules, and is examined."""

from dataclasses import replace

import numpy as np
import pytest
import stand_in_survey

from csstream.association.rules import CONFIRM_EPOCHS, CONFIRM_SOURCES
from csstream.contracts.cells import OBJECT_BITS, cells_of, centre_of
from csstream.evaluate.survey_examined import fingerprint, read_with_extras, verdicts_of
from csstream.evaluate.survey_extras import match_radius, objects_of, with_extras
from csstream.evaluate.survey_report import judge_part, summarise
from csstream.evaluate.survey_scores import quiet
from csstream.evaluation.curve_store import (
    ExtraSources,
    chunk_files,
    extras_file,
    joined_extras,
    no_extras,
    read_extras,
    read_field,
    save,
)
from csstream.instruments.instrument import load_instrument

CAMERA = load_instrument("csst-i")
RADIUS = match_radius(CAMERA)
FRAMES = np.arange(100)
ARCSEC = 1.0 / 3600.0


def sources(frames, offset=0.0, flux=50.0, x=30.0, y=30.0, cell=stand_in_survey.CELL):
    """A place ``offset`` arcsec north of the cell's centre, seen in these frames."""
    n = len(frames)
    ra, dec = centre_of(cell)
    return ExtraSources(
        frame=np.array(frames, np.int64), ra=np.full(n, ra), dec=np.full(n, dec + offset * ARCSEC),
        x=np.full(n, x, np.float32), y=np.full(n, y, np.float32),
        x_err=np.full(n, 0.1, np.float32), y_err=np.full(n, 0.1, np.float32),
        flux=np.full(n, flux, np.float32) * np.ones(n, np.float32),
        flux_err=np.full(n, 10.0, np.float32), flags=np.zeros(n, np.int16),
    )  # fmt: skip


def test_sources_become_an_object_when_enough_come_soon_enough():
    assert (CONFIRM_SOURCES, CONFIRM_EPOCHS) == (3, 20)
    seen = joined_extras([
        sources([3, 9, 15, 90], 0.0),  # an object, the later source too
        sources([5, 40, 80], 3.0),  # a hit now and then
        sources([7, 8], -3.0),  # one too few
    ])  # fmt: skip
    order = np.argsort(seen.frame, kind="stable")
    seen = ExtraSources(**{k: v[order] for k, v in vars(seen).items()})
    (found,) = objects_of(seen, FRAMES, RADIUS)
    assert found.object_id.size == 1
    assert found.object_id[0] >> OBJECT_BITS == stand_in_survey.CELL
    assert seen.frame[found.source].tolist() == [3, 9, 15, 90]


def test_frames_that_failed_are_no_epochs():
    few = np.array([3, 30, 60])  # the three frames of all that could be measured
    (found,) = objects_of(sources([3, 30, 60]), few, RADIUS)
    assert found.object_id.size == 1
    (found,) = objects_of(sources([3, 30, 60]), FRAMES, RADIUS)
    assert found.object_id.size == 0


def test_an_object_on_a_border_belongs_to_one_cell():
    ra, dec = centre_of(stand_in_survey.CELL)
    steps = np.linspace(0.0, 60.0, 6001) * ARCSEC
    cells = cells_of(np.full(steps.size, ra), dec + steps)
    border = np.flatnonzero(np.diff(cells))[0]
    offset = 3600.0 * steps[border]
    rng = np.random.default_rng(0)
    seen = sources(list(range(30)), offset)
    seen = replace(seen, dec=seen.dec + rng.normal(0.0, 0.05 * RADIUS * ARCSEC, 30))
    found = list(objects_of(seen, FRAMES, RADIUS))
    assert len(found) >= 2  # all cells there were told
    assert sum(each.object_id.size for each in found) == 1


@pytest.fixture
def field(tmp_path):
    """A stand-in run, and its field's folder."""
    stand_in_survey.write_run(tmp_path / "b")
    return tmp_path / "b" / "field-000"


def write_extras(folder, extras):
    """Give each chunk of a field the extras of its frames."""
    for path in chunk_files(folder):
        first = int(path.stem.split("-")[1])
        mine = (extras.frame >= first) & (extras.frame < first + stand_in_survey.CHUNK)
        save(extras_file(path), ExtraSources(**{k: v[mine] for k, v in vars(extras).items()}))


def test_curves_of_extras_follow_the_list(field):
    assert read_extras(field) is None
    before = read_field(field)
    assert with_extras(before, None, CAMERA) is before
    write_extras(field, no_extras())
    assert len(read_with_extras(field).objects.object_id) == len(before.objects.object_id)
    truth = before.truth
    constant = int(np.flatnonzero(truth.kind == "none")[0])
    seen = sources([2, 4, 6, 70], x=truth.x[constant] + 0.2, y=truth.y[constant])
    write_extras(field, seen)
    curves = read_with_extras(field)
    assert curves.beside == 1
    assert (~curves.listed).nonzero()[0].tolist() == [len(before.objects.object_id)]
    assert np.flatnonzero(np.isfinite(curves.flux[-1])).tolist() == [2, 4, 6, 70]
    assert curves.objects.star[-1] == constant
    assert curves.objects.distance[-1] == pytest.approx(0.2, abs=1e-4)
    assert [panel for _, panel, _ in curves.panels()][-1] > 0  # numbers beyond the list's


def test_an_extra_shows_a_variable_only_if_no_listed_object_does(field):
    before = read_field(field)
    star = before.objects.star[0]
    assert before.truth.kind[star] == "transit"
    place = {"x": before.truth.x[star], "y": before.truth.y[star]}
    write_extras(field, sources([2, 4, 6], **place))
    assert read_with_extras(field).objects.star[-1] != star
    unlisted = replace(
        before, objects=replace(before.objects, star=np.where(before.objects.star == star, -1,
                                                              before.objects.star)),
    )  # fmt: skip
    again = with_extras(unlisted, read_extras(field), CAMERA)
    assert again.objects.star[-1] == star


def test_a_false_alert_from_an_extra_counts(field):
    """A square wave beside the list, where no star is: the stream would alert it."""
    frames = np.arange(stand_in_survey.FRAMES)
    rng = np.random.default_rng(1)
    wave = np.where(np.mod(frames * 0.0146, 0.3) < 0.06, 500.0, 1000.0)
    seen = sources(frames, 5.0, x=-9.0, y=-9.0)
    noisy = (wave + 10.0 * rng.normal(size=frames.size)).astype(np.float32)
    before = fingerprint(field, "none", 4)
    write_extras(field, replace(seen, flux=noisy))
    assert fingerprint(field, "none", 4) != before
    curves = read_with_extras(field)
    stars = quiet(curves, verdicts_of(field, "none", 4))
    assert stars.beside.sum() == 1
    assert stars.alerted[stars.beside].all()
    assert not stars.alerted[~stars.beside].any()
    part = judge_part(field.parent, "none", 4, lambda done, total: None)
    numbers = summarise({"b": part})["parts"]["b"]["quiet"]
    assert (numbers["beside"]["k"], numbers["beside"]["n"]) == (1, 1)
    assert numbers["alerted"]["k"] == 1
    assert part.scatter.mag.size == stand_in_survey.QUIET
