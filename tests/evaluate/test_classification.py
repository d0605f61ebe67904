"""Stars against what was said of them: who counts as what, and what the evaluation leaves."""

from __future__ import annotations

import json

import numpy as np
import pytest

from csstream.cli.evaluate_classification import _pairs
from csstream.evaluate import classification_stage as stage
from csstream.evaluate.classification import lines, summarise
from csstream.evaluate.classification_examples import examples
from csstream.evaluate.classification_page import write_outputs
from csstream.evaluate.survey_field import SurveyField
from csstream.evaluate.survey_plan import SurveyPlan, keep_plan
from csstream.evaluation.classified import Classified, by_snr, classified, confusion
from csstream.evaluation.curve_store import (
    OBJECTS,
    TRUTH,
    CurveChunk,
    ObjectList,
    read_field,
    save,
)
from csstream.inference.cards import find_weights, read_card
from csstream.timeseries.kinds import KINDS

PLAN = SurveyPlan(
    part="arms", mix="flat", seed=950, size=96, fields=1, frames=600, variables=(170, 230, 230)
)
NOISE = {"reference": 1.0, "classical": 40.0}  # over σ₁
LOST = 3  # the last variables, which the list lacks


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """Survey folders of one sky: true curves with little and with much noise."""
    folder = tmp_path_factory.mktemp("curves")
    sky = SurveyField(PLAN, 0)
    truth = sky.truth()
    ny, nx = PLAN.shape
    inside = (truth.x > 0) & (truth.x < nx) & (truth.y > 0) & (truth.y < ny) & (truth.mag < 25)
    variable = np.flatnonzero(truth.kind != "none")
    star = np.concatenate([np.flatnonzero(inside & (truth.kind == "none")), variable[:-LOST]])
    curves = np.ones((len(star), PLAN.frames))
    curves[-len(variable) + LOST :] = sky.camera.curves[:-LOST]
    for arm, much in NOISE.items():
        run = folder / arm
        keep_plan(run, SurveyPlan(**{**PLAN.__dict__, "arm": arm}), {})
        path = run / "field-000"
        path.mkdir()
        save(path / TRUTH, truth)
        save(path / OBJECTS, objects(truth, star))
        save(path / "curves-00000.npz", chunk(curves, much * truth.sigma[star], sky.epochs.mid))
    return {arm: folder / arm for arm in NOISE}


def objects(truth, star):
    n = len(star)
    variable = truth.kind != "none"
    away = np.hypot(
        truth.x[star, None] - truth.x[variable], truth.y[star, None] - truth.y[variable]
    )
    away[away == 0] = np.inf
    return ObjectList(
        object_id=(77 << 20) + 1 + np.arange(n), x=truth.x[star], y=truth.y[star],
        ra=np.zeros(n), dec=np.zeros(n), mag=truth.mag[star], star=star, distance=np.zeros(n),
        variable_distance=away.min(axis=1),
    )  # fmt: skip


def chunk(curves, sigma, time):
    rng = np.random.default_rng(1)
    n, k = curves.shape
    error = np.clip(sigma, 1e-3, 5.0)[:, None] * np.ones(k)
    ones = np.ones(k)
    return CurveChunk(
        first=0, flux=(100 * (curves + error * rng.normal(size=(n, k)))).astype(np.float32),
        flux_err=(100 * error).astype(np.float32), flags=np.zeros((n, k), np.int16), time=time,
        zero_point=ones, zero_point_err=ones, fwhm=ones, background=ones, seconds=ones,
        failed=np.zeros(k, bool),
    )  # fmt: skip


@pytest.fixture(scope="module")
def found(runs, tmp_path_factory):
    return stage.examine_arms(tmp_path_factory.mktemp("out"), runs, {})


def rows(**columns):
    n = len(columns["kind"])
    given = {
        "field": np.zeros(n, int), "object_row": np.arange(n), "star": np.arange(n),
        "mag": np.full(n, 20.0), "snr": np.full(n, np.nan), "events": np.full(n, 2),
        "near": np.zeros(n, bool), "epochs": np.full(n, 100), "crossed": np.zeros(n, bool),
    }  # fmt: skip
    return Classified(**{**given, **{k: np.asarray(v) for k, v in columns.items()}})


def test_counting_by_hand():
    found = rows(
        kind=[0, 0, 1, 1, 2, 3],
        probability=[[1, 0, 0, 0], [0.4, 0.6, 0, 0], [0.1, 0.9, 0, 0], [0.9, 0.1, 0, 0],
                     [0.2, 0.5, 0.3, 0], [0, 0, 0, 1]],
        snr=[np.nan, np.nan, 1.2, 1.4, 3.5, 5.5],
        events=[0, 0, 2, 3, 5, 1],
        near=[False, True, False, False, False, False],
        crossed=[False, False, True, False, False, True],
    )  # fmt: skip
    assert confusion(found) == [[1, 1, 0, 0], [1, 1, 0, 0], [0, 1, 0, 0], [0, 0, 0, 0]]
    assert [(r["hits"], r["total"]) for r in by_snr(found, found.periodic, 1)][:2] == [
        (0, 0),
        (1, 2),
    ]
    arm = summarise({"reference": found})["arms"]["reference"]
    judged = arm["classified"]
    assert judged["false_positives"]["hits"] == judged["false_positives_near"]["hits"] == 1
    assert judged["false_positives_away"]["total"] == 1
    assert [r["recall"]["total"] for r in judged["by_limit"]] == [3, 1, 1]
    assert arm["alerted"]["by_limit"][0]["recall"]["hits"] == 1  # the pulsator was seen once
    assert arm["seen_once"] == 1
    assert arm["kind_right"]["value"] == 0.5


def test_every_variable_is_a_row_and_what_the_list_lacks_is_missed(runs):
    field = read_field(runs["reference"] / "field-000")
    n = len(field.objects.star)
    said = np.tile([0.0, 1.0, 0.0, 0.0], (n, 1))
    found = classified(field, 0, said, np.ones(n, bool), np.full(n, 600), 25.0)
    variable = found.kind > 0
    assert np.count_nonzero(variable) == np.count_nonzero(field.truth.kind != "none")
    unlisted = variable & (found.object_row < 0)
    assert np.count_nonzero(unlisted) == LOST
    assert not found.periodic[unlisted].any()
    assert not found.crossed[unlisted].any()
    assert found.periodic[~unlisted].all()
    assert np.all(found.kind[~variable] == 0)
    assert np.all(np.isfinite(found.snr[variable]))


def test_much_noise_costs_recall_and_the_report_says_so(runs, found, tmp_path):
    good, bad = (found[arm] for arm in ("reference", "classical"))
    strong = good.repeats & (good.snr > 2) & (good.object_row >= 0)
    assert good.periodic[strong].mean() > bad.periodic[strong].mean() + 0.2
    card = read_card(find_weights("classifier"))
    content = write_outputs(tmp_path, runs, found, card, "csstream", PLAN.__dict__)
    page = (tmp_path / "classification.html").read_text()
    assert "reference list" in page
    assert "Figure 13" in page
    assert json.loads((tmp_path / "classification.json").read_text())["model"] == card.version
    assert (tmp_path / "figure-12.png").stat().st_size > 5000
    assert len(lines(content)) == 2 + 2 * len(NOISE)


def test_verdicts_are_kept(runs, found, tmp_path, monkeypatch):
    first = stage.examine_arms(tmp_path, runs, {})
    monkeypatch.setattr(stage, "examine_field", None)  # would fail if it were called
    again = stage.examine_arms(tmp_path, runs, {})
    for arm in runs:
        assert np.array_equal(first[arm].probability, again[arm].probability)
        assert np.array_equal(first[arm].probability, found[arm].probability)


def test_examples_show_the_true_curve(runs, found):
    shown = examples(runs, found, "reference", "classical")
    assert shown
    for example in shown:
        off = example.measured["reference"] - example.truth
        assert np.nanmedian(np.abs(off)) < np.nanmedian(
            np.abs(example.measured["classical"] - example.truth)
        )
        assert (example.title.split(",")[0] in KINDS) == example.folded


def test_runs_of_two_skies_are_refused(runs, tmp_path):
    keep_plan(tmp_path / "other", SurveyPlan(**{**PLAN.__dict__, "seed": 951}), {})
    with pytest.raises(ValueError, match="seed differ"):
        stage.same_sky({"reference": runs["reference"], "classical": tmp_path / "other"})


def test_pairs_need_both_sides():
    assert _pairs(["a=b", "c=d/e"], "--curves") == {"a": "b", "c": "d/e"}
    with pytest.raises(Exception, match="is not ARM=PATH"):
        _pairs(["a"], "--curves")
