"""A transit whose second event comes after the last look but the closing one, on real curves."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest

from csstream.alerting.schedule import Schedule
from csstream.timeseries.examine import examine_panel
from csstream.timeseries.settings import ExamineSettings

EPOCHS, SPAN = 1000, 3.5  # [day]
PERIOD, FIRST, DURATION = 2.4, 0.98, 0.1  # [day]: the second event ends at 98 % of the span
DEPTH = 2.2  # [sigma] of one epoch: one event alone has a S/N below 12
SIGMA = 25.0  # [nJy]
STARS = 12


@pytest.fixture(scope="module")
def curves():
    """Fluxes (n, m) [nJy] of quiet stars, the first with a transit, and their times [day]."""
    rng = np.random.default_rng(901)
    time = np.linspace(0.0, SPAN, EPOCHS, endpoint=False)
    flux = 5000.0 + rng.normal(0.0, SIGMA, (STARS, EPOCHS))
    phase = (time - FIRST + 0.5 * PERIOD) % PERIOD - 0.5 * PERIOD
    flux[0] -= DEPTH * SIGMA * np.clip(4.0 * (0.5 - np.abs(phase) / DURATION), 0.0, 1.0)
    return time, flux


def looks() -> list[int]:
    """Counts of epochs at which a panel is examined, the closing look last."""
    schedule = Schedule()
    due = [n for n in range(1, EPOCHS) if schedule.due(1234567, 0, n - 1, n)]
    return [*due[-2:], EPOCHS]


def course(made, curves, closing: bool) -> list[tuple[int, str]]:
    """Epochs and reason of each alert of the star with the transit."""
    time, flux = curves
    settings = ExamineSettings(longest_period=3.0)
    examiner = made.examiner(partial(examine_panel, settings=settings))
    before, told = None, []
    for number, epochs in enumerate(looks(), start=1):
        panel = made.panel(
            number,
            flux=flux[:, :epochs],
            mjd_mid_tai=60000.0 + time[:epochs],
            flux_err=np.full((STARS, epochs), SIGMA, np.float32),
            closing=closing and epochs == EPOCHS,
        )
        outcome = examiner.look(panel, before)
        before = outcome.verdicts.latest
        told += [(epochs, a.reason) for a in outcome.alerts if a.object_id == made.first_id]
        told += [(epochs, "false") for a in outcome.alerts if a.object_id != made.first_id]
    return told


def test_the_second_event_lies_after_the_last_look_but_one():
    assert looks()[-2] / EPOCHS * SPAN < FIRST + PERIOD - 0.5 * DURATION


def test_two_events_are_alerted_though_the_closing_look_alone_sees_both(made, curves):
    assert course(made, curves, closing=True) == [(EPOCHS, "first_crossing")]


def test_without_the_closing_look_nobody_would_know(made, curves):
    assert course(made, curves, closing=False) == []
