"""Panels with known variables in them, and a science that answers as it is told."""

from __future__ import annotations

import dataclasses

import numpy as np

from csstream.contracts.records import Panel
from csstream.timeseries.kinds import KINDS
from csstream.timeseries.result import ExaminationResult

CELL = 1234567
FIRST_ID = CELL * 2**20 + 1


def make_panel(examination=1, epochs=12, objects=3, flux=None, **changes):
    """A quiet panel; ``flux`` (n, m) [nJy] replaces its curves."""
    flux = np.full((objects, epochs), 5000.0) if flux is None else flux
    objects, epochs = flux.shape
    values = {
        "cell": CELL,
        "panel": 0,
        "examination": examination,
        "visit": 10 * examination,
        "closing": False,
        "part": 0,
        "parts": 1,
        "instrument": "csst-i",
        "band": "i",
        "object_id": FIRST_ID + np.arange(objects),
        "ra": 269.2 + 1e-4 * np.arange(objects),
        "dec": np.full(objects, -29.5),
        "ra_err": np.full(objects, 1e-6, np.float32),
        "dec_err": np.full(objects, 1e-6, np.float32),
        "mjd_mid_tai": 60000.0 + 0.1 * np.arange(epochs),
        "epoch_visit": 1 + np.arange(epochs),
        "epoch_detector": np.zeros(epochs, np.int32),
        "flux": flux.astype(np.float32),
        "flux_err": np.full((objects, epochs), 25.0, np.float32),
        "flags": np.zeros((objects, epochs), np.int32),
        "model": "pnet@1",
    }
    return Panel(**(values | changes))


def make_result(objects=3, crossed=(), **columns):
    """What the science says: objects in ``crossed`` are eclipsing binaries, others nothing."""
    rows = np.zeros(objects, bool)
    rows[list(crossed)] = True
    kind = np.where(rows, KINDS.index("eclipsing"), 0).astype(np.uint8)
    number = np.where(rows, 1.0, np.nan)
    values = dict.fromkeys(
        ("period", "period_err", "t0_err", "duration", "duration_err", "depth", "depth_err"),
        0.5 * number,
    ) | {
        "kind": kind,
        "t0": 60000.0 + number,
        "dip_t0": 60000.0 + number,
        "snr_bls": np.where(rows, 30.0, 3.0),
        "snr_pink": 20.0 * number,
        "sde": np.full(objects, 5.0),
        "power_ls": np.full(objects, 0.2),
        "aov": np.full(objects, 5.0),
        "snr_amplitude": 9.0 * number,
        "fap": np.where(rows, 1e-9, 0.3),
        "fap_extrapolated": rows,
        "probabilities": np.eye(4)[kind],
        "n_events": np.where(rows, 3, 0),
        "phase_coverage": 0.8 * number,
        "n_epochs": np.full(objects, 12),
        "shortlisted": rows,
        "single_t0": np.full(objects, np.nan),
        "single_duration": np.full(objects, np.nan),
        "single_depth": np.full(objects, np.nan),
        "single_snr": np.zeros(objects),
        "single_points": np.zeros((objects, 3), np.int64),
        "single_snr_firm": np.zeros(objects),
        "single_fap": np.ones(objects),
        "single_shape": np.full(objects, np.nan),
        "single_edge": np.full(objects, np.nan),
        "crossed": rows,
        "global_view": np.zeros((objects, 201), np.float32),
        "local_view": np.zeros((objects, 61), np.float32),
    }
    return ExaminationResult(**(values | columns))


def make_dips(result, rows=(1,), t0=60002.0, duration=0.3, **columns):
    """The result in which ``rows`` show one event alone and have no period."""
    one = np.isin(np.arange(len(result)), rows)
    number = np.where(one, 1.0, np.nan)
    values = {
        "single_t0": t0 * number,
        "single_duration": duration * number,
        "single_depth": 0.02 * number,
        "single_snr": np.where(one, 12.0, 2.0),
        "single_points": np.where(one[:, None], 10, 0) * np.ones((1, 3), np.int64),
        "single_snr_firm": np.where(one, 10.0, 2.0),
        "single_fap": np.where(one, 1e-9, 0.5),
        "single_shape": 0.9 * number,
        "single_edge": 0.1 * number,
    }
    return dataclasses.replace(result, **(values | columns))
