"""An alert holds what the panel and the science say, and nothing that changes from run to run."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest

from csstream.classifier.alerts import convention, magnitude, mean_flux, thin
from csstream.contracts.codec import decode, encode
from csstream.contracts.errors import InvalidMessageError
from csstream.contracts.records import Alert, ThinAlert
from csstream.imaging.frames.flags import Flag
from csstream.timeseries.errors import TimeseriesError


@pytest.fixture
def second_look(made):
    """The outcome of two looks alike, at which object 1 crosses."""

    def look(panel=None, result=None):
        result = result or made.result(crossed=[1])
        examiner = made.examiner(lambda *curves: result)
        first = examiner.look(made.panel(1), None).verdicts.latest
        return examiner.look(panel or made.panel(2), first)

    return look


def test_alert_says_what_was_found_and_where(second_look, made):
    (alert,) = second_look().alerts
    assert (alert.object_id, alert.kind, alert.reason) == (
        made.first_id + 1,
        "eclipsing",
        "first_crossing",
    )
    assert (alert.period, alert.t0, alert.events) == (0.5, 60001.0, 3)
    assert (alert.ra, alert.dec) == (pytest.approx(269.2001), -29.5)
    assert alert.probabilities == {"none": 0, "transit": 0, "eclipsing": 1, "pulsating": 0}
    assert alert.significances["snr_folded"] == alert.significances["snr_pink"] == 20.0
    assert (alert.detection_model, alert.classifier_model) == ("pnet@1", "rules")
    assert alert.replaces is None
    assert alert.mag == pytest.approx(31.4 - 2.5 * math.log10(5000))


@pytest.mark.parametrize("extrapolated", [True, False])
def test_alert_says_whether_its_chance_is_extrapolated(second_look, made, extrapolated):
    marks = np.full(3, not extrapolated)
    marks[1] = extrapolated
    (alert,) = second_look(result=made.result(crossed=[1], fap_extrapolated=marks)).alerts
    assert decode(encode(alert), Alert).fap_extrapolated is extrapolated


def test_the_curve_holds_the_epochs_with_a_flux(second_look, made):
    flux = np.full((3, 12), 5000.0)
    flux[1, [2, 5]] = np.nan
    (alert,) = second_look(panel=made.panel(2, flux=flux)).alerts
    assert alert.epochs == len(alert.flux) == 10
    assert 3 not in alert.epoch_visit
    assert np.isfinite(alert.flux).all()


def test_alert_and_its_thin_form_survive_the_wire(second_look):
    (alert,) = second_look().alerts
    again = decode(encode(alert), Alert)
    assert encode(again) == encode(alert)
    newest = decode(encode(thin(alert)), ThinAlert)
    assert newest.alert_id == alert.alert_id
    assert newest.significance == 20.0


def test_two_looks_give_the_same_bytes(second_look):
    left, right = second_look(), second_look()
    assert encode(left.alerts[0]) == encode(right.alerts[0])
    assert encode(left.verdicts) == encode(right.verdicts)


def test_a_withdrawal_names_no_class_and_replaces_the_alert(second_look, made):
    sent = second_look()
    quiet = made.examiner(lambda *curves: made.result())
    once = quiet.look(made.panel(3), sent.verdicts.latest)
    (gone,) = quiet.look(made.panel(4), once.verdicts.latest).alerts
    assert (gone.reason, gone.kind, gone.replaces) == (
        "withdrawn",
        "none",
        sent.alerts[0].alert_id,
    )
    assert "withdrawn" in gone.period_convention


def test_the_verdict_keeps_the_look_before(second_look):
    verdicts = second_look().verdicts
    assert (verdicts.previous.examination, verdicts.latest.examination) == (1, 2)


def test_probabilities_that_pass_one_by_a_bit_are_cut(second_look, made):
    chances = np.zeros((3, 4))
    chances[1, 2] = 1.0000001
    result = dataclasses.replace(made.result(crossed=[1]), probabilities=chances)
    (alert,) = second_look(result=result).alerts
    assert alert.probabilities["eclipsing"] == 1.0


def test_flagged_epochs_are_not_searched_but_stay_in_the_curve(made):
    seen = []
    flags = np.zeros((3, 12), np.int32)
    flags[1, 4] = int(Flag.COSMIC_RAY)
    flags[2, 5] = int(Flag.CROWDED)

    def search(time, flux, err):
        seen.append(flux)
        return made.result(crossed=[1])

    examiner = made.examiner(search)
    first = examiner.look(made.panel(1), None).verdicts.latest
    (alert,) = examiner.look(made.panel(2, flags=flags), first).alerts
    assert np.flatnonzero(np.isnan(seen[1][1])).tolist() == [4]
    assert np.isfinite(seen[1][2]).all()
    assert alert.epochs == 12


def test_curves_that_cannot_be_examined_are_bad_input(made):
    def search(*curves):
        raise TimeseriesError("time_order", "time must not decrease")

    with pytest.raises(InvalidMessageError, match="examination 1 of cell") as caught:
        made.examiner(search).look(made.panel(1), None)
    assert caught.value.reason == "time_order"


def test_mean_flux_weighs_by_the_errors_and_skips_what_is_missing():
    flux = np.array([10.0, 20.0, np.nan, 99.0])
    err = np.array([1.0, 2.0, 1.0, np.nan])
    assert mean_flux(flux, err) == pytest.approx((10 + 20 / 4) / 1.25)
    assert math.isnan(mean_flux(np.array([np.nan]), np.array([1.0])))


@pytest.mark.parametrize("flux", [0.0, -5.0, math.nan])
def test_magnitude_is_undefined_without_positive_flux(flux):
    assert math.isnan(magnitude(flux))


def test_convention_follows_the_class_and_the_single_event():
    assert convention("eclipsing", 1.0).startswith("from primary eclipse")
    assert convention("transit", math.nan).startswith("no period: one event")
    assert convention("none", 1.0).startswith("no period: the alert")
