"""The long stage: killed and begun again, on one core or two, the curves are the same."""

from dataclasses import replace

import numpy as np
import pytest

from csstream.evaluate import survey_stage
from csstream.evaluate.survey_arms import FrameCurves, Listing
from csstream.evaluate.survey_plan import PlanError, SurveyPlan, keep_plan, plan_of, read_plan
from csstream.evaluate.survey_stage import frames_done, measure_field, missing_chunks
from csstream.evaluation.curve_store import field_folders, frames_measured, read_field
from csstream.imaging.errors import FrameError
from csstream.simulation.known_list import known_catalogue

PLAN = SurveyPlan(
    part="b", mix="flat", seed=905, size=56, fields=1, frames=7, chunk=3, dithers=2,
    variables=(80, 60, 60), reference_frames=2,
)  # fmt: skip


class KilledError(Exception):
    pass


@pytest.fixture
def listed(monkeypatch):
    """The list is made of the truth, so that no reference is built."""

    def listing_of(field, path):
        reference = known_catalogue(field.field.catalogue, field.instrument, field.wcs)
        stars = reference.stars
        return Listing(
            reference=reference, x=stars.x, y=stars.y, wcs=field.wcs, nominal=field.nominal
        )

    monkeypatch.setattr(survey_stage, "listing_of", listing_of)


def aperture(frame, listing):
    """A measurement that depends on every pixel, and costs nothing."""
    n = listing.x.size
    flux = np.full(n, float(frame.image.sum())) + np.arange(n)
    return FrameCurves(
        flux=flux, flux_err=np.ones(n), flags=np.zeros(n, np.int32), zero_point=25.0,
        zero_point_err=0.0, fwhm=2.0, background=float(np.median(frame.image)),
    )  # fmt: skip


def test_a_run_that_was_killed_goes_on_to_the_same_curves(tmp_path, listed):
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    measure_field(whole, PLAN, 0, lambda frames: None, aperture)

    calls = 0

    def killed(frame, listing):
        nonlocal calls
        calls += 1
        if calls == 5:
            raise KilledError
        return aperture(frame, listing)

    with pytest.raises(KilledError):
        measure_field(broken, PLAN, 0, lambda frames: None, killed)
    assert missing_chunks(broken, PLAN, 0) == [3, 6]
    assert frames_measured(broken / "field-000") == 3
    done = []
    measure_field(broken, PLAN, 0, done.append, aperture)
    assert done == [3, 1]
    assert frames_done(broken, PLAN) == 7
    one, other = (read_field(folder / "field-000") for folder in (whole, broken))
    assert np.array_equal(one.flux, other.flux)
    assert np.array_equal(one.time, other.time)
    assert np.array_equal(one.objects.star, other.objects.star)
    assert one.flux.shape == (len(one.objects.object_id), 7)
    assert len(np.unique(one.flux[0])) == 7


def test_a_frame_that_cannot_be_measured_is_a_column_of_nan(tmp_path, listed):
    def fails(frame, listing):
        if frame.mjd_mid_tai > 61000.015:
            raise FrameError("no_psf", "nothing there")
        return aperture(frame, listing)

    measure_field(tmp_path, PLAN, 0, lambda frames: None, fails)
    curves = read_field(tmp_path / "field-000")
    failed = np.concatenate([chunk.failed for chunk in curves.chunks])
    assert 0 < failed.sum() < 7
    assert np.array_equal(np.isnan(curves.flux[0]), failed)


def test_objects_know_what_they_show(tmp_path, listed):
    measure_field(tmp_path, PLAN, 0, lambda frames: None, aperture)
    assert field_folders(tmp_path) == [tmp_path / "field-000"]
    curves = read_field(tmp_path / "field-000", frames=4)
    assert curves.time.size == 4
    truth, objects = curves.truth, curves.objects
    linked = objects.star >= 0
    away = np.hypot(truth.x[objects.star] - objects.x, truth.y[objects.star] - objects.y)
    assert np.all(away[linked] <= 1.0)
    assert np.unique(objects.star[~curves.quiet]).size == np.count_nonzero(~curves.quiet)
    assert set(curves.kind[~curves.quiet]) <= {"transit", "eclipsing", "pulsating"}
    assert np.count_nonzero(~curves.quiet) >= 3


def test_a_folder_keeps_to_its_plan(tmp_path):
    keep_plan(tmp_path, PLAN, {"csstream": "1"})
    keep_plan(tmp_path, replace(PLAN, fields=2), {})
    assert read_plan(tmp_path).fields == 2
    with pytest.raises(PlanError, match="another survey"):
        keep_plan(tmp_path, replace(PLAN, seed=906), {})
    with pytest.raises(PlanError, match="no survey"):
        read_plan(tmp_path / "nowhere")


def test_plans_say_what_is_wrong():
    with pytest.raises(ValueError, match="frames must be"):
        plan_of("a", {"frames": 0})
    assert plan_of("c", {"fields": 5, "size": None}).fields == 5
    assert plan_of("c", {}).low_orbit is not None
