"""Alerts for the subscriber's tests."""

from __future__ import annotations

import numpy as np
import pytest

from csstream.contracts.records import Alert


def make_alert(number=1, kind="eclipsing", epochs=60, period=1.2345, **changes):
    """An alert of an object with a dip every ``period`` days."""
    rng = np.random.default_rng(number)
    time = 60000.2 + np.sort(rng.uniform(0, 5, epochs))
    phase = (time - 60000.9) / period % 1
    dip = np.abs(phase - np.round(phase)) < 0.05
    flux = 5000 * (1 - 0.3 * dip + rng.normal(0, 0.005, epochs))
    view = np.where(np.abs(np.linspace(-0.5, 0.5, 201)) < 0.05, -1.0, 0.0)
    values = {
        "alert_id": f"{number:032x}",
        "reason": "first_crossing",
        "replaces": None,
        "object_id": 1000 + number,
        "cell": 7,
        "panel": 0,
        "examination": 5,
        "visit": 44,
        "instrument": "csst-i",
        "band": "i",
        "ra": 269.2125,
        "dec": -29.579167,
        "ra_err": 1e-6,
        "dec_err": 1e-6,
        "mean_flux": 4800.0,
        "mag": 22.15,
        "kind": kind,
        "probabilities": {"none": 0.0, "transit": 0.02, "eclipsing": 0.96, "pulsating": 0.02},
        "period": period,
        "period_err": 1.2e-4,
        "period_convention": "from primary eclipse to primary eclipse",
        "t0": 2460001.4,
        "time_scale": "bjd_tdb",
        "bjd_tdb": time + 2400000.5,
        "t0_err": 1e-3,
        "duration": 0.12,
        "duration_err": 0.004,
        "depth": 0.3,
        "depth_err": 0.004,
        "significances": {"snr_bls": 50.0, "snr_pink": 40.0, "snr_folded": 40.0},
        "fap": 1e-7,
        "epochs": epochs,
        "events": 4,
        "phase_coverage": 0.9,
        "mjd_mid_tai": time,
        "flux": flux.astype(np.float32),
        "flux_err": np.full(epochs, 25.0, np.float32),
        "epoch_visit": 1 + np.arange(epochs),
        "epoch_detector": np.zeros(epochs, np.int32),
        "global_view": view.astype(np.float32),
        "local_view": view[70:131].astype(np.float32),
        "detection_model": "pnet@1",
        "classifier_model": "rules",
        "reference_version": "",
        "code_version": "1",
    }
    return Alert(**(values | changes))


@pytest.fixture
def alert():
    """Builder of alerts: ``alert(number, kind=…, …)``."""
    return make_alert
