"""A whole sequence of looks at real curves, through the handler: every reason for an alert comes.

Two panels of one cell, without a network. The stars of panel 0 are bright; one of panel 1 lies
beside the binary of panel 0 and mirrors it.
"""

from __future__ import annotations

from collections import defaultdict
from functools import partial

import numpy as np
import pytest

from csstream.alerting.identity import panel_key
from csstream.classifier.gathering import Gatherer
from csstream.classifier.handler import PanelHandler
from csstream.classifier.memory import Memory
from csstream.contracts.codec import decode, encode
from csstream.contracts.records import Alert
from csstream.contracts.topics import load_topics
from csstream.runtime.messages import Message
from csstream.runtime.metrics import make_metrics
from csstream.timeseries.examine import examine_panel
from csstream.timeseries.settings import ExamineSettings

TOPICS = load_topics()
STARS, EPOCHS, SPAN = 24, 800, 4.0
LOOKS = (160, 170, 280, 400, 560, 640, 720, 800)
NOISE = 0.005  # of one epoch, relative
BINARY, TRANSIT, FADING, CHANGING = range(4)
MIRROR = STARS  # the first star of panel 1
ARCSEC = 1.0 / 3600.0


def dip(time, t0, period, duration, depth):
    """Relative flux of a trapezoid with steep sides."""
    phase = (time - t0 + 0.5 * period) % period - 0.5 * period
    return 1.0 - depth * np.clip(20.0 * (0.5 - np.abs(phase) / duration), 0.0, 1.0)


def make_curves(time, rng):
    """Fluxes of both panels, (2, n, m) [nJy]."""
    flux = 50_000.0 * (1.0 + NOISE * rng.normal(size=(2, STARS, len(time))))
    flux[1] /= 10.0
    binary = dip(time, 0.3, 0.35, 0.06, 0.03)
    flux[0, BINARY] *= binary
    flux[1, 0] *= 1.0 + 0.7 * (binary - 1.0)
    flux[0, TRANSIT] *= dip(time, 1.0, 2.1, 0.12, 0.02)
    flux[0, FADING] *= 1.0 + 0.010 * np.sin(2 * np.pi * time / 0.31) * (time < 1.5)
    flux[0, CHANGING] *= dip(time, 0.2, 0.6, 0.08, 0.03) * dip(time, 0.5, 0.6, 0.08, 0.005)
    return flux


class Course:
    """A classifier whose topics are lists, fed with growing panels."""

    def __init__(self, made):
        self.made, self.sent = made, []
        memory = Memory(lambda partition: iter(()))
        memory.load(0)
        search = partial(examine_panel, settings=ExamineSettings())
        self.handler = PanelHandler(
            memory=memory,
            gatherer=Gatherer(),
            examiner=made.examiner(search),
            send=self.sent.extend,
            topics=TOPICS,
            metrics=make_metrics(),
        )

    def look(self, number, panel, time, flux):
        """Hand over a panel as the light-curve service sends it."""
        first = self.made.first_id + panel * STARS
        east = np.arange(STARS) * 30.0 + 0.3 * panel
        body = self.made.panel(
            number,
            flux=flux,
            panel=panel,
            closing=len(time) == EPOCHS,
            object_id=first + np.arange(STARS),
            ra=269.0 + east * ARCSEC,
            mjd_mid_tai=60000.0 + time,
            flux_err=np.full(flux.shape, NOISE * np.median(flux), np.float32),
        )
        key = panel_key(body.cell, panel)
        self.handler(Message("lightcurves", 0, number, key, encode(body), (), 5))


@pytest.fixture(scope="module")
def alerts(made):
    """All alerts by star, in order."""
    time = np.linspace(0.0, SPAN, EPOCHS, endpoint=False)
    curves, course = make_curves(time, np.random.default_rng(902)), Course(made)
    for number, epochs in enumerate(LOOKS, start=1):
        for panel in (1, 0):  # the mirror is looked at before its source
            course.look(number, panel, time[:epochs], curves[panel][:, :epochs])
    told = defaultdict(list)
    for message in course.sent:
        if message.topic == TOPICS.alerts.name:
            alert = decode(message.value, Alert)
            told[alert.object_id - made.first_id].append(alert)
    return dict(told)


def reasons(alerts, star):
    """What was said of a star, in order."""
    return [alert.reason for alert in alerts.get(star, [])]


def test_a_known_variable_is_told_again_only_when_its_significance_has_doubled(alerts):
    assert reasons(alerts, BINARY) == ["first_crossing", "significance_doubled"]
    first, second = alerts[BINARY]
    assert first.kind == second.kind
    assert second.period == pytest.approx(0.35, rel=0.01)
    assert second.significances["snr_folded"] >= 2.0 * first.significances["snr_folded"]


def test_a_single_event_gets_its_period_when_the_second_one_comes(alerts):
    assert reasons(alerts, TRANSIT) == ["single_event", "improved_period"]
    single, periodic = alerts[TRANSIT]
    assert np.isnan(single.period)
    assert single.t0 == pytest.approx(periodic.t0, abs=0.02)
    assert single.fap < 1e-5
    assert periodic.period == pytest.approx(2.1, rel=0.01)


def test_what_does_not_go_on_is_withdrawn(alerts):
    assert reasons(alerts, FADING)[0] == "first_crossing"
    assert reasons(alerts, FADING)[-1] == "withdrawn"


def test_a_class_that_has_changed_is_told(alerts):
    assert reasons(alerts, CHANGING) == ["first_crossing", "changed_class"]
    assert [alert.kind for alert in alerts[CHANGING]] == ["transit", "eclipsing"]


def test_a_mirror_is_not_alerted_though_it_was_seen_first_and_its_source_names_it(alerts, made):
    assert not reasons(alerts, MIRROR)
    assert alerts[BINARY][-1].mirrors.tolist() == [made.first_id + MIRROR]


def test_every_alert_refers_to_the_one_before_and_constant_stars_give_none(alerts):
    assert set(alerts) == set(range(4))
    for sent in alerts.values():
        assert [alert.replaces for alert in sent] == [None, *(a.alert_id for a in sent[:-1])]
