"""A small scene from simulation to summary, page and resumed run."""

import json
from dataclasses import replace

import numpy as np
import pytest

from csstream.evaluate import must_hold
from csstream.evaluate.arms import service_arms
from csstream.evaluate.detection import Plan, measure_plan, summarise_plan, write_json
from csstream.evaluate.measuring import evaluate_scene
from csstream.evaluate.oracle import Knowledge
from csstream.evaluate.output import write_outputs
from csstream.evaluate.repeated import measure_repeatedly, summarise_repeated
from csstream.evaluate.scenes import Conditions, simulate_scene
from csstream.evaluate.store import load, merged, save
from csstream.evaluate.text import all_lines
from csstream.evaluation.lists import Finds
from csstream.instruments.instrument import load_instrument

INSTRUMENT = load_instrument("csst-i")
ARMS = {"classical": service_arms(None)["classical"]}
PLAN = Plan(instrument=INSTRUMENT, seed=77, mpx=0.02, size=100, psfs=("given",))
ERRORS = ("mean_abs_dm", "median_abs_dm", "flux_pull", "position_pull")


def quiet(done, total):
    """Show no progress."""


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("evaluation")
    return folder, measure_plan(PLAN, ARMS, folder / "scenes", quiet)


def test_a_scene_is_the_same_for_the_same_seed_and_another_for_another():
    kind = Conditions(instrument=INSTRUMENT, size=60)
    one, same, other = (simulate_scene(kind, seed, 1) for seed in (7, 7, 8))
    assert np.array_equal(one.frame.image, same.frame.image)
    assert not np.array_equal(one.truth.x[:5], other.truth.x[:5])
    assert kind.limit == 25.0
    assert one.frame.psf is None


def test_the_oracle_scores_best_and_keeps_only_what_can_be_separated():
    judged = evaluate_scene(
        simulate_scene(Conditions(instrument=INSTRUMENT, size=120), 77),
        ARMS,
        psfs=("given",),
        oracles={"oracle": Knowledge(), "oracle-list": Knowledge(25.7, separable_only=True)},
    )
    names = {"classical", "oracle", "oracle-every", "oracle-list", "oracle-list-every"}
    assert set(judged) == {f"{name}:given" for name in names}
    only = judged["oracle-list-every:given"].finds
    assert len(only) == len(judged["oracle-list:given"].finds)  # it knows of no others
    assert len(only) < len(judged["oracle:given"].finds)  # these reach fainter
    hits = {name: result.hit(0.5)[result.scored].mean() for name, result in judged.items()}
    assert hits["oracle-every:given"] >= hits["oracle:given"] > hits["classical:given"]


def test_plan_to_outputs(run):
    folder, files = run
    assert [len(paths) for paths in files.values()] == [2]
    kinds = summarise_plan(PLAN, files)
    assert kinds[0]["sky"]["mpx"] == pytest.approx(0.02)
    assert 0.5 < kinds[0]["bound"]["best_recall"][0] < kinds[0]["bound"]["best_recall"][2] < 1.0
    scenes = [[load(path) for path in paths] for paths in files.values()]
    content = write_outputs(folder, kinds, scenes, command="csstream evaluate", model="none")
    stored = json.loads((folder / "detection.json").read_text())
    assert stored["kinds"][0]["arms"]["classical:given"]["finds"] > 50
    page = (folder / "evaluation.html").read_text()
    assert page.count("data:image/png;base64,") == 7
    assert "0.899" in page
    assert any(line.startswith("classical:given") for line in all_lines(content))


def test_resuming_measures_only_what_is_lacking(run, monkeypatch):
    folder, files = run
    (paths,) = files.values()
    before = [path.read_bytes() for path in paths]

    def never(*arguments, **options):
        raise AssertionError("a scene was drawn again")

    monkeypatch.setattr("csstream.evaluate.detection.simulate_scene", never)
    measure_plan(PLAN, ARMS, folder / "scenes", quiet, resume=True)
    assert [path.read_bytes() for path in paths] == before
    with pytest.raises(AssertionError, match="drawn again"):
        measure_plan(replace(PLAN, model="new"), ARMS, folder / "scenes", quiet, resume=True)


def test_exposures_of_one_scene(tmp_path):
    kind = Conditions(instrument=INSTRUMENT, size=100)
    paths = measure_repeatedly(kind, 77, ARMS, 3, tmp_path, quiet)
    first, second = (load(path) for path in paths[:2])
    assert np.array_equal(first.truth.mag, second.truth.mag)
    mags = [result.finds["classical:given"].mag[:5] for result in (first, second)]
    assert not np.array_equal(*mags)
    summary = summarise_repeated(kind, paths)
    assert summary["realisations"] == 3
    assert len(summary["arms"]["classical:given"]) == 6


def test_store_keeps_everything_and_merges(tmp_path, run):
    _, files = run
    result = load(next(iter(files.values()))[0])
    save(tmp_path / "a.npz", result)
    again = load(tmp_path / "a.npz")
    for name, finds in result.finds.items():
        for key, column in finds.columns().items():
            assert np.array_equal(column, again.finds[name].columns()[key], equal_nan=True)
    nothing = Finds(**{key: np.empty(0) for key in finds.columns()})
    other = type(result)(truth=result.truth, pixels=1, finds={"x:given": nothing}, seconds={})
    assert set(merged(result, other).finds) == {*result.finds, "x:given"}


def test_json_has_no_numbers_that_json_lacks(tmp_path):
    write_json(tmp_path / "a.json", {"a": [float("nan"), np.inf, 1.0], "b": None})
    assert json.loads((tmp_path / "a.json").read_text()) == {"a": [None, None, 1.0], "b": None}


def test_only_the_pinned_scene_is_held_to_the_figures():
    arm = {
        "over": {"recall_over_bound": [0.99]},
        "errors": dict.fromkeys(ERRORS, 1.0),
        "photometry": [
            {"low": 18.5, "high": 20.0, "width_over_bound": 1.2, "bias_over_sigma": -0.2},
            {"low": 20.0, "high": 21.0, "width_over_bound": 1.1, "bias_over_sigma": 0.1},
        ],
        "false_bright": {"number": 3, "per_1000_scored": 0.05, "per_1000_bright": 0.2},
    }
    kind = Conditions(instrument=INSTRUMENT)
    summary = {"conditions": kind.facts(), "sky": {"mpx": 4}, "arms": {"network+fit:given": arm}}
    rows = {row.title: row for row in must_hold.outcomes([summary])}
    assert rows["robust width of Δm/σ per star, worst bin 18.5–24.5"].verdict == "short"
    assert rows["bias over σ per star, worst bin"].value == -0.2
    assert rows["false detections brighter than i = 23 per 1000 stars"].verdict == "goal"
    assert rows["recall at 0.1 px over the bound's, R80 0.114″"].verdict == "not measured"
    sparse = Conditions(instrument=INSTRUMENT, density=0.01)
    assert must_hold.outcomes([{**summary, "conditions": sparse.facts()}]) == []


@pytest.mark.parametrize(
    ("value", "verdict"),
    [(0.9, "short"), (0.98, "floor"), (0.995, "goal"), (None, "not measured")],
)
def test_verdicts(value, verdict):
    inf = float("inf")
    row = must_hold.Outcome(title="", floor=(0.975, inf), goal=(0.99, inf), value=value).as_row()
    assert row["verdict"] == verdict
    assert (row["floor"], row["goal"]) == ("≥ 0.975", "≥ 0.99")
