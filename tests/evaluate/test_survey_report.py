"""The repeatable stage: looks, scores and report, on curves that need no pixels."""

import json

import numpy as np
import pytest
import stand_in_survey
from typer.testing import CliRunner

from csstream.alerting.schedule import Schedule
from csstream.cli.evaluate import app
from csstream.evaluate import survey_scores as scores
from csstream.evaluate.survey_examined import VERDICTS, fingerprint, verdicts_of
from csstream.evaluate.survey_looks import look_epochs
from csstream.evaluate.survey_report import judge_part, summarise
from csstream.evaluate.survey_yield import Assumptions, estimate, lines, whole_events
from csstream.evaluation.curve_store import read_field
from csstream.instruments.instrument import load_instrument
from csstream.simulation.variables.shapes import Pulsator, Transit


@pytest.fixture(scope="module")
def run_folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("survey")
    stand_in_survey.write_run(folder / "b")
    return folder


@pytest.fixture(scope="module")
def part(run_folder):
    return judge_part(run_folder / "b", "none", 4, lambda done, total: None)


def test_strong_variables_are_alerted_and_constant_stars_are_not(part):
    stars, constant = part.stars, part.quiet
    assert stars.kind.tolist() == ["transit", "eclipsing", "pulsating"]
    assert stars.scorable.all()
    assert stars.listed.all()
    assert stars.found.sum() >= 2
    assert stars.period_right[stars.found].all()
    assert len(constant) == stand_in_survey.QUIET
    assert not constant.alerted.any()


def test_the_scatter_of_curves_with_photon_noise_is_one(part):
    joint = part.scatter.over_joint
    flux_of_21 = 10 ** (0.4 * (31.4 - 21.0))  # nJy; the stand-in has 1000
    assert np.median(joint) * flux_of_21 / 1000.0 == pytest.approx(1.0, abs=0.1)


def test_verdicts_are_kept_for_the_very_same_curves_and_rules(run_folder, part):
    field = run_folder / "b" / "field-000"
    before = (field / VERDICTS).stat().st_mtime_ns
    verdicts_of(field, "none", 4)
    assert (field / VERDICTS).stat().st_mtime_ns == before
    assert fingerprint(field, "none", 4) != fingerprint(field, "none", 3)


def test_a_summary_counts_what_its_tables_say(part):
    summary = summarise({"b": part})
    numbers = summary["parts"]["b"]["injected"]
    assert numbers["positives"] == 3
    assert numbers["recall"]["k"] == int(part.stars.found.sum())
    assert summary["precision"]["b"]["any_alert"]["value"] == 1.0
    assert summary["precision"]["b"]["any_alert"]["low"] < 0.8  # forty stars say little
    assert {row["title"] for row in summary["must_hold"]} >= {
        "precision at the paper's prevalence",
        "scatter over the joint bound, all stars",
    }


def test_the_command_judges_what_is_measured(run_folder):
    arguments = ["survey", "--part", "b,c", "--no-measure", "--weights", "none", "--every", "4"]
    result = CliRunner().invoke(app, [*arguments, "-o", str(run_folder)])
    assert result.exit_code == 0, result.output
    assert "part c is left out" in result.output
    assert "recall" in result.output
    content = json.loads((run_folder / "survey-report.json").read_text())
    assert content["parts"]["b"]["fields"] == 1
    page = (run_folder / "survey-report.html").read_text()
    assert page.count("data:image/png") >= 4
    assert "… of objects beside the list" in page
    assert "1.2 cosmic rays per Mpx and second" in page


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (("--part", "z"), 2, "not one of"),
        (("--arm", "magic"), 2, "not one of"),
        (("--no-measure",), 1, "no complete field"),
    ],
)
def test_the_command_says_what_is_wrong(tmp_path, arguments, code, message):
    result = CliRunner().invoke(app, ["survey", *arguments, "-o", str(tmp_path)])
    assert result.exit_code == code
    assert message in result.output


def test_looks_follow_the_schedule_and_leave_the_early_ones_out_first():
    every = look_epochs(Schedule(), 5, 0, 1000, 1)
    assert len(every) in (36, 37, 38)
    assert every == sorted(every)
    some = look_epochs(Schedule(), 5, 0, 1000, 5)
    assert some[-3:] == every[-3:]
    assert set(some) < set(every)


def test_limits_of_shares_are_those_of_clopper_and_pearson():
    # 0 of 60,000: 1 - 0.025^(1/60000); 5 of 10: textbook values
    assert scores.clopper_pearson(0, 60_000) == (0.0, pytest.approx(6.148e-5, rel=1e-3))
    assert scores.clopper_pearson(5, 10) == (
        pytest.approx(0.18709, abs=1e-5),
        pytest.approx(0.81291, abs=1e-5),
    )
    assert scores.clopper_pearson(10, 10)[1] == 1.0


def test_precision_at_a_prevalence_of_two_percent_needs_few_false_alerts():
    recall = {"value": 0.95, "low": 0.9, "high": 0.98}
    false = {"value": 2e-4, "low": 1e-4, "high": 4e-4}
    found = scores.precision(recall, false)
    assert found["value"] == pytest.approx(0.0202 * 0.95 / (0.0202 * 0.95 + 0.9798 * 2e-4))
    assert found["low"] < found["value"] < found["high"]


def test_binaries_may_have_half_or_twice_their_orbit_and_transits_may_not():
    assert scores.right_period("eclipsing", 0.5)
    assert scores.right_period("eclipsing", 2.019)
    assert not scores.right_period("transit", 2.0)
    assert not scores.right_period("pulsating", 1.02)
    assert not scores.right_period("transit", float("nan"))


def test_panels_are_those_of_the_light_curve_service(run_folder):
    curves = read_field(run_folder / "b" / "field-000")
    panels = list(curves.panels())
    assert [(cell, panel) for cell, panel, _ in panels] == [(stand_in_survey.CELL, 0)]
    assert panels[0][2].size == len(curves.objects.object_id)


def report_of(value: float) -> dict:
    cell = {"n": 100, "value": value, "low": value, "high": value}
    rows = [
        {"low": low, "high": high, **dict.fromkeys(scores.VARIABLE, cell)}
        for low, high in ((0.0, 1e-9), (1e-9, 6.0))
    ]
    return {"injected": {"recall_over_snr": rows}}


@pytest.fixture(scope="module")
def instrument():
    return load_instrument("csst-i")


def test_a_perfect_survey_finds_every_variable_with_two_events(instrument):
    rng = np.random.default_rng(1)
    a = Assumptions(draws=60, stars=100_000)
    made = {row["name"]: row for row in estimate(report_of(1.0), instrument, a, rng)["kinds"]}
    assert made["hot Jupiters"]["in_sample"] == pytest.approx(26.1)
    for row in made.values():
        assert row["found"] == pytest.approx(row["two_events"])
        assert row["snr_above_2"] <= row["two_events"] <= row["in_sample"]


def test_the_papers_way_of_counting_gives_the_papers_numbers(instrument):
    rng = np.random.default_rng(1)
    result = estimate(report_of(1.0), instrument, Assumptions(draws=60), rng)
    made = {row["name"]: row for row in result["kinds"]}
    assert made["hot Jupiters"]["paper"] == pytest.approx(68, abs=1.5)  # "∼ 68" of "∼ 80"
    assert made["eclipsing binaries"]["paper"] == pytest.approx(3150, abs=5)
    for row in made.values():
        assert row["found_paper"] <= 0.855 * row["two_events"] + 1e-9
        assert row["found"] <= row["found_long"] + 1e-9
    text = "\n".join(lines(result))
    assert "300000 stars brighter than 25" in text
    assert "Kirk et al. 2016" in text


def test_a_blind_survey_finds_none(instrument):
    a = Assumptions(draws=20)
    made = estimate(report_of(0.0), instrument, a, np.random.default_rng(1))["kinds"]
    assert all(row["found"] == 0.0 for row in made)


def test_whole_events_of_an_unbroken_series():
    transit = Transit(period=2.0, t0=0.5, radius_ratio=0.1, axis_ratio=8.0, impact=0.0, u1=0.3,
                      u2=0.2)  # fmt: skip
    assert whole_events(transit, 3.0) == 2
    assert whole_events(transit, 2.5) == 1
    assert whole_events(transit, 0.4) == 0
    wave = Pulsator(period=0.6, t0=0.0, amplitude=0.1, rise=0.5, bump=0.0, bump_phase=0.0)
    assert whole_events(wave, 3.5) == 5


def test_the_yield_command_reads_a_report(tmp_path):
    path = tmp_path / "report.json"
    path.write_text(json.dumps({"parts": {"b": report_of(0.5)}}))
    arguments = ["yield", str(path), "--draws", "20", "-o", str(tmp_path / "yield.json")]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 0, result.output
    assert "hot Jupiters" in result.output
    assert len(json.loads((tmp_path / "yield.json").read_text())["kinds"]) == 4
    wrong = CliRunner().invoke(app, ["yield", str(path), "--part", "c"])
    assert wrong.exit_code == 1
