"""A transit whose second event comes after the last look but the closing one, on real curves."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest

from csstream.alerting.judging import AlertRules
from csstream.alerting.schedule import Schedule
from csstream.alerting.single_events import SingleEventRules
from csstream.timeseries.examine import examine_panel
from csstream.timeseries.settings import ExamineSettings

EPOCHS, SPAN = 1000, 3.5  # [day]
PERIOD, FIRST, DURATION = 2.4, 0.98, 0.1  # [day]: the second event ends at 98 % of the span
DEPTH = 2.2  # [sigma] of one epoch
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


def course(made, curves, closing: bool, single_fap: float = 0.0) -> list[tuple[int, str]]:
    """Epochs and reason of each alert of the star with the transit."""
    time, flux = curves
    settings = ExamineSettings(longest_period=3.0)
    rules = AlertRules(single_events=SingleEventRules(fap=single_fap))
    examiner = made.examiner(partial(examine_panel, settings=settings), rules=rules)
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


def test_where_single_events_are_told_the_first_is_alerted_at_once_and_gets_a_period(made, curves):
    told = [(looks()[-2], "single_event"), (EPOCHS, "improved_period")]
    assert course(made, curves, closing=True, single_fap=1e-5) == told
