"""What is detectable, what is found, what is false: by hand-made variables and alerts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy.table import QTable

from csstream.instruments.instrument import load_instrument
from csstream.run.evaluate import evaluate, matching_harmonic, separation_arcsec
from csstream.run.truth import Noise, Variable, chance, event_numbers, noise_of, read_variables

TIMES = 61000.0 + np.arange(0, 10, 0.1)  # 100 frames in ten days
PIXEL = 0.074 / 3600.0  # [deg]
NOISE = Noise(
    zero_point=25.9,
    exposure_time=300.0,
    background=300.0,
    noise_pixels=10.0,
    saturation_mag=18.0,
)


def variable(**changes: Any) -> Variable:
    values = {
        "star_id": 7,
        "ra": 269.2,
        "dec": -29.5,
        "mag": 20.0,
        "kind": "eclipsing",
        "period": 2.0,
        "t0": 61001.0,
        "duration": 0.5,
        "depth": 0.3,
    }
    return Variable(**(values | changes))


def test_events_are_counted_by_the_frames_inside_them() -> None:
    seen = chance(variable(), TIMES, NOISE)
    assert seen.events == 5  # at 61001, 61003, … 61009
    assert set(event_numbers(variable(), TIMES)) == {0, 1, 2, 3, 4}
    assert 20 <= seen.in_event <= 30
    assert seen.detectable


def test_one_event_is_not_enough() -> None:
    seen = chance(variable(period=30.0), TIMES, NOISE)
    assert (seen.events, seen.detectable) == (1, False)


def test_a_saturated_star_is_not_detectable() -> None:
    assert not chance(variable(mag=17.5), TIMES, NOISE).detectable


def test_a_faint_shallow_dip_is_not_detectable() -> None:
    assert not chance(variable(mag=24.0, depth=0.01), TIMES, NOISE).detectable


def test_a_pulsator_needs_a_cycle_and_a_half() -> None:
    pulsator = variable(kind="pulsating", period=6.0, duration=np.nan)
    assert chance(pulsator, TIMES, NOISE).detectable
    assert not chance(variable(kind="pulsating", period=8.0), TIMES, NOISE).detectable


def test_nothing_is_detectable_without_frames() -> None:
    for kind in ("transit", "eclipsing", "pulsating"):
        assert not chance(variable(kind=kind), np.empty(0), NOISE).detectable


def test_the_noise_of_an_instrument_grows_with_magnitude_and_has_a_floor() -> None:
    noise = noise_of(load_instrument("csst-i"))
    assert noise.relative_error(18.5) == pytest.approx(0.005, rel=0.15)
    assert noise.relative_error(25.0) > 5 * noise.relative_error(21.0)
    assert 17.0 < noise.saturation_mag < 20.0


def found(made: Any, pixels: float = 0.0, **changes: Any) -> Any:
    return made.alert(ra=269.2, dec=-29.5 + pixels * PIXEL, kind="eclipsing", **changes)


def compare(variables: list[Variable], alerts: list[Any]) -> Any:
    return evaluate(variables, alerts, TIMES, load_instrument("csst-i"))


@pytest.mark.parametrize(
    ("period", "right"), [(2.0, True), (2.019, True), (2.03, False), (1.0, True), (4.0, True)]
)
def test_the_period_of_a_binary_is_right_within_a_percent_or_at_a_harmonic(
    made: Any, period: float, right: bool
) -> None:
    numbers = compare([variable()], [found(made, period=period)]).numbers()
    assert numbers == {
        "injected": 1,
        "detectable": 1,
        "recovered": 1,
        "period_right": int(right),
        "false": 0,
    }


def test_half_the_period_is_wrong_for_a_transit() -> None:
    assert np.isnan(matching_harmonic("transit", 0.5))
    assert matching_harmonic("transit", 1.005) == 1.0


def test_an_alert_far_from_every_variable_is_false(made: Any) -> None:
    evaluation = compare([variable()], [found(made, pixels=50.0)])
    assert evaluation.numbers()["false"] == 1
    assert evaluation.numbers()["recovered"] == 0
    assert evaluation.neighbours == 0
    assert evaluation.missed == 1


def test_an_alert_beside_a_variable_is_false_and_a_neighbour(made: Any) -> None:
    evaluation = compare([variable()], [found(made), found(made, 3.0, object_id=2)])
    assert evaluation.numbers()["false"] == 1
    assert evaluation.neighbours == 1
    assert evaluation.false[0].neighbour_of == 7


def test_a_withdrawn_alert_finds_nothing_and_stays_false(made: Any) -> None:
    gone = [found(made), found(made, reason="withdrawn", alert_id="b", visit=60)]
    assert compare([variable()], gone).numbers()["recovered"] == 0
    far = [found(made, 50.0), found(made, 50.0, reason="withdrawn", alert_id="b", visit=60)]
    evaluation = compare([variable()], far)
    assert evaluation.numbers()["false"] == 1
    assert evaluation.false[0].withdrawn
    assert evaluation.false[0].alert.reason == "first_crossing"


def test_two_objects_on_one_variable_are_one_recovery(made: Any) -> None:
    alerts = [
        found(made, 1.0, object_id=2, period=9.0, visit=20),
        found(made, 0.1, object_id=1, period=2.0),
    ]
    evaluation = compare([variable()], alerts)
    (outcome,) = evaluation.outcomes
    assert outcome.alert.object_id == 1
    assert outcome.period_right
    assert outcome.first_visit == 20
    assert evaluation.numbers()["false"] == 0


def test_without_variables_every_alert_is_false(made: Any) -> None:
    assert compare([], [found(made)]).numbers()["false"] == 1


def test_separation_is_right_over_the_pole_and_the_meridian() -> None:
    assert separation_arcsec(0.0, 89.9, 180.0, 89.9) == pytest.approx(720.0)
    assert separation_arcsec(359.9999, 0.0, 0.0001, 0.0) == pytest.approx(0.72)


def test_only_variables_are_read_from_a_truth_table(tmp_path: Path) -> None:
    path = tmp_path / "truth.ecsv"
    columns: dict[str, Any] = {
        "star_id": [1, 2],
        "kind": ["none", "transit"],
        **{n: [1.0, 2.0] for n in ("ra", "dec", "mag", "period", "t0", "duration", "depth")},
    }
    QTable(columns).write(path, format="ascii.ecsv")
    (read,) = read_variables(path)
    assert (read.star_id, read.kind, read.period) == (2, "transit", 2.0)
    del columns["period"]
    QTable(columns).write(path, format="ascii.ecsv", overwrite=True)
    with pytest.raises(ValueError, match="no column period"):
        read_variables(path)
