"""Records as the services send them."""

from __future__ import annotations

import math
from types import SimpleNamespace

import numpy as np
import pytest

from csstream.contracts.records import (
    Alert,
    ClaimCheck,
    DeadLetter,
    Examination,
    Exposure,
    ExposureReport,
    Measurements,
    Verdicts,
)
from csstream.run.tally import Tally

IMAGE = ClaimCheck(uri="file:///frames/a.fits", size_bytes=1, sha256="0" * 64, content_type="image")


def make_exposure(visit=1, kind="exposure", **changes):
    values = {
        "kind": kind,
        "exposure_id": f"s.1.{visit}",
        "sequence": "s",
        "visit": visit,
        "detector": 1,
        "detectors_in_visit": 1,
        "instrument": "csst-i",
        "band": "i",
        "mjd_mid_tai": 61000.0 + visit if kind == "exposure" else math.nan,
        "exposure_time": 300.0,
        "image": IMAGE if kind == "exposure" else None,
    }
    return Exposure(**(values | changes))


def make_report(visit=1, status="measured", **changes):
    values = {
        "exposure_id": f"s.1.{visit}",
        "visit": visit,
        "detector": 1,
        "instrument": "csst-i",
        "band": "i",
        "status": status,
        "reason": "corrupt_fits" if status == "given_up" else "",
        "mjd_mid_tai": 61000.0 + visit,
        "sources": 100 if status == "measured" else 0,
        "batches": 2,
        "rows": 110,
        "saturated": 1,
        "depth": 24.0 + 0.01 * visit,
        "fwhm": 2.0,
        "background": 0.8,
        "zero_point": 25.9,
        "method": "pnet",
        "model": "pnet@1",
        "provider": "CPUExecutionProvider",
        "announced_ms": 1000 * visit,
        "timings": {"detect": 0.25, "fit": 0.5},
    }
    return ExposureReport(**(values | changes))


def make_examination(number=1, objects=(1, 2, 3)):
    n = len(objects)
    return Examination(
        examination=number,
        visit=10 * number,
        object_id=np.array(objects, np.int64),
        crossed=np.zeros(n, np.uint8),
        kind=np.zeros(n, np.uint8),
        period=np.full(n, np.nan),
        period_err=np.full(n, np.nan),
        significance=np.zeros(n, np.float32),
        alert_id=("",) * n,
        alert_kind=np.zeros(n, np.uint8),
        alert_period=np.full(n, np.nan),
        alert_significance=np.zeros(n, np.float32),
    )


def make_verdicts(cell=1, panel=0, number=1, previous=None, objects=(1, 2, 3)):
    latest = make_examination(number, objects)
    return Verdicts(cell=cell, panel=panel, previous=previous, latest=latest)


def make_alert(alert_id="a", object_id=1, visit=30, reason="first_crossing", **changes):
    rng = np.random.default_rng(object_id)
    time = 61000.0 + np.sort(rng.uniform(0, 10, 60))
    values = {
        "alert_id": alert_id,
        "reason": reason,
        "replaces": None,
        "object_id": object_id,
        "cell": 1,
        "panel": 0,
        "examination": 1,
        "visit": visit,
        "instrument": "csst-i",
        "band": "i",
        "ra": 269.2,
        "dec": -29.5,
        "ra_err": 1e-7,
        "dec_err": 1e-7,
        "mean_flux": 5000.0,
        "mag": 22.15,
        "kind": "pulsating",
        "probabilities": {"none": 0.01, "transit": 0.0, "eclipsing": 0.04, "pulsating": 0.95},
        "period": 0.7,
        "period_err": 1e-4,
        "period_convention": "one cycle",
        "t0": 61000.1,
        "t0_err": 1e-3,
        "duration": math.nan,
        "duration_err": math.nan,
        "depth": 0.3,
        "depth_err": 0.01,
        "significances": {"snr_bls": 12.0, "snr_folded": 21.5},
        "fap": 1e-9,
        "epochs": 60,
        "events": 14,
        "phase_coverage": 0.9,
        "mjd_mid_tai": time,
        "flux": (5000 * (1 + 0.15 * np.sin(2 * np.pi * time / 0.7))).astype(np.float32),
        "flux_err": np.full(60, 25.0, np.float32),
        "epoch_visit": np.arange(1, 61),
        "epoch_detector": np.ones(60, np.int32),
        "global_view": np.zeros(201, np.float32),
        "local_view": np.zeros(61, np.float32),
        "detection_model": "pnet@1",
        "classifier_model": "c@1",
        "reference_version": "",
        "code_version": "1",
    }
    return Alert(**(values | changes))


def make_dead_letter(offset=0, stage="detection", error="<b>no</b> such file"):
    return DeadLetter(
        stage=stage,
        reason="missing_file",
        error=error,
        topic="exposures",
        partition=0,
        offset=offset,
        timestamp_ms=0,
        failed_ms=0,
        attempt=1,
        key=None,
        value=b"",
        headers=(),
    )


def make_measurements(cell, x, y, exposure_id="s.1.1"):
    n = len(x)
    numbers = dict.fromkeys(("x_err", "y_err", "flux", "flux_err", "probability"))
    return Measurements(
        exposure_id=exposure_id,
        visit=1,
        detector=1,
        detectors_in_visit=1,
        cell=cell,
        instrument="csst-i",
        band="i",
        mjd_mid_tai=61001.0,
        exposure_time=300.0,
        zero_point=25.9,
        zero_point_err=0.001,
        fwhm=2.0,
        background=0.8,
        match_radius_arcsec=0.07,
        margin_arcsec=0.3,
        model="pnet@1",
        reference_version="",
        object_id=np.zeros(n, np.int64),
        ra=269.2 + np.asarray(x) * 1e-5,
        dec=-29.5 + np.asarray(y) * 1e-5,
        x=np.asarray(x, np.float64),
        y=np.asarray(y, np.float64),
        flags=np.zeros(n, np.int32),
        **{name: np.ones(n, np.float32) for name in numbers},
    )


def make_tally(frames=3):
    """A run of some frames, one of them given up, with two examinations and an alert."""
    tally = Tally()
    for visit in range(1, frames + 1):
        tally.add(make_exposure(visit), 1000 * visit)
        status = "given_up" if visit == frames else "measured"
        tally.add(make_report(visit, status), 1000 * visit + 500)
    tally.add(make_exposure(frames + 1, "sequence_end"), 5000)
    tally.add(make_report(frames + 1, "sequence_end"), 5100)
    tally.add(make_verdicts(), 6000)
    tally.add(make_alert(), 6500)
    tally.add(make_dead_letter(), 6600)
    return tally


@pytest.fixture
def made():
    """The builders above: ``made.exposure``, ``made.report`` …"""
    return SimpleNamespace(
        exposure=make_exposure,
        report=make_report,
        verdicts=make_verdicts,
        examination=make_examination,
        alert=make_alert,
        dead_letter=make_dead_letter,
        measurements=make_measurements,
        tally=make_tally,
    )
