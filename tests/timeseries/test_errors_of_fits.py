"""Stated errors against the scatter of fits to curves made with known parameters."""

from __future__ import annotations

import numpy as np
import pytest

from csstream.timeseries.examine import examine_panel
from csstream.timeseries.harmonics import fit_harmonics
from csstream.timeseries.settings import ExamineSettings
from csstream.timeseries.trapezoid import fit_trapezoid, shape

NOISE = 0.004


def _spread(pulls):
    """Robust standard deviation about 0."""
    return 1.4826 * np.median(np.abs(pulls))


@pytest.mark.parametrize(
    ("period", "duration", "ingress", "depth"),
    [(0.9, 0.1, 0.5, 2.0), (1.3, 0.15, 0.8, 3.0), (0.9, 0.1, 0.15, 4.0)],
)
def test_errors_of_a_trapezoid(rng, period, duration, ingress, depth):
    time = np.linspace(-1.73, 1.73, 1000)
    pulls = []
    for _ in range(100):
        t0 = rng.uniform(-0.4, 0.4) * period
        flux = rng.normal(size=1000) - depth * shape(time, period, t0, duration, ingress)
        fit = fit_trapezoid(time, flux, np.ones(1000), period * (1 + 0.003 * rng.normal()),
                            t0 + 0.01 * rng.normal(), duration * rng.uniform(0.8, 1.2))  # fmt: skip
        late = fit.t0 - t0 - np.round((fit.t0 - t0) / period) * period
        pulls.append((
            (fit.period - period) / fit.period_err, late / fit.t0_err,
            (fit.duration - duration) / fit.duration_err, (fit.depth - depth) / fit.depth_err,
        ))  # fmt: skip
    for pull in np.array(pulls).T:
        assert 0.7 < _spread(pull) < 1.45


def test_errors_of_harmonics_at_an_extreme(rng):
    time = np.sort(rng.uniform(-2, 2, 300))
    angle = 2 * np.pi * 0.9 * time
    clean = 0.3 * np.cos(angle) + 0.1 * np.cos(2 * angle)  # maximum at 0
    pulls = []
    for _ in range(200):
        fit = fit_harmonics(time, clean + rng.normal(0, 0.1, 300), np.full(300, 100.0), 0.9, 3)
        t_max, error = fit.extreme(0.01)
        swing = fit(np.array([0.0, 0.4]))
        true = 0.4 - (0.3 * np.cos(0.72 * np.pi) + 0.1 * np.cos(1.44 * np.pi))
        pulls.append((t_max / error, (swing[0] - swing[1] - true) / fit.difference_err(0.0, 0.4)))
    for pull in np.array(pulls).T:
        assert 0.8 < _spread(pull) < 1.25


def _examined(rng, curve, stars=60):
    """Results of stars with the same kind of signal and other noise."""
    time = 60000.0 + np.linspace(0.0, 3.47, 500)
    start = rng.uniform(0.0, 1.0, stars)
    flux = np.array([curve(time - time[0] - s) for s in start])
    flux = 1000.0 * flux * (1.0 + NOISE * rng.normal(size=flux.shape))
    settings = ExamineSettings(ensemble=False)
    return time[0] + start, examine_panel(time, flux, np.full_like(flux, 1000.0 * NOISE), settings)


def _check(result, start, period, depth):
    near = np.abs(result.period / period - 1.0) < 0.01
    assert near.mean() > 0.95
    cycles = (result.t0 - start) / period
    late = (result.t0 - start - np.round(cycles) * period) / result.t0_err
    for pull in ((result.period - period) / result.period_err, late,
                 (result.depth - depth) / result.depth_err):  # fmt: skip
        assert 0.7 < _spread(pull[near]) < 1.5


def test_errors_of_whole_examinations_of_dips(rng):
    def curve(time):
        return 1.0 - 0.015 * shape(time, 0.87, 0.0, 0.12, 0.5)

    start, result = _examined(rng, curve)
    _check(result, start, 0.87, 0.015)


def test_errors_of_whole_examinations_of_waves(rng):
    def curve(time):
        return 1.0 + 0.01 * np.cos(2 * np.pi * time / 0.87)

    start, result = _examined(rng, curve)
    _check(result, start, 0.87, 0.02)
